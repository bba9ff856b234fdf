"""Who may import whom."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OWN = ("mechanisms", "policies", "swarm")
TRAINER = "policies/models/train.py"
"""The program that trains draws its examples from the embedded market; a market of its own would be another truth."""
FILES = [path.relative_to(ROOT).as_posix() for package in OWN for path in sorted((ROOT / package).rglob("*.py"))]


def _imports(file: str, *, top_level: bool = False) -> set[str]:
    """First names of what a file imports; ``top_level``: only what importing the file runs."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {name for node in _nodes(tree, top_level) for name in _names(node)}


def _nodes(tree: ast.AST, top_level: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if top_level and (isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _typing_only(node)):
            continue
        yield node
        yield from _nodes(node, top_level)


def _typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.split(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").split(".")[0]]
    return []


def _under(file: str, *places: str) -> bool:
    return file.startswith(places)


def test_there_are_files_to_look_at() -> None:
    """An empty list would pass everything."""
    assert len(FILES) > 40


@pytest.mark.parametrize("file", FILES)
def test_layers(file: str) -> None:
    """Mechanisms know nothing above them, policies no runtime; Ray and torch stay where they belong."""
    names = _imports(file)
    forbidden = {"pickle", "cPickle", "cloudpickle", "dill"}
    if _under(file, "mechanisms/"):
        forbidden |= {"policies", "swarm", "ray"}
    if _under(file, "policies/"):
        forbidden |= {"swarm", "ray"}
        torch = _under(file, "policies/models/", "policies/theories/", "policies/engine.py")
        forbidden |= set() if torch else {"torch", "mechanisms"}
    if _under(file, "swarm/"):
        ray = _under(file, "swarm/actors/", "swarm/observe/metrics.py", "swarm/cli/")
        torch = _under(file, "swarm/attention/")
        forbidden |= (set() if ray else {"ray"}) | (set() if torch else {"torch"})
    assert not names & forbidden


def test_the_trainer_knows_nothing_of_the_swarm_but_its_samples() -> None:
    """By name alone, for it imports them where they are drawn."""
    source = (ROOT / TRAINER).read_text(encoding="utf-8")
    assert "swarm" not in _imports(TRAINER)
    assert set(re.findall(r"[\"' ]swarm\.[a-z_.]+", source)) == {'"swarm.platforms.samples.'}


@pytest.mark.parametrize("file", [file for file in FILES if file != TRAINER])
def test_nobody_imports_the_trainer(file: str) -> None:
    """What runs does not drag the market and scikit-learn along."""
    source = (ROOT / file).read_text(encoding="utf-8")
    assert "models.train" not in source
    assert "models import train" not in source


@pytest.mark.parametrize("file", [file for file in FILES if not _under(file, "policies/models/rivals/")])
def test_scikit_learn_is_for_rivals_alone(file: str) -> None:
    """It is no dependency of the package."""
    assert "sklearn" not in _imports(file)


@pytest.mark.parametrize("file", [file for file in FILES if _under(file, "swarm/")])
def test_torch_is_imported_only_when_it_is_used(file: str) -> None:
    """Every actor process would otherwise pay for torch."""
    assert "torch" not in _imports(file, top_level=True)


def test_an_agents_process_does_without_torch() -> None:
    """What an agent imports, directly or not, leaves torch out."""
    code = "import sys, swarm.actors.agent; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False"]
