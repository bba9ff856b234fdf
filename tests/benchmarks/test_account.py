"""A real account's money split anew."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from benchmarks.account import gain, hill, interval, main, replay
from swarm.platforms.log import read_log

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "campaign_log_isp.csv"
HALF, CEILING = (2_000.0, 300.0), (200.0, 40.0)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """100 days of two campaigns with Hill responses, the first far better at the margin than its budget."""
    rng, path = np.random.default_rng(0), tmp_path / "log.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("date", "campaign_name", "click", "ctv", "cost", "campaign_budget_total_amount"))
        for day in range(100):
            for name, half, ceiling, usual in zip("ab", HALF, CEILING, (300.0, 900.0), strict=True):
                budget = usual * np.exp(rng.normal(0.0, 0.5))
                cost = budget * np.exp(rng.normal(0.0, 0.1))
                clicks = ceiling * cost / (cost + half) * np.exp(rng.normal(0.0, 0.1))
                writer.writerow((date(2022, 4, 1) + timedelta(day), name, clicks, day % 2, cost, budget))
    return path


def test_a_hill_curve_is_found_again(log: Path) -> None:
    """Its clicks at the middle of the spend, within 5 %."""
    for campaign, (half, ceiling) in enumerate(zip(HALF, CEILING, strict=True)):
        top, middle, exponent = hill(read_log(log), campaign)
        found = np.exp(top) / (1.0 + (np.exp(middle) / 500.0) ** exponent)
        assert found == pytest.approx(ceiling * 500.0 / (500.0 + half), rel=0.05)


def test_money_moves_to_where_the_account_shows_it_does_more(log: Path) -> None:
    """By the judge, whose curves come of days that the allocator has not seen."""
    found = replay(log, draws=60)
    assert found["days"] == 40
    assert found["shares"]["a"] > found["logged_shares"]["a"]
    assert 0.0 < found["interval"][0] < found["gain"] < found["interval"][1]


def test_the_logged_split_gains_nothing_over_itself(log: Path) -> None:
    """Whatever the judge."""
    later = read_log(log).part(slice(60, None))
    assert gain(later, later.budget) == 0.0
    assert interval(later, later.budget, draws=5) == (0.0, 0.0)


def test_the_real_log_is_replayed(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is: the gain with its interval is printed, and conversions are not claimed."""
    if not REAL.exists():
        pytest.skip(f"{REAL} is not here")
    main(["--history", str(REAL)])
    printed = capsys.readouterr().out
    assert "clicks (" in printed
    assert "not claimed" in printed
