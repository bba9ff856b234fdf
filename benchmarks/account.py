"""A real account's daily money split anew: ``python -m benchmarks.account --history LOG.csv [--json FILE]``.

The allocator learns from the first 60 % of the log's days and nothing after. On each later day on which all
campaigns ran it splits the sum of their logged budgets. Both splits are judged on clicks, by Hill curves fitted only
to the later days: another family than the allocator's, on data that it never saw. The interval is a bootstrap of weeks,
paired, with the judge fitted anew to each. A judge that is fitted to what was logged knows little of budgets that
nobody tried; how many of them leave the range of the judged days is printed beside it.

Letters: D days, C campaigns.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from scipy.optimize import least_squares

from policies.allocation import BudgetAllocator
from policies.frames import Bools, Floats, Ints
from swarm.platforms.log import AccountLog, read_log

FITTED = 0.6
"""Part of the days that the allocator learns from."""
BLOCK_DAYS, DRAWS = 7, 500


def learnt(log: AccountLog) -> BudgetAllocator:
    """An allocator that has seen all days of ``log``."""
    total = float(np.nanmean(np.nansum(log.budget, axis=1)))
    allocator = BudgetAllocator(log.names, total=total, rng=np.random.default_rng(0))
    for clicks, cost in zip(log.clicks, log.cost, strict=True):
        if not np.isnan(cost).all():
            spend = dict(zip(log.names, np.nan_to_num(cost).tolist(), strict=True))
            allocator.update(spend, dict(zip(log.names, clicks.tolist(), strict=True)))
    return allocator


def splits(allocator: BudgetAllocator, names: Sequence[str], budget: Floats) -> Floats:
    """[D, C] the sum of each day's budgets [D, C], split anew."""
    made = [allocator.allocate(total=float(total)) for total in budget.sum(axis=1)]
    return np.array([[split[name] for name in names] for split in made])


def hill(log: AccountLog, campaign: int) -> tuple[float, float, float]:
    """Logs of ceiling and half-saturation spend, and an exponent of at most 1, by robust least squares of logs."""
    rows = log.usable[:, campaign] & (log.clicks[:, campaign] > 0)
    x, y = np.log(log.cost[rows, campaign]), np.log(log.clicks[rows, campaign])
    start = (y.mean() + np.log(2.0), x.mean(), 0.8)
    limits = ((-50.0, x.min() - 3.0, 0.2), (50.0, x.max() + 3.0, 1.0))
    found = least_squares(lambda p: _log_hill(p, x) - y, start, bounds=limits, loss="soft_l1", f_scale=0.3)
    ceiling, half, exponent = found.x.tolist()
    return ceiling, half, exponent


def _log_hill(curve: tuple[float, float, float], log_spend: Floats) -> Floats:
    ceiling, half, exponent = curve
    return np.asarray(ceiling - np.log1p(np.exp(-exponent * (log_spend - half))))


def judge(log: AccountLog) -> Callable[[Floats], Floats]:
    """Clicks [D, C] of budgets [D, C], by each campaign's Hill curve."""
    curves = [hill(log, campaign) for campaign in range(len(log.names))]
    return lambda budget: np.stack([np.exp(_log_hill(c, np.log(b))) for c, b in zip(curves, budget.T, strict=True)], 1)


def gain(later: AccountLog, ours: Floats) -> float:
    """Relative gain in clicks of budgets [D, C] over the logged ones, by the judge of those days."""
    ran, clicks = _all_ran(later), judge(later)
    return float(clicks(ours[ran]).sum() / clicks(later.budget[ran]).sum() - 1.0)


def interval(later: AccountLog, ours: Floats, *, draws: int) -> tuple[float, float]:
    """95 % of the gain, over days drawn in blocks of a week, the judge fitted anew each time."""
    rng, blocks = np.random.default_rng(0), -(-len(later) // BLOCK_DAYS)
    first = rng.integers(len(later) - BLOCK_DAYS + 1, size=(draws, blocks, 1))
    days = (first + np.arange(BLOCK_DAYS)).reshape(draws, -1)[:, : len(later)]
    low, high = np.quantile([gain(_drawn(later, drawn), ours[drawn]) for drawn in days], [0.025, 0.975])
    return float(low), float(high)


def _drawn(log: AccountLog, days: Ints) -> AccountLog:
    return replace(log, clicks=log.clicks[days], cost=log.cost[days], budget=log.budget[days])


def _all_ran(log: AccountLog) -> Bools:
    return np.asarray(np.isfinite(log.budget).all(axis=1))


def conversions(path: Path, names: Sequence[str], since: date) -> Floats:
    """[C] click-through conversions logged from a day on, where the log has a column ``ctv`` of them."""
    found = dict.fromkeys(names, 0.0)
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            if date.fromisoformat(row["date"]) >= since:
                found[row["campaign_name"]] += float(row.get("ctv") or 0.0)
    return np.array(list(found.values()))


def replay(path: Path, *, draws: int = DRAWS) -> dict[str, Any]:
    """The judged days under both splits."""
    log = read_log(path)
    fitted, later = (log.part(part) for part in (slice(0, int(FITTED * len(log))), slice(int(FITTED * len(log)), None)))
    ran, ours = _all_ran(later), np.full(later.budget.shape, np.nan)
    budget = later.budget[ran]
    ours[ran] = splits(learnt(fitted), log.names, budget)
    clicks, rate = judge(later), conversions(path, log.names, later.first) / np.nansum(later.clicks, axis=0)
    found = {"days": len(budget), "gain": gain(later, ours), "interval": interval(later, ours, draws=draws)}
    ours = ours[ran]
    return found | {
        "shares": dict(zip(log.names, (ours.sum(axis=0) / ours.sum()).tolist(), strict=True)),
        "logged_shares": dict(zip(log.names, (budget.sum(axis=0) / budget.sum()).tolist(), strict=True)),
        "outside": float(((ours < np.nanmin(later.cost, axis=0)) | (ours > np.nanmax(later.cost, axis=0))).mean()),
        "conversions": float((clicks(ours) * rate).sum()),
        "logged_conversions": float((clicks(budget) * rate).sum()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Replay, print, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--history", type=Path, required=True, help="date, campaign_name, click, cost, budget")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = replay(options.history)
    low, high = found["interval"]
    console = Console()
    gained = f"{found['gain']:+.1%} clicks ({low:+.1%} to {high:+.1%})"
    console.print(f"{found['days']} days: {gained} against the logged budgets", highlight=False)
    for name, share in found["shares"].items():
        console.print(f"  {name}: {share:.0%} of the money, logged {found['logged_shares'][name]:.0%}", highlight=False)
    console.print(f"  {found['outside']:.0%} of the new budgets are outside what the campaigns spent in those days")
    console.print(
        f"  conversions at each campaign's logged rate: {found['conversions']:.1f}, with the logged split "
        f"{found['logged_conversions']:.1f}; reported, not claimed",
        highlight=False,
    )
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
