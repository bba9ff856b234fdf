"""Kill -9 of each actor, of all, and of the whole cluster: how long until the next market hour, and what is lost."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.head import Head
from benchmarks.kills import ACTORS, follow, kill, ledger, strays
from swarm.actors.launch import ask, end, launch
from swarm.actors.scenario import Scenario
from swarm.cli.cluster import EARLIEST_ZONE, FOR_EVER_H
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import load_campaigns
from swarm.spec.config import SwarmConfig
from swarm.store.journal import Journal

EXAMPLES = Path("configs/campaigns").resolve()
HOURS = (26, 40, 54)
"""Market hours from which on a kill comes, in simulated time: health is judged, and heads are learnt by then."""
LAST = 70
_LOOK_S = 0.002
_PATIENCE_S = 180.0
_WIDTH = 120


def kills() -> dict[str, Any]:
    """Kills, recovery times (seconds), writes lost and doubled, and rows that differ from the undisturbed run."""
    cluster = _cluster()
    truth, *_ = _run("undisturbed", (), max(LAST, cluster[2] + 1))
    found = {name: _row(_run(name.replace("/", "-"), [name]), truth) for name in ACTORS}
    found["all actors at once"] = _row(_run("all", ACTORS), truth)
    found["the whole Ray cluster"] = _row(cluster, truth)
    Console(width=_WIDTH).print(_table(found))
    return found


def _scenario(name: str) -> Scenario:
    """As `swarm up` has it."""
    config = SwarmConfig().model_copy(update={"name": f"kill-{name}"})
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    return Scenario(config, folder, FOUR, config.run.start, FOR_EVER_H // 24, anchor=EARLIEST_ZONE)


def _run(name: str, victims: Sequence[str], last: int = LAST) -> tuple[Path, list[float], int]:
    """Journal's folder, recovery times, and the hour that the run went to."""
    scenario = _scenario(name)
    try:
        coordinator = launch(scenario)
        ask(coordinator, "submit", load_campaigns([EXAMPLES]))
        ask(coordinator, "start", last, 0.0)
        times = []
        for hour in HOURS if victims else ():
            follow(scenario, hour)
            times.append(_recovery(scenario.folder, lambda: kill(scenario, victims)))
        follow(scenario, last)
    finally:
        end(scenario.config.name)
    return scenario.folder, times, last


def _recovery(folder: Path, strike: Callable[[], None], restart: Callable[[], None] = lambda: None) -> float:
    """Seconds from the kill until an hour that began after it is in the journal."""
    journal = Journal(folder / "journal.sqlite", read_only=True)
    strike()
    struck, under_way = time.perf_counter(), journal.last_tick() + 1
    restart()
    while journal.last_tick() <= under_way:
        assert time.perf_counter() - struck < _PATIENCE_S
        time.sleep(_LOOK_S)
    return time.perf_counter() - struck


def _cluster() -> tuple[Path, list[float], int]:
    """As ``_run``, on clusters one after the other that are killed in mid-run; `swarm up` goes on each time."""
    home, times = Path(tempfile.mkdtemp(prefix="bench-")), list[float]()
    head, folder = _up(home)
    head.swarm("submit", str(EXAMPLES))

    def restart() -> None:
        nonlocal head
        head, _ = _up(home)

    try:
        for _ in HOURS:
            head.swarm("status")  # some seconds of hours
            times.append(_recovery(folder, head.kill, restart))
    finally:
        head.kill()
    return folder, times, Journal(folder / "journal.sqlite", read_only=True).last_tick()


def _up(home: Path) -> tuple[Head, Path]:
    """A new cluster with the swarm on it, and the run's folder."""
    head = Head(home, tempfile.mkdtemp(prefix="ray-"), dashboard=False)
    return head, Path(head.swarm("up", "--tick-seconds", "0")["folder"])


def _row(run: tuple[Path, list[float], int], truth: Path) -> dict[str, Any]:
    folder, times, last = run
    lost, doubled = strays(folder)
    ours, theirs = (Counter(ledger(each, last)) for each in (folder, truth))
    return {
        "kills": len(times),
        "recovery_s": {"median": median(times), "worst": max(times)},
        "lost": lost,
        "doubled": doubled,
        "rows": theirs.total(),
        "rows_that_differ": ((ours - theirs) | (theirs - ours)).total(),
    }


def _table(found: dict[str, Any]) -> Table:
    table = Table(title="Kill -9 in mid-run", title_justify="left")
    table.add_column("killed")
    for name in ("kills", "median s", "worst s", "writes lost", "doubled", "rows", "of them different"):
        table.add_column(name, justify="right")
    for name, row in found.items():
        times = (f"{row['recovery_s'][which]:.2f}" for which in ("median", "worst"))
        counts = (str(row[which]) for which in ("lost", "doubled", "rows", "rows_that_differ"))
        table.add_row(name, str(row["kills"]), *times, *counts)
    return table
