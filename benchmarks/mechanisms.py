"""The figures of the mechanisms at the seed's setting: latency, memory, growth, and the same arrays through others.

No mechanism is timed before its fast form has answered what its definition answers, on the inputs it is timed on;
where one does not, or two that compute the same function differ, the exit status is 1.

    python -m benchmarks.mechanisms [--only NAME ...] [--peer] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from rich.console import Console

from benchmarks.case import Case
from benchmarks.cases import CASES
from benchmarks.machine import describe
from benchmarks.measure import FIELDS, Figures, measure, mistakes
from benchmarks.peer import SAME, NoPeerError, compare_all, install
from benchmarks.tables import figures_table, targets_table
from benchmarks.timing import Effort

FULL = Effort()
_CONSOLE = Console(width=150, highlight=False)


def main(words: Sequence[str], effort: Effort = FULL) -> int:
    """Measure what ``words`` ask for, print it, write JSON where asked; the exit status."""
    options = _options(words)
    threads = f"torch {torch.__version__} with {torch.get_num_threads()} threads (beside the npm package 1)"
    head = {
        "machine": f"{describe()}, {threads}",
        "command": shlex.join(["python", "-m", "benchmarks.mechanisms", *words]),
    }
    _CONSOLE.print(*head.values(), sep="\n")
    try:
        if options.peer:
            install()
    except NoPeerError as error:
        _CONSOLE.print(f"{error}; without --peer all else is measured")
        return 2
    cases = {name: CASES[name]() for name in options.only}
    figures, wrong = _measured(cases, effort)
    if options.peer:
        timed = [name for name, case in cases.items() if case.peers and figures[name]["p50_ms"] is not None]
        wrong += _compared(timed, figures, effort)
    _CONSOLE.print(figures_table(figures), targets_table(cases, figures))
    for line in wrong:
        _CONSOLE.print(line)
    if options.json:
        _write(options.json, head, figures)
    return 1 if wrong else 0


def _options(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mechanisms",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", choices=CASES, default=CASES, metavar="NAME", help=", ".join(CASES))
    parser.add_argument("--peer", action="store_true", help="the npm package too; needs node, npm and the network")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(words)


@torch.inference_mode()
def _measured(cases: Mapping[str, Case], effort: Effort) -> tuple[dict[str, Figures], list[str]]:
    """Figures of the cases that are right, nulls for the others, and what is wrong with those."""
    figures: dict[str, Figures] = {}
    wrong: list[str] = []
    for name, case in cases.items():
        _CONSOLE.print(f"{name} ...")
        found = list(mistakes(case))
        figures[name] = dict.fromkeys(FIELDS) if found else measure(case, effort)
        wrong += [f"{name} is not timed: {each}" for each in found]
    return figures, wrong


def _compared(names: Sequence[str], figures: Mapping[str, Figures], effort: Effort) -> list[str]:
    """Add the peers' figures; answers what is apart although both compute the same function."""
    _CONSOLE.print(f"the npm package beside {', '.join(names)} ...")
    wrong: list[str] = []
    for name, peers in compare_all(names, effort).items():
        first = next(iter(peers.values()))
        for figure in ("ratio_single", "ratio_sequence", "max_abs_diff"):
            figures[name][f"peer_{figure}"] = first[figure]
        figures[name]["peers"] = peers
        far = {peer: apart for peer, found in peers.items() if (apart := found["max_abs_diff"] or 0.0) > SAME}
        wrong += [f"{name}: {apart:.2g} away from the npm package's {peer}" for peer, apart in far.items()]
    return wrong


def _write(path: Path, head: Mapping[str, str], figures: Mapping[str, Figures]) -> None:
    """One object for each mechanism with exactly ``FIELDS``; all else under ``details``."""
    rows = {name: {field: found[field] for field in FIELDS} for name, found in figures.items()}
    more = {name: {key: found[key] for key in found.keys() - set(FIELDS)} for name, found in figures.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**head, **rows, "details": more}, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
