"""The tool that asks whether the guards are tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutants import mutants
from tools.mutation import ROOT, _fresh, everyone

SOURCE = '''
LEAST = 3
Bools = list[bool]


def within(case: Case) -> Bools:
    """Documented."""
    note(case)
    return case.new <= LEAST * case.old and not case.killed


def caps(case: Case, alive: Bools) -> dict[str, Bools]:
    """Two."""
    return {"daily": alive, "monthly": alive}
'''


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A module with a guard and two caps."""
    path = tmp_path / "small.py"
    path.write_text(SOURCE)
    return path


def test_each_step_is_a_mutant(file: Path) -> None:
    """Each check off; boundary, factor, constant, and, not, and the call that is made for its effect."""
    assert [
        ("within", "def within(case: Case) -> Bools:", "switched off"),
        ("caps", "def caps(case: Case, alive: Bools) -> dict[str, Bools]:", "without daily"),
        ("caps", "def caps(case: Case, alive: Bools) -> dict[str, Bools]:", "without monthly"),
        ("", "3", "4"),
        ("within", "note(case)", "None"),
        (
            "within",
            "case.new <= LEAST * case.old and (not case.killed)",
            "case.new <= LEAST * case.old or not case.killed",
        ),
        ("within", "case.new <= LEAST * case.old", "case.new < LEAST * case.old"),
        ("within", "LEAST * case.old", "LEAST * (case.old + 1)"),
        ("within", "not case.killed", "case.killed"),
    ] == [(m.function, m.before, m.after) for m in mutants(file)]


def test_every_mutant_compiles_and_is_told_apart_by_its_line(file: Path) -> None:
    """A mutant that could not even be imported would be killed by nothing that a test looks at."""
    for mutant in mutants(file):
        compile(mutant.tree, mutant.file, "exec")
        assert SOURCE.split("\n")[mutant.line - 1].strip().startswith(("LEAST", "def", "note", "return"))


def test_what_is_called_equivalent_is_a_mutant_and_has_a_reason() -> None:
    """A name that no longer fits would hide nothing, and mislead."""
    from tools.mutation import FILES, PACKAGE, equivalents

    paths = [ROOT.joinpath(*PACKAGE.split("."), file) for file in FILES]
    keys = {mutant.key for path in paths if path.exists() for mutant in mutants(path)}
    assert [] == [key for key, reason in equivalents().items() if key not in keys or not reason]


@pytest.mark.slow
def test_every_check_that_is_switched_off_is_found(tmp_path: Path) -> None:
    """One after the other; the other mutants take a benchmark's time."""
    file = tmp_path / "mutation.json"
    command = [sys.executable, "-m", "tools.mutation", "--checks", "--json", str(file)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    found = json.loads(file.read_text())
    assert sum(mutant.check for mutant in everyone(["guards.py"])) == found["checks_killed"], found["survivors"]


@pytest.mark.slow
def test_a_constant_outside_functions_is_altered_in_a_new_interpreter() -> None:
    """The parts that a daily budget is counted in: worst cases are no longer exact, and a test says so."""
    files = ["horizon.py"]
    place = next(place for place, mutant in enumerate(everyone(files)) if mutant.before == "20")
    assert _fresh(place, files)
