"""The tuner finds what helps, stops what harms, and keeps to bounds, steps and the canary."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from policies.tuner import CANARY, HORIZON_H, LEAST_CAMPAIGNS, Tuner, Verdict, canary
from policies.tuning import BOUNDS, NAMES, STEP, Hyper

VALUES = {name: float(np.sqrt(max(low, 0.01) * high)) for name, (low, high) in BOUNDS.items()}
ROWS, SEED = 120, 5
LAG_H = np.array([[1.0], [20.0]])
Loss = Callable[[Mapping[str, np.ndarray]], np.ndarray]
"""From each campaign's settings to what it loses, on a log scale."""


def _live(tuner: Tuner, days: int, loss: Loss, *, first: int = 0, noise: float = 0.06) -> tuple[Tuner, list[Verdict]]:
    """Days in which campaigns earn less what their settings cost them."""
    rng = np.random.default_rng([SEED, first])
    verdicts: list[Verdict] = []
    level = np.random.default_rng(SEED).uniform(50, 500, tuner.rows)
    for day in range(first, first + days):
        cost = loss(tuner.tuning.settings())
        clicks = level * np.exp(-cost + noise * rng.standard_normal(tuner.rows))
        totals = tuner.book.totals + np.stack([clicks, 0.1 * clicks])[:, :, None, None]
        tick = 24 * (day + 1)
        tuner = tuner.closed(
            tick, steady=True, money=np.full(tuner.rows, 100.0), totals=totals, cost=tuner.book.cost + 100.0,
            lag_h=LAG_H,
        )  # fmt: skip
        tuner, found = tuner.lesson(np.ones((tuner.rows, 1, 1)), tick, SEED)
        tuner, verdicts = tuner.trimmed()[1], verdicts + found
    return tuner, verdicts


def _off(best: Mapping[str, float], size: float = 0.02) -> Loss:
    """A loss that grows with the square of the log distance to ``best``."""

    def loss(settings: Mapping[str, np.ndarray]) -> np.ndarray:
        return sum((size * np.log2(settings[name] / value) ** 2 for name, value in best.items()), np.zeros(ROWS))

    return loss


@pytest.fixture
def tuner() -> Tuner:
    """Nothing tried yet."""
    return Tuner.start(Hyper(1, VALUES), (ROWS, 1, 1))


def test_a_value_that_is_wrong_by_four_times_is_put_right(tuner: Tuner) -> None:
    """Step by step, each a version with its evidence; values that were right stay."""
    best = {"memory_days": VALUES["memory_days"] * 4, "pacing_gain": VALUES["pacing_gain"]}
    after, verdicts = _live(tuner, 24, _off(best, 0.03))
    promoted = [v for v in verdicts if v.result == "promoted"]
    assert after.tuning.hyper["memory_days"] == pytest.approx(min(best["memory_days"], BOUNDS["memory_days"][1]))
    assert after.tuning.hyper["pacing_gain"] == VALUES["pacing_gain"]
    assert after.tuning.hyper.version == 1 + len(promoted)
    assert after.tuning.hyper.evidence["effect"] > 2 * after.tuning.hyper.evidence["sd"]


def test_a_harmful_candidate_is_rolled_back_and_not_tried_again_for_weeks(tuner: Tuner) -> None:
    """Its campaigns go back to everybody's value."""
    after, verdicts = _live(tuner, 12, _off({"creative_exploration": VALUES["creative_exploration"]}, 0.06))
    harmful = [v for v in verdicts if "creative_exploration" in v.candidate.changes]
    assert [v.result for v in harmful] == ["rolled back", "rolled back"]
    assert all("creative_exploration" not in c.changes for c in after.tuning.candidates)
    assert (after.tuning.settings()["creative_exploration"] == VALUES["creative_exploration"]).all()


def test_candidates_stay_on_the_canary_one_step_away_and_within_bounds(tuner: Tuner) -> None:
    """The other campaigns never run anything but the version in use."""
    tuner, _ = _live(tuner, 1, _off({}))
    for day in range(1, 20):
        tuner, _ = _live(tuner, 1, _off({"pacing_gain": 0.05}), first=day)
        settings, chosen = tuner.tuning.settings(), canary(ROWS, SEED)
        for name, (low, high) in BOUNDS.items():
            now = tuner.tuning.hyper[name]
            assert (settings[name][~chosen] == now).all()
            assert (settings[name] >= np.maximum(low, now / STEP) * (1 - 1e-12)).all()
            assert (settings[name] <= np.minimum(high, now * STEP) * (1 + 1e-12)).all()
    assert 0.9 * CANARY < chosen.mean() < 1.1 * CANARY
    assert tuner.tuning.hyper["pacing_gain"] < VALUES["pacing_gain"]


def test_without_any_effect_candidates_are_withdrawn_after_the_horizon(tuner: Tuner) -> None:
    """Undecided, and not tried again at once."""
    after, verdicts = _live(tuner, HORIZON_H // 24 + 2, _off({}))
    undecided = [v for v in verdicts if v.result == "undecided"]
    assert len(undecided) >= 9
    assert len(after.tuning.candidates) <= 4


def test_a_planted_bad_candidate_is_rolled_back_on_its_first_day(tuner: Tuner) -> None:
    """A person's candidate takes the whole canary, and no more than that."""
    tuner, _ = _live(tuner, 5, _off({}))
    bad = {"memory_days": BOUNDS["memory_days"][0], "creative_exploration": 4.0}
    asked, withdrawn = _live(tuner.ask(bad), 1, _off({}), first=5)
    assert {v.result for v in withdrawn} == {"withdrawn"}
    assert ((asked.tuning.settings()["memory_days"] == bad["memory_days"]) == canary(ROWS, SEED)).all()
    after, verdicts = _live(asked, 1, _off({name: VALUES[name] for name in bad}), first=6)
    assert [(v.candidate.reason, v.result) for v in verdicts] == [("asked", "rolled back")]
    assert after.tuning.hyper.values == VALUES


def test_few_campaigns_are_left_alone_and_wrong_requests_refused(tuner: Tuner) -> None:
    """No canary below its least size; values out of bounds say which."""
    few = Tuner.start(Hyper(1, VALUES), (LEAST_CAMPAIGNS - 1, 1, 1))
    after, _ = few.lesson(np.ones((few.rows, 1, 1)), 24, SEED)
    assert after.tuning.candidates == ()
    with pytest.raises(ValueError, match="a canary needs 24 campaigns, there are 23"):
        few.ask({"pacing_gain": 1.0})
    with pytest.raises(ValueError, match=r"pacing_gain must lie in \[0.05, 2.0\], got 9"):
        tuner.ask({"pacing_gain": 9.0})
    with pytest.raises(ValueError, match="no hyperparameter is called 'pacing_gian'; did you mean 'pacing_gain'"):
        tuner.ask({"pacing_gian": 1.0})


def test_a_tuner_comes_back_from_its_arrays_and_goes_on_alike(tuner: Tuner) -> None:
    """The same days after it give the same candidates and verdicts."""
    loss = _off({"memory_days": VALUES["memory_days"] * 4})
    tuner, _ = _live(tuner, 6, loss)
    again = Tuner.from_arrays(tuner.as_arrays())
    first, second = _live(tuner, 6, loss, first=6), _live(again, 6, loss, first=6)
    assert [v.told() for v in first[1]] == [v.told() for v in second[1]]
    assert first[0].tuning.candidates == second[0].tuning.candidates
    assert set(NAMES) == set(first[0].tuning.settings())
