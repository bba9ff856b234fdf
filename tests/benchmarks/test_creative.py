"""The benchmark of creatives: its worlds are what they say, and its parts run; on tuning seeds."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import creative, creative_cold_start, creative_fatigue
from benchmarks.creative_bandit import ROUNDS_A_DAY, alike, draw, of, regret
from policies.fatigue import LOST, Forecast, forecast
from policies.frames import Floats

SEEDS = np.arange(500, 512)


def test_elements_explain_the_share_that_they_should() -> None:
    """Regressing log rates on the words leaves what is the creatives' own."""
    explained = []
    for share in (0.0, 0.9):
        campaigns = draw(SEEDS, share)
        of_all = []
        for rate, elements in zip(campaigns.rate, campaigns.elements, strict=True):
            if (rate > 0).sum() >= 20:
                x, y = elements[rate > 0], np.log(rate[rate > 0])
                beta = np.linalg.lstsq(x - x.mean(axis=0), y - y.mean(), rcond=None)[0]
                of_all.append(1 - np.var(y - y.mean() - (x - x.mean(axis=0)) @ beta) / np.var(y))
        explained.append(np.mean(of_all))
    assert explained[1] > 0.85
    assert explained[1] > explained[0] + 0.15  # some thirteen words fit noise as well


def test_regret_is_none_where_creatives_are_alike_and_bounded_by_the_worst() -> None:
    """Whatever is learnt."""
    campaigns = draw(SEEDS[:3], 0.5)
    lost = regret(of(alike, 1.0), campaigns, 0)
    worst = 1 - np.where(campaigns.exists, campaigns.rate, np.inf).min(axis=1) / campaigns.rate.max(axis=1)
    assert (lost > 0).all()
    assert (lost < worst).all()
    assert ROUNDS_A_DAY > 1


def test_a_fatigue_day_is_the_day_on_which_the_part_is_lost() -> None:
    """The truth itself, with what days do taken off by a creative that does not wear in its stead."""
    world = creative_fatigue.draw(SEEDS)
    row, creative_ = np.nonzero(world.day < creative_fatigue.DAYS - 3)
    for r, k in zip(row, creative_, strict=True):
        fresh = int(world.onset[r, k])
        others = [j for j in range(world.rate.shape[1]) if j != k and world.onset[r, j] > world.day[r, k] + 2]
        for j in others:
            ratio = np.log(world.rate[r, k] / world.rate[r, j])
            lost = np.interp(world.day[r, k], np.arange(creative_fatigue.DAYS), ratio) - ratio[: fresh - 1].mean()
            assert lost == pytest.approx(np.log1p(-LOST), abs=0.04)


def test_forecasts_are_made_four_days_ahead_from_what_was_seen_by_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each creative, and nothing of the days after."""
    world, seen = creative_fatigue.draw(SEEDS[:2]), []

    def watched(shown: Floats, clicks: Floats) -> Forecast:
        seen.append(shown.shape[2])
        return forecast(shown, clicks)

    monkeypatch.setattr(creative_fatigue, "forecast", watched)
    said = creative_fatigue.foretell(world, np.random.default_rng(0))
    assert len(said.error) == world.day.size
    assert sorted(seen) == sorted({int(day - 4) + 1 for day in world.day.ravel()})


def test_cold_starts_error_is_none_for_the_truth() -> None:
    """Whatever the level."""
    account = creative_cold_start.draw(500)
    assert creative_cold_start.error(account, account.effect[creative_cold_start.KNOWN :] + 3.0) == pytest.approx(0.0)


def test_what_is_saved_is_the_part_of_the_rivals_regret() -> None:
    """With an interval around it."""
    ours, theirs = np.array([1.0, 2.0, 3.0]), np.array([2.0, 4.0, 6.0])
    assert creative.saved(ours, theirs) == pytest.approx([0.5, 0.5, 0.5])


@pytest.mark.slow
@pytest.mark.parametrize("part", sorted(creative.PARTS))
def test_each_part_runs(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a few tuning seeds, and its table shows every figure."""
    monkeypatch.setattr(creative, "SHARES", (0.5,))
    found = creative.PARTS[part](SEEDS[:4])
    assert creative.table(part, found).row_count >= 4
