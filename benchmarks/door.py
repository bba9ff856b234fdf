"""The guarded door: how fast, and how it is proved. ``python -m benchmarks.door --json FILE``.

Guards: batches of 100,000 proposals of 10,000 campaigns with every guard on, a tenth of them refused, each refusal by
name; one core, the best of five. The store's part is measured beside a bare insert of the same bytes; mutants and
properties are the tests' own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from swarm.effects import guards
from swarm.effects.case import Case
from swarm.effects.door import Door, Word
from swarm.effects.guards import refusals
from swarm.effects.limits import NO_CAP, Autonomy, Limits, Shared
from swarm.effects.proposals import Field, Proposals
from swarm.platforms.channels import FOUR
from swarm.store.journal import Journal
from tests.effects import doors, test_promises
from tests.effects.checker import Verdict
from tests.effects.doors import CREATIVES

ROWS, BATCH, TRIES = 10_000, 100_000, 5
BUDGET, BID = 50_000_000, 500_000
KEYS = (
    "guard_proposals_per_s", "intent_p50_ms", "intent_ratio", "batch1000_ms", "batch_ratio", "checks", "checks_killed",
    "mutants", "mutants_killed", "property_examples", "fault_kinds", "effects_per_intent_max", "cap_violations",
)  # fmt: skip


def limits() -> Limits:
    """Every guard has something to look at, and what is reasonable passes."""
    given: dict[str, Any] = {
        "daily_exposure": 6 * BUDGET * 2, "daily_nominal": 6 * BUDGET, "monthly": 10_000 * BUDGET,
        "lifetime": 10_000 * BUDGET, "bid_max": 10 * BID, "budget_max": 10 * BUDGET, "max_step": 0.5,
        "max_day_change": 1.0, "max_bid_step": 1.0, "cooldown_h": 3, "max_age_h": 6, "ask_above": 0.4,
        "ask_above_amount": NO_CAP, "max_actions": 1_000, "autonomy": Autonomy.AUTO, "max_paused": 0.5, "max_fall": 0.5,
        "shared": Shared(
            np.arange(ROWS) % 4, np.full(ROWS, 1.02), np.full(4, 10_000 * 12 * BUDGET), np.full(4, NO_CAP)
        ),
    }  # fmt: skip
    return doors.limits(ROWS, month_left=20, life_left=60, **given)


def proposals(rng: np.random.Generator) -> Proposals:
    """Budgets, bids and a share of every channel, in the campaigns' order; one in ten goes too far."""
    campaign = np.repeat(np.arange(ROWS), BATCH // ROWS)
    kind = np.tile([0, 0, 0, 0, 1, 1, 1, 1, 2, 2], ROWS)
    channel = np.tile([0, 1, 2, 3, 0, 1, 2, 3, 0, 1], ROWS)
    factor = rng.uniform(0.85, 1.15, BATCH)
    factor[rng.choice(BATCH, BATCH // 10, replace=False)] = rng.choice([2.5, 30.0], BATCH // 10)
    scale = np.array([BUDGET, BID, 500_000])[kind]
    return Proposals(
        campaign.astype(np.int32), channel.astype(np.int32), kind.astype(np.int8),
        np.where(kind == Field.WEIGHT, 0, -1).astype(np.int16), (scale * factor).astype(np.int64),
        np.full(BATCH, "allocate"), np.ones(BATCH), np.ones(BATCH),
    )  # fmt: skip


def case(folder: Path) -> Case:
    """A batch before the guards of a door with everything in force."""
    door = Door(folder, Journal(Path(":memory:")), FOUR, ROWS, CREATIVES)
    ledger = door.ledger
    for plane, value in (("budget", BUDGET), ("bid", BID), ("status", 1), ("highest", BUDGET), ("midnight", BUDGET)):
        getattr(ledger, plane)[:] = value
    for plane, value in (("reserved", BUDGET), ("eve", BUDGET), ("as_of", 98), ("raised", 60), ("weight", 500_000)):
        getattr(ledger, plane)[:] = value
    ledger.learning[:, :2] = True
    asked = proposals(np.random.default_rng(7))
    old = ledger.value(asked.field, asked.campaign, asked.channel, asked.creative)
    return door._case(asked, old, limits(), doors.ALWAYS, 100, 0.0, Word.none(BATCH))


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of a few tries."""
    seconds = []
    for _ in range(TRIES):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def guard_speed() -> tuple[dict[str, float], dict[str, int], dict[str, float]]:
    """Proposals a second, refusals by guard, and milliseconds of each guard by itself."""
    with tempfile.TemporaryDirectory() as folder:
        one = case(Path(folder))
    alive = np.ones(BATCH, dtype=np.bool_)
    parts: dict[str, float] = {}
    for name, guard in guards.SINGLE:
        parts[name] = 1e3 * best(lambda guard=guard: guard(one))  # type: ignore[misc]
    for name, limit in guards.RUN:
        parts[name] = 1e3 * best(lambda limit=limit: limit(one, alive))  # type: ignore[misc]
    parts["caps"] = 1e3 * best(lambda: guards.caps(one, alive))
    told = Counter(refusals(one).tolist())
    told.pop("")
    return {"guard_proposals_per_s": round(BATCH / best(lambda: refusals(one)))}, dict(told), parts


def properties(examples: int) -> dict[str, int]:
    """The worst of what the judge saw in so many examples of the door's promises."""
    verdicts: list[Verdict] = []
    test_promises.run(examples, verdicts.append)
    return {
        "property_examples": len(verdicts),
        "effects_per_intent_max": max((max(v.effects.values(), default=0) for v in verdicts), default=0),
        "cap_violations": sum(v.cap_violations for v in verdicts),
    }


def store() -> dict[str, float]:
    """A durable intent and a durable batch, beside a bare insert of the same bytes."""
    module = _optional("benchmarks.door_store")
    found: dict[str, float] = module.measure() if module else {}
    return found


def faults() -> dict[str, int]:
    """How many kinds of fault the platforms of the tests have."""
    module = _optional("swarm.platforms.faults")
    return {"fault_kinds": len(module.fault_kinds)} if module else {}


def _optional(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        print(f"{name} is not here: its figures are left out")
        return None


def mutation(jobs: int | None) -> dict[str, int]:
    """How many mutants of the door the tests kill; in a process of its own, for pytest wants to be the first."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "mutation.json"
        command = [sys.executable, "-m", "tools.mutation", "--jobs", str(jobs or 2), "--json", str(file)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        summary = json.loads(file.read_text())
    for survivor in summary["survivors"]:
        print(f"survived: {survivor}")
    return {name: summary[name] for name in ("checks", "checks_killed", "mutants", "mutants_killed")}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--examples", type=int, default=test_promises.SLOW)
    parser.add_argument("--jobs", type=int, help="Mutants at a time; by default 2.")
    given = parser.parse_args()
    speed, refused, parts = guard_speed()
    print(f"refused: {sum(refused.values()) / BATCH:.1%} of {BATCH:,}: {refused}")
    for name, milliseconds in sorted(parts.items(), key=lambda part: -part[1]):
        print(f"  {name:<14}{milliseconds:8.1f} ms")
    found = {**speed, **store(), **faults(), **mutation(given.jobs), **properties(given.examples)}
    print("\n".join(f"{name:<24}{found.get(name, 'left out'):>12}" for name in KEYS))
    if given.json:
        given.json.parent.mkdir(parents=True, exist_ok=True)
        given.json.write_text(json.dumps({name: found[name] for name in KEYS if name in found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
