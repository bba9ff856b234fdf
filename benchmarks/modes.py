"""Modes: what they cost without shocks, how fast they see them, and what they save.

    python -m benchmarks.modes [--seeds 30] [--swarms 108] [--json FILE]

Reporting seeds are 9300 on; nothing is tuned on them. ``--first-seed 500`` takes those for tuning.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.decisions.desk import Eyes
from benchmarks.machine import describe, paired_interval
from benchmarks.modes_healthy import DAYS, Healthy, watch
from benchmarks.modes_play import Gated, Told, Unlearning, play
from policies.frames import Floats, Ints
from policies.health import Mode
from policies.tracking import CALL
from swarm.platforms.scenarios import Setup, draw
from swarm.platforms.shocks import KINDS, Hazards, Shock, shocks

FIRST_SEED, SEEDS, SWARMS, _BATCH = 9300, 30, 108, 6
_AFTER_H = 24
"""Hours after a shock in which transitions still count as its."""
_PERIODS = 2
"""Reports, after the first one, within which what is visible in prices, clicks or volume is to be seen."""
SILENT = ("tracking_outage", "conversion_collapse")
"""Visible only in conversions."""

Figure = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Spell:
    """Of each portfolio [P], the shock's first hour, the hour after its last, and the hour in which it is first
    reported."""

    begin: Ints
    end: Ints
    reported: Ints


def spell(setup: Setup) -> Spell:
    """When each portfolio's shock is on, by the truth."""
    lag = np.array([channel.report_lag_h for channel in setup.world.channels])
    found = []
    for seed in np.unique(setup.seed).tolist():
        hours = range(setup.calendar.ticks(setup.budgets.shape[1]))
        hit = [_hit(shocks(seed, tick, len(lag), setup.world.hazards)) for tick in hours]
        on = np.flatnonzero([each.any() for each in hit])
        found.append((on[0], on[-1] + 1, on[0] + 1 + lag[hit[on[0]]].min()))
    return Spell(*np.array(found).T)


def _hit(shock: Shock) -> Any:
    """[C] channels that the shock is on."""
    return (shock.price != 1.0) | (shock.traffic != 1.0) | (shock.rate != 1.0) | (not shock.tracking)


def gain(setup: Setup, value: Floats, other: Floats) -> Floats:
    """[P] how much more ``value`` [R] is than ``other``, in per cent, the mean over a portfolio's campaigns."""
    account = np.unique(setup.seed, return_inverse=True)[1]
    return np.asarray(100.0 * np.bincount(account, value / other - 1.0) / np.bincount(account))


def with_interval(values: Floats) -> Figure:
    """Mean and 95 % bootstrap interval over portfolios."""
    return (float(values.mean()), *paired_interval(values))


def calm(seeds: Sequence[int]) -> dict[str, Any]:
    """What modes cost where there is no shock."""
    setup = draw(KINDS[0], seeds)
    setup = replace(setup, world=replace(setup.world, hazards=Hazards(0.0)))
    without, gated = play(setup, Eyes()), Gated(setup)
    lost = -gain(setup, play(setup, gated).value, without.value)
    modes = np.array(gated.modes)
    return {"lost": with_interval(lost), "outside_stable": float((modes != Mode.STABLE).mean())}


def shocked(kind: str, seeds: Sequence[int]) -> dict[str, Any]:
    """How fast a shock of ``kind`` is seen, and what comes of it."""
    setup = draw(kind, seeds)
    when, gated = spell(setup), Gated(setup)
    without, told, ours = (play(setup, eyes) for eyes in (Eyes(), Told(setup), gated))
    free = play(setup, Unlearning(setup))
    avoidable, saved, unbraked = (gain(setup, each.value, without.value) for each in (told, ours, free))
    modes = np.array(gated.modes)
    seen = _seen(modes, when)
    within = seen <= when.reported + _PERIODS
    found = {
        "avoidable": with_interval(avoidable),
        "saved": with_interval(saved),
        "saved_without_brakes": with_interval(unbraked),
        "each": {"avoidable": avoidable.tolist(), "saved": saved.tolist()},
        "delay_h": _quartiles(seen - when.reported),
        "transitions": float(_transitions(modes, when).mean()),
    }
    if kind not in SILENT:
        return found | {"in_time": float(within.mean())}
    bound = _bound(ours.information, when)
    told_of = np.isfinite(bound)
    return found | {
        "bound_h": _quartiles(2.0 * (bound - when.begin)),
        "detectable": float(told_of.mean()),
        "in_time": float((seen - when.reported <= 2.0 * (bound - when.begin))[told_of].mean()),
    }


def _seen(modes: Any, when: Spell) -> Floats:
    """[P] the first hour from the first report on that is not STABLE; inf where there is none until a day after."""
    hour = np.arange(len(modes))[:, None]
    off = (modes != Mode.STABLE) & (hour >= when.reported) & (hour < when.end + _AFTER_H)
    return np.where(off.any(axis=0), off.argmax(axis=0), np.inf)


def _transitions(modes: Any, when: Spell) -> Ints:
    """[P] changes of mode from a shock's beginning until a day after its end."""
    hour = np.arange(1, len(modes))[:, None]
    inside = (hour >= when.begin) & (hour < when.end + _AFTER_H)
    return np.asarray(((modes[1:] != modes[:-1]) & inside).sum(axis=0))


def _bound(information: Floats, when: Spell) -> Floats:
    """[P] the hour by which conversions have told as much as a false call in 20 days asks for (Lorden); inf where they
    never do while the shock, or the day after it, lasts."""
    hour = np.arange(len(information))[:, None]
    inside = (hour >= when.begin) & (hour < when.end + _AFTER_H)
    enough = np.cumsum(np.where(inside, information, 0.0), axis=0) >= CALL
    return np.where(enough.any(axis=0), enough.argmax(axis=0) + 1.0, np.inf)


def _quartiles(values: Floats) -> list[float | None]:
    """What a quarter, half and three quarters stay within; None where that is never."""
    ranks = np.quantile(np.where(np.isfinite(values), values, 1e9), [0.25, 0.5, 0.75], method="higher")
    return [None if each >= 1e9 else float(each) for each in ranks]


def saved_part(found: Collection[Mapping[str, Any]]) -> Figure:
    """Part of the avoidable loss of all kinds together that is saved, and its interval over portfolios."""
    avoidable, saved = (np.sum([kind["each"][name] for kind in found], axis=0) for name in ("avoidable", "saved"))
    at = np.random.default_rng(0).integers(len(saved), size=(10_000, len(saved)))
    parts = saved[at].mean(axis=1) / np.maximum(avoidable[at].mean(axis=1), 1e-9)
    low, high = np.quantile(parts, [0.025, 0.975])
    return float(saved.mean() / avoidable.mean()), float(low), float(high)


def healthy(parts: Sequence[Healthy]) -> dict[str, float]:
    """False alarms of the gate alone."""
    swarms, freezes, cautions, hours = (
        sum(map(count, parts))
        for count in (
            lambda part: len(part.campaigns),
            lambda part: sum(part.freezes),
            lambda part: sum(part.cautions),
            lambda part: sum(part.hours),
        )
    )
    days = swarms * DAYS
    return {
        "swarm_days": days,
        "freezes_per_100_days": 100.0 * freezes / days,
        "cautions_per_20_days": 20.0 * cautions / days,
        "outside_stable": hours / (24.0 * days),
    }


def table(shocks_: dict[str, dict[str, Any]]) -> Table:
    """A row for each kind of shock."""
    made = Table("shock", "avoidable %", "saved %", "without brakes %", "delay h", "2 x bound h", "in time", "moves")
    for kind, found in shocks_.items():
        figures = (_figure(found[name]) for name in ("avoidable", "saved", "saved_without_brakes"))
        delays = (_spread(found.get(name)) for name in ("delay_h", "bound_h"))
        made.add_row(kind, *figures, *delays, f"{found['in_time']:.2f}", f"{found['transitions']:.1f}")
    return made


def _figure(found: Figure) -> str:
    return f"{found[0]:.2f} ({found[1]:.2f} to {found[2]:.2f})"


def _spread(found: list[float | None] | None) -> str:
    return "-" if found is None else " / ".join("never" if each is None else f"{each:.0f}" for each in found)


def main() -> None:
    """Measure, print, and write JSON where asked."""
    options = _options()
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    last = options.first_seed + options.swarms
    swarms = [range(first, min(first + _BATCH, last)) for first in range(options.first_seed, last, _BATCH)]
    began, console = time.monotonic(), Console(width=200)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with multiprocessing.get_context("spawn").Pool() as pool:
        hit = pool.map_async(partial(shocked, seeds=seeds), KINDS, chunksize=1)
        still, waiting = pool.apply_async(calm, (seeds,)), pool.map_async(watch, swarms, chunksize=1)
        found = dict(zip(KINDS, hit.get(), strict=True))
        figures: dict[str, Any] = {"healthy": healthy(waiting.get()), "calm": still.get(), "shocks": found}
    figures["saved_part"] = saved_part(found.values())
    console.print(figures["healthy"], figures["calm"], figures["saved_part"], table(found), sep="\n")
    console.print(f"{describe()}; {time.monotonic() - began:.0f} s")
    if options.json:
        options.json.write_text(json.dumps(figures | {"machine": describe()}, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--seeds", type=int, default=SEEDS)
    parser.add_argument("--swarms", type=int, default=SWARMS, help=f"healthy ones, of {DAYS} days each")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
