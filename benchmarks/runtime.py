"""The figures of the running swarm: value against hindsight and rivals, speed, and time to be ready.

Each part runs the commands and actors that people use; none times a stand-in.

    python -m benchmarks.runtime [--only ready,scale,demo,same] [--kill] [--history LOG.csv] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import ray
from rich.console import Console

from benchmarks.machine import describe, paired_interval
from benchmarks.recovery import kills
from benchmarks.same import same
from swarm.account import replay
from swarm.actors.launch import connect, end, launch
from swarm.actors.scenario import Scenario
from swarm.actors.session import simulate
from swarm.platforms.channels import FOUR
from swarm.platforms.history import held_out
from swarm.platforms.log import AccountLog, read_log
from swarm.results import gain
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.spec.config import SwarmConfig
from swarm.spec.rates import in_usd

REPORTING_SEEDS = tuple(range(9040, 9050))
"""Read by this report alone; nothing was ever tuned on them."""
_BY_DAY = ("clicks", "logged_clicks", "same_bidder_clicks")
EXAMPLES = Path("configs/campaigns")
SCALE_HOURS, SAME_DAYS = 48, 7
AT_TARGET = 0.95
"""Cost over target from which the target and not the budget is what binds."""
HISTORY_DAYS = 60


def configured(seed: int, days: int, name: str = "bench") -> SwarmConfig:
    """The default configuration at another seed."""
    config = SwarmConfig()
    return config.model_copy(update={"name": name, "run": config.run.model_copy(update={"seed": seed, "days": days})})


def scenario(seed: int, days: int) -> Scenario:
    """The embedded market in a folder of its own."""
    config = configured(seed, days)
    return Scenario(config, Path(tempfile.mkdtemp(prefix="bench-")), FOUR, config.run.start, days)


def demo() -> dict[str, Any]:
    """The demo market on the reporting seeds."""
    campaigns = load_campaigns([EXAMPLES])
    runs = [_told(simulate(scenario(seed, 14), campaigns, _silent)) for seed in REPORTING_SEEDS]
    ours = np.array([run["hindsight_ratio"] for run in runs])
    rivals = {
        name: np.array([run["baselines"][name] / run["hindsight_value"] for run in runs])
        for name in runs[0]["baselines"]
    }
    gap = (ours - rivals["equal_split"]) / (1.0 - rivals["equal_split"])
    return {
        "seeds": list(REPORTING_SEEDS),
        "hindsight_ratio": _spread(ours),
        "gap_to_equal_split_closed": _spread(gap),
        **{
            f"ahead_of_{name}": [float((ours - rival).mean()), *paired_interval(ours - rival)]
            for name, rival in rivals.items()
        },
        **{name: _spread(rival) for name, rival in rivals.items()},
        "spend_of_budget": _spread(np.array([_in_usd(run, "spend") / _in_usd(run, "budget") for run in runs])),
        "spend_of_absorbable": _spread(np.array([_absorbed(run) for run in runs])),
        "overspend_micros": sum(run["overspend_micros"] for run in runs),
        "seconds": float(np.mean([run["seconds"] for run in runs])),
        "runs": [
            {
                key: run[key]
                for key in (
                    "seed",
                    "hindsight_ratio",
                    "baselines",
                    "hindsight_value",
                    "mode_seconds",
                    "tick_ms",
                    "by_campaign",
                )
            }
            for run in runs
        ],
    }


def _in_usd(run: Mapping[str, Any], what: str) -> float:
    """Sum of the campaigns' ``what``: spend, budget, or the budget that the market can absorb."""
    return sum(in_usd(row[what], row["currency"]) for row in run["by_campaign"])


def _absorbed(run: Mapping[str, Any]) -> float:
    """Spend over what the market can absorb; campaigns that stand at their cost target may spend no more."""
    rows = [row for row in run["by_campaign"] if (row["cost_over_target"] or 0.0) < AT_TARGET]
    return _in_usd({"by_campaign": rows}, "spend") / _in_usd({"by_campaign": rows}, "absorbable")


def history(log: AccountLog) -> dict[str, Any]:
    """The last days of a real account on the reporting seeds; intervals over seeds and days."""
    runs = [_replayed(log, seed) for seed in REPORTING_SEEDS]
    fit = held_out(log)
    days = {name: np.array([run["history"]["by_day"][name] for run in runs]) for name in _BY_DAY}
    return {
        "seeds": list(REPORTING_SEEDS),
        "days": HISTORY_DAYS,
        "fit": None if fit is None else asdict(fit),
        "gain": gain(days["clicks"], days["logged_clicks"]),
        "gain_over_same_bidder": gain(days["clicks"], days["same_bidder_clicks"]),
        "hindsight_ratio": _spread(np.array([run["hindsight_ratio"] for run in runs])),
        "spend_of_budget": _spread(
            np.array([row["spend"] / row["budget"] for run in runs for row in run["by_campaign"]])
        ),
        "overspend_micros": sum(run["overspend_micros"] for run in runs),
        "seconds": float(np.mean([run["seconds"] for run in runs])),
    }


def _replayed(log: AccountLog, seed: int) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="bench-"))
    market, campaign = replay(log, configured(seed, HISTORY_DAYS), folder, "USD")
    return _told(simulate(market, [campaign], _silent))


def _told(run: dict[str, Any]) -> dict[str, Any]:
    rivals = ", ".join(f"{name} {value / run['hindsight_value']:.3f}" for name, value in run["baselines"].items())
    Console().print(
        f"  seed {run['seed']}: {run['hindsight_ratio']:.3f} of hindsight; {rivals}; {run['seconds']:.0f} s",
        highlight=False,
    )
    return run


def scale() -> dict[str, Any]:
    """1,000 campaigns against one: wall time of a market hour, and Ray calls in it."""
    examples = load_campaigns([EXAMPLES])
    return {f"{count}_campaigns": _hours(multiplied(examples, count)) for count in (1, 1000)}


def _hours(campaigns: list[Campaign]) -> dict[str, Any]:
    run = simulate(scenario(9100, SCALE_HOURS // 24), campaigns, _silent)
    return {"tick_ms": run["tick_ms"], "ray_calls_per_tick": run["ray_calls_per_tick"], "ticks": run["ticks"]}


def multiplied(examples: list[Campaign], count: int) -> list[Campaign]:
    """``count`` campaigns like the examples, under names of their own; all in one time zone."""

    def renamed(number: int) -> Campaign:
        one = examples[number % len(examples)]
        name = one.metadata.model_copy(update={"name": f"{one.name}-{number}"})
        return one.model_copy(update={"metadata": name, "time_zone": "UTC"})

    return [renamed(number) for number in range(count)]


def again() -> dict[str, Any]:
    """The example campaigns on Ray, and decided again in one process from the answers that were kept."""
    return same(scenario(REPORTING_SEEDS[0], SAME_DAYS), load_campaigns([EXAMPLES]))


def ready() -> dict[str, float]:
    """Seconds from Ray's being up to a swarm that answers, five times over."""
    times = []
    for _ in range(5):
        began = time.perf_counter()
        launch(scenario(1, 1))
        times.append(time.perf_counter() - began)
        end("bench")
    return _spread(np.array(times))


def _spread(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> dict[str, float]:
    low, high = paired_interval(values)
    return {
        "mean": float(values.mean()),
        "low": low,
        "high": high,
        "min": float(values.min()),
        "max": float(values.max()),
    }


def _silent(_: Mapping[str, Any]) -> None:
    """Progress that nobody watches."""


def main() -> None:
    """Measure, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="ready,scale,demo,same", help="parts, by comma")
    parser.add_argument("--kill", action="store_true", help="the part kill alone: kill -9 and recovery")
    parser.add_argument("--history", type=Path, help="an account's log; adds the part history")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    parts: dict[str, Callable[[], Any]] = {"ready": ready, "scale": scale, "demo": demo, "same": again, "kill": kills}
    if options.history is not None:
        parts["history"] = partial(history, read_log(options.history))
    found: dict[str, Any] = {"machine": describe()}
    console = Console()
    console.print(found["machine"], highlight=False)
    connect("local", start=True)
    asked = ["kill"] if options.kill else [*options.only.split(","), "history"]
    for name in [name for name in parts if name in asked]:
        console.print(f"{name} ...", highlight=False)
        found[name] = parts[name]()
        console.print_json(json.dumps({key: value for key, value in found[name].items() if key != "runs"}))
    ray.shutdown()
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
