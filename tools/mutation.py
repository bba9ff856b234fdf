"""Are the guards tested? ``python -m tools.mutation --json FILE`` runs the fast tests against every mutant of the door.

Tests are collected once. For each mutant a child is forked, takes the mutated functions' code, runs the tests that call
them and stops at the first that fails; tests that killed last come first. What is outside functions takes a fresh
interpreter. A mutant that no input can tell from the original is named in ``tests/effects/equivalents.toml`` with the
reason, and does not count.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import signal
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any

import pytest

from tools.mutants import Mutant, mutants

ROOT = Path(__file__).parents[1]
PACKAGE = "swarm.effects"
FILES = ("case.py", "guards.py", "ledger.py", "limits.py", "door.py", "horizon.py")
EQUIVALENTS = ROOT / "tests" / "effects" / "equivalents.toml"
TESTS = ("tests/effects",)
NOT_FAST = "not slow"
LEFT_OUT = "not promises and not TestExposure and not in_time"
"""Tests of random sequences, which take long, and of speed, which a busy machine fails."""
TIME_LIMIT_S = 60
"""A mutant that runs longer has an endless loop, and counts as killed."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the mutants; those that are equivalent are left out."""

    killed: list[Mutant]
    survivors: list[Mutant]

    def summary(self) -> dict[str, Any]:
        """For machines."""
        everyone = self.killed + self.survivors
        return {
            "checks": sum(m.check for m in everyone),
            "checks_killed": sum(m.check for m in self.killed),
            "mutants": len(everyone),
            "mutants_killed": len(self.killed),
            "survivors": [f"{m.file}:{m.line} {m.function}: {m.before} -> {m.after}" for m in self.survivors],
        }


def equivalents(path: Path = EQUIVALENTS) -> dict[str, str]:
    """The reason by mutant."""
    return {e["mutant"]: e["reason"] for e in tomllib.loads(path.read_text(encoding="utf-8")).get("equivalent", [])}


def everyone(files: Sequence[str]) -> list[Mutant]:
    """Every mutant of ``files``, but those that are known to be equivalent."""
    known = equivalents()
    paths = [ROOT.joinpath(*PACKAGE.split("."), file) for file in files]
    found = [mutant for path in paths if path.exists() for mutant in mutants(path)]
    return [mutant for mutant in found if mutant.key not in known]


class Repeatable:
    """A plugin by which every example of a property is the same each time, and none is late."""

    def pytest_sessionstart(self) -> None:
        """Hypothesis is imported by its own plugin first, or pytest complains."""
        from hypothesis import settings

        settings.register_profile("mutation", deadline=None, derandomize=True, print_blob=False, database=None)
        settings.load_profile("mutation")


class Hunt:
    """A plugin in whose hands pytest puts the collected tests."""

    def __init__(self, prey: Sequence[Mutant], jobs: int) -> None:
        self._prey, self._jobs = list(prey), jobs
        self.result = Result([], [])
        self.broken: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of running the tests once: first as they are, then against each mutant."""
        items = list(session.items)
        reached = _reached(items)
        if missing := [item.nodeid for item in items if item.nodeid not in reached]:
            self.broken.append(missing[0])
            return True
        running: dict[int, tuple[Mutant, list[pytest.Item], int]] = {}
        for mutant in self._prey:
            if len(running) == self._jobs:
                self._reap(running, items)
            order = [item for item in items if f"{mutant.file} {mutant.function}" in reached[item.nodeid]]
            pid, pipe = _fork(order, mutant)
            running[pid] = (mutant, order, pipe)
        while running:
            self._reap(running, items)
        return True

    def _reap(self, running: dict[int, tuple[Mutant, list[pytest.Item], int]], items: list[pytest.Item]) -> None:
        pid, _ = os.wait()
        mutant, order, pipe = running.pop(pid)
        told = _read(pipe)
        killed = told != "alive"
        (self.result.killed if killed else self.result.survivors).append(mutant)
        if told.isdigit():
            killer = order[int(told)]
            items.remove(killer)
            items.insert(0, killer)


def _read(pipe: int) -> str:
    with os.fdopen(pipe) as end:
        return end.read()


def _reached(items: Sequence[pytest.Item]) -> dict[str, list[str]]:
    """What of the package each test calls, as "file function"; a test that fails without any mutant is left out."""
    pid, pipe = _child(lambda: json.dumps(dict(_traced(items))))
    told = _read(pipe)
    os.waitpid(pid, 0)
    return dict(json.loads(told))


def _traced(items: Sequence[pytest.Item]) -> Iterator[tuple[str, list[str]]]:
    folder = str(ROOT.joinpath(*PACKAGE.split(".")))
    called: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(folder):
            called.add(f"{Path(code.co_filename).name} {code.co_qualname.partition('.<locals>')[0]}")

    for item in items:
        called.clear()
        sys.setprofile(note)
        fails = _fails(item)
        sys.setprofile(None)
        if not fails:
            yield item.nodeid, sorted(called)


def _fork(items: Sequence[pytest.Item], mutant: Mutant) -> tuple[int, int]:
    """A child that runs ``items`` to the first failure; its id, and the pipe that it tells of it."""

    def hunt() -> str:
        signal.alarm(TIME_LIMIT_S)
        _take(mutant)
        return next((str(i) for i, item in enumerate(items) if _fails(item)), "alive")

    return _child(hunt)


def _child(work: Callable[[], str]) -> tuple[int, int]:
    """A silent child's id, and the pipe by which it tells what ``work`` answers."""
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid:
        os.close(theirs)
        return pid, ours
    os.close(ours)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    with os.fdopen(theirs, "w") as end:
        end.write(work())
    os._exit(0)


def _fails(item: pytest.Item) -> bool:
    from _pytest.runner import runtestprotocol

    return any(report.failed for report in runtestprotocol(item, log=False, nextitem=None))


def _take(mutant: Mutant) -> None:
    """Give the functions of the living module the mutant's code: whoever holds them, holds the mutant.

    What the original has answered already is forgotten.
    """
    module = import_module(f"{PACKAGE}.{mutant.file.removesuffix('.py')}")
    codes = dict(_codes(compile(mutant.tree, mutant.file, "exec", dont_inherit=True)))
    for function in _functions(module):
        if function.__qualname__ in codes:
            function.__code__ = codes[function.__qualname__]
    for value in vars(module).values():
        if hasattr(value, "cache_clear"):
            value.cache_clear()


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for const in code.co_consts:
        if isinstance(const, CodeType):
            yield const.co_qualname, const
            yield from _codes(const)


def _functions(module: ModuleType) -> Iterator[FunctionType]:
    own = [value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__]
    for value in [*own, *(member for kind in own if isinstance(kind, type) for member in vars(kind).values())]:
        inner = inspect.unwrap(getattr(value, "__func__", getattr(value, "fget", value)))
        if isinstance(inner, FunctionType):
            yield inner


class _Mutated(MetaPathFinder, Loader):
    """Imports the mutant in the place of its module."""

    def __init__(self, mutant: Mutant) -> None:
        self._name = f"{PACKAGE}.{mutant.file.removesuffix('.py')}"
        self._mutant = mutant

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self._mutant.tree, self._mutant.file, "exec", dont_inherit=True), vars(module))  # noqa: S102 - our own file


def _pytest(*more: str, plugins: Sequence[object] = ()) -> int:
    names = ["-o", "addopts=", "--import-mode=importlib", "--noconftest", "-p", "no:cacheprovider", "-q", "-x"]
    return int(pytest.main([*names, "-m", NOT_FAST, "-k", LEFT_OUT, *more, *TESTS], plugins=[Repeatable(), *plugins]))


def _fresh(place: int, files: Sequence[str]) -> bool:
    """Whether a new interpreter that imports the mutant at ``place`` fails a test."""
    command = [sys.executable, "-m", "tools.mutation", "--one", str(place), "--files", *files]
    try:
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=10 * TIME_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return True
    return ended.returncode != 0


def measure(files: Sequence[str] = FILES, jobs: int = 2, *, checks_alone: bool = False) -> Result:
    """Run the tests against every mutant of ``files``, or only against those in which a whole check is switched off.

    Raises:
        RuntimeError: a test fails without any mutant.
    """
    prey = {place: mutant for place, mutant in enumerate(everyone(files)) if mutant.check or not checks_alone}
    hunt = Hunt([mutant for mutant in prey.values() if mutant.function], jobs)
    _pytest(plugins=[hunt])
    if hunt.broken:
        raise RuntimeError(f"this fails without any mutant: {hunt.broken[0]}")
    result = hunt.result
    for place, mutant in prey.items():
        if not mutant.function:
            (result.killed if _fresh(place, files) else result.survivors).append(mutant)
    return result


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", nargs="+", default=list(FILES))
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--json", type=Path)
    parser.add_argument("--checks", action="store_true", help="only whole checks that are switched off")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one is not None:
        sys.meta_path.insert(0, _Mutated(everyone(given.files)[given.one]))
        sys.exit(_pytest())
    summary = measure(given.files, given.jobs, checks_alone=given.checks).summary()
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps(summary, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
