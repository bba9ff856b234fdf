"""The recipes of CONTRIBUTING.md, followed to the letter in a copy of the checkout."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RECIPES = ("A mechanism", "A policy", "A platform")
_STEP = re.compile(
    r"^(?:(?P<how>In|At the end of|Change) `(?P<file>[^`]+)`:\n\n)?```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.M | re.S
)


@dataclass(frozen=True, slots=True)
class Step:
    """One fenced block of a recipe."""

    kind: str
    """The fence's language; ``sh`` is run, all others are written."""
    how: str
    file: str
    """Empty for commands."""
    body: str


def steps(recipe: str) -> Iterator[Step]:
    """The blocks under a heading, in order; a diff without a file's name goes on with the file before."""
    (text,) = re.findall(rf"^## {recipe}\n(.*?)(?=^## )", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.M | re.S)
    how, file, count = "", "", 0
    for found in _STEP.finditer(text):
        if found["kind"] == "sh":
            how, file = "", ""
        elif found["file"]:
            how, file = found["how"], found["file"]
        assert file or found["kind"] == "sh", f"a block of {recipe!r} names no file: {found['body'][:60]!r}"
        yield Step(found["kind"], how, file, found["body"])
        count += 1
    assert count == text.count("```") / 2, f"a block of {recipe!r} is not read"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The tracked files, as they are in the checkout now, in a folder of their own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("needs a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (tmp_path / "copy" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "copy" / name).write_bytes((ROOT / name).read_bytes())
    if (ROOT / ".mypy_cache").is_dir():  # what was checked already is not checked again
        shutil.copytree(ROOT / ".mypy_cache", tmp_path / "copy" / ".mypy_cache")
    return tmp_path / "copy"


def write(step: Step, copy: Path) -> None:
    """Do what a block says to its file."""
    path = copy / step.file
    if step.how == "Change":
        path.write_text(changed(path.read_text("utf-8"), step), "utf-8")
    elif step.how == "At the end of":
        path.write_text(f"{path.read_text('utf-8')}\n\n{step.body}", "utf-8")
    else:
        assert not path.exists(), f"{step.file} is there already"
        path.write_text(step.body, "utf-8")


def changed(text: str, step: Step) -> str:
    """``text`` with the lines of a diff in place of those that it stands for, which must be there once."""
    lines = [(line[:1], line[1:]) for line in step.body.splitlines(keepends=True)]
    assert {sign for sign, _ in lines} <= {" ", "+", "-"}, f"not a diff: {step.body}"
    old = "".join(line for sign, line in lines if sign != "+")
    new = "".join(line for sign, line in lines if sign != "-")
    assert text.count(old) == 1, f"these lines are not in {step.file}, or not once:\n{old}"
    return text.replace(old, new)


def run(command: str, copy: Path) -> str:
    """What a line of shell prints; it has to succeed, and to see the copy alone."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = {"PYTHONPATH": str(copy), "MYPYPATH": str(copy), "PATH": path, "RAY_ADDRESS": "local"}
    done = subprocess.run(
        ["bash", "-ec", command],
        cwd=copy,
        env={**os.environ, **places, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def follow(recipe: str, copy: Path) -> dict[str, str]:
    """Write and run everything, in order; what each command printed."""
    told: dict[str, str] = {}
    for step in steps(recipe):
        if step.kind == "sh":
            told |= {command: run(command, copy) for command in step.body.splitlines()}
        else:
            write(step, copy)
    return told


@pytest.mark.parametrize("recipe", RECIPES)
def test_every_block_fits_the_code(recipe: str, copy: Path) -> None:
    """New files are new, the lines to change are there, and what comes of it is Python."""
    for step in steps(recipe):
        if step.kind != "sh":
            write(step, copy)
            ast.parse((copy / step.file).read_text("utf-8"))


def test_all_three_fit_side_by_side(copy: Path) -> None:
    """One recipe does not take the place of another."""
    for step in chain.from_iterable(map(steps, RECIPES)):
        if step.kind != "sh":
            write(step, copy)


@pytest.mark.slow
def test_a_mechanism_is_added_as_the_text_says(copy: Path) -> None:
    """It stands in the list, is loaded by name when asked for, and its tests pass."""
    told = follow("A mechanism", copy)
    assert any(said.startswith("MeanPooling(") for said in told.values())
    code = (
        "import sys; from mechanisms.registry import list_mechanisms, load\n"
        "assert 'mean' in list_mechanisms() and 'mechanisms.mean' not in sys.modules\n"
        "load('mean'); print(sys.modules['mechanisms.mean'].__file__)"
    )
    assert run(f'python -c "{code}"', copy).strip() == str(copy / "mechanisms" / "mean.py")


@pytest.mark.slow
def test_a_policy_is_added_as_the_text_says(copy: Path) -> None:
    """Its laws hold, and without its call in planning the test of the plan fails."""
    follow("A policy", copy)
    planning = copy / "policies" / "planning.py"
    planning.write_text(planning.read_text("utf-8").replace("capped(shares)", "shares"), "utf-8")
    with pytest.raises(AssertionError, match="1 failed"):
        run("python -m pytest tests/policies/test_planning.py", copy)


@pytest.mark.slow
def test_a_platform_is_added_as_the_text_says(copy: Path) -> None:
    """A campaign that names it spends money there, through its own agent, within every cap."""
    told = follow("A platform", copy)
    spent = ast.literal_eval(list(told.values())[-1])
    assert min(spent["meta"], spent["pinterest"]) > 1.0
    assert spent["tiktok"] == 0.0
    found = json.loads((copy / "pins.json").read_text("utf-8"))
    assert found["overspend_micros"] == 0
    assert (Path(found["folder"]) / "logs" / "agent-pinterest.jsonl").stat().st_size > 0
