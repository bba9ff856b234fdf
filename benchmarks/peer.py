"""The npm package @ruvector/attention on the same arrays, in turn with ours, one thread each.

Node times its own calls in its own process, so nothing of the way to it is counted.

Letters: Nq queries, Nk keys, D width.
"""

from __future__ import annotations

import json
import select
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.arrays import LENGTH, three
from benchmarks.case import Peer
from benchmarks.cases import CASES
from benchmarks.timing import Effort, times

PACKAGE = "@ruvector/attention@2.2.2"
FOLDER = Path("runs/peer")
SAME = 1e-4
"""Two functions that differ by more in an entry are not the same."""
_INSTALL_S, _ANSWER_S = 120.0, 300.0
_PROGRAM = Path(__file__).with_suffix(".mjs").resolve()


class NoPeerError(Exception):
    """The package cannot be run here; says what is missing."""


def install(folder: Path = FOLDER) -> None:
    """Fetch the package, once; nothing of it is run.

    Raises:
        NoPeerError: if node, npm or the network is missing.
    """
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise NoPeerError(f"{program} is not here: --peer runs the npm package {PACKAGE}")
    folder.mkdir(parents=True, exist_ok=True)
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", "--prefer-offline"]
    command = ["npm", "install", *quiet, "--prefix", str(folder), PACKAGE]
    try:
        subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_S, check=True)
    except subprocess.TimeoutExpired as error:
        raise NoPeerError(f"npm did not fetch {PACKAGE} within {_INSTALL_S:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise NoPeerError(f"npm could not fetch {PACKAGE}: {_reason(error.stderr)}") from error


def _reason(said: str) -> str:
    """The first lines of what npm says; below them is its own stack."""
    return "; ".join(line.removeprefix("npm error ") for line in said.splitlines()[:4])


class Node:
    """One node process that measures what it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            ["node", str(_PROGRAM)], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._scratch = tempfile.TemporaryDirectory(prefix="peer-")

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.communicate()
        self._scratch.cleanup()

    def measure(
        self, peer: Peer, arrays: tuple[Tensor, Tensor, Tensor], effort: Effort
    ) -> tuple[NDArray[np.float64], Tensor]:
        """Milliseconds of each call, and the answer [1, Nq, D], for query [1, Nq, D], key and value [1, Nk, D]."""
        query, key, _ = arrays
        given, outputs = (Path(self._scratch.name) / name for name in ("given", "outputs"))
        torch.cat(arrays, dim=1).numpy().tofile(given)
        answer = self._ask(
            make=peer.make, positions=peer.positions, arrays=str(given), outputs=str(outputs),
            queries=query.shape[1], keys=key.shape[1], width=query.shape[2], calls=effort.calls, seconds=effort.short_s,
        )  # fmt: skip
        return np.array(answer["ms"]), torch.from_numpy(np.fromfile(outputs, np.float32)).view(1, query.shape[1], -1)

    def _ask(self, **asked: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._process.stdout], [], [], _ANSWER_S)
        line = self._process.stdout.readline() if ready else b""
        answer: dict[str, Any] = json.loads(line) if line else {"error": "no answer"}
        if "error" in answer:
            raise NoPeerError(f"{asked['make']}: {answer['error']}")
        return answer


def compare(peer: Peer, node: Node, effort: Effort) -> dict[str, Any]:
    """Ours and theirs on one query and on a sequence: times, how many times faster ours is, how far apart they are."""
    races = {label: _race(peer, node, queries, effort) for label, queries in (("single", 1), ("sequence", LENGTH))}
    return {
        "max_abs_diff": max(apart for apart, _ in races.values()) if peer.same else None,
        **{f"{figure}_{label}": ms for label, (_, found) in races.items() for figure, ms in found.items()},
    }


def _race(peer: Peer, node: Node, queries: int, effort: Effort) -> tuple[float, dict[str, float]]:
    """Repeats in turn, so that a noisy moment meets both; each figure is the median over repeats."""
    query, key, value = three(1, queries, LENGTH).values()
    ours = peer.ours(query, key, value)
    times(ours, effort.calls // 10, most_s=effort.short_s / 10)
    rounds = []
    for _ in range(effort.repeats):
        theirs, answer = node.measure(peer, (query, key, value), effort)
        mine = times(ours, effort.calls, most_s=effort.short_s)
        (p50, p99), (peer_p50, peer_p99) = (np.percentile(each, (50, 99)) for each in (mine, theirs))
        rounds.append((peer_p50 / p50, p50, p99, peer_p50, peer_p99))
    names = ("ratio", "p50_ms", "p99_ms", "peer_p50_ms", "peer_p99_ms")
    medians = np.median(rounds, axis=0).tolist()
    return float((ours() - answer).abs().max()), dict(zip(names, medians, strict=True))


def compare_all(names: Sequence[str], effort: Effort, folder: Path = FOLDER) -> dict[str, dict[str, dict[str, Any]]]:
    """``compare`` for every peer of the cases ``names``, by case and peer, in a process of its own with one thread."""
    with get_context("spawn").Pool(1, torch.set_num_threads, (1,)) as alone:
        return alone.apply(_compare_all, (names, effort, folder.resolve()))


def _compare_all(names: Sequence[str], effort: Effort, folder: Path) -> dict[str, dict[str, dict[str, Any]]]:
    with Node(folder) as node, torch.inference_mode():
        return {name: {peer.name: compare(peer, node, effort) for peer in CASES[name]().peers} for name in names}
