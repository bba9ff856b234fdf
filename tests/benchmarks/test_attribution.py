"""The figure's own parts: the truth, what is logged, and the measures."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.attribution import MEASURES, SCENARIOS, counted_rank, measured, month, paths_of
from policies.attribution import ConversionModel, last_touch, linear, markov, shapley
from policies.entities import TOUCH_CHANNELS
from swarm.platforms.journeys import chance, without

SEED = 500


@pytest.mark.parametrize("channel", [1, 3])
def test_the_truth_is_what_switching_a_channel_off_loses(channel: int) -> None:
    """People drawn with and without it, each by the same number: the mean of 200 draws, within three deviations."""
    (buyers, journeys, true), rng = month(SEED, 2000, SCENARIOS["intent_in_frequency"]), np.random.default_rng(0)
    with_it, without_it = chance(buyers, journeys), chance(buyers, without(journeys, channel))
    draws = rng.random((200, 2000))
    lost = ((draws < with_it).sum(axis=1) - (draws < without_it).sum(axis=1)).astype(np.float64)
    assert abs(lost.mean() - true[channel]) < 3 * lost.std() / np.sqrt(200)


def test_the_log_holds_every_touch_and_who_was_held_out() -> None:
    """At random, each channel for about the share; nobody without a holdout; conversions fall with it."""
    buyers, journeys, _ = month(SEED, 20_000, SCENARIOS["intent_in_frequency_and_age"])
    plain, tested = (paths_of(SEED, buyers, journeys, share) for share in (0.0, 0.3))
    assert not plain.withheld.any()
    np.testing.assert_allclose(tested.withheld.mean(axis=0), 0.3, atol=0.02)
    assert len(tested.path) == journeys.mask.sum()
    assert (np.diff(tested.age_s)[np.diff(tested.path) == 0] <= 0).all()
    assert tested.conversions.sum() < plain.conversions.sum()


def test_measures_of_the_truth_itself_are_perfect_and_of_its_opposite_are_not() -> None:
    """No error, full rank; all credit on the smallest of eight."""
    true = np.arange(1.0, 9.0)
    perfect = measured(dict(zip(TOUCH_CHANNELS, 3.0 * true, strict=True)), true)
    assert perfect == pytest.approx(dict(zip(MEASURES, (0.0, 0.0, 0.0, 1.0, 1.0), strict=True)))
    wrong = measured(dict(zip(TOUCH_CHANNELS, np.eye(8)[0], strict=True)), true)
    assert wrong["misplaced"] == pytest.approx(35 / 36) == wrong["largest"]


def test_pairs_that_hardly_differ_are_not_counted() -> None:
    """Their order is nobody's mistake; a tie in the credit is half of one."""
    true = np.array([1.0, 1.05, 3.0])
    assert counted_rank(np.array([2.0, 1.0, 5.0]), true) == 1.0
    assert counted_rank(np.array([2.0, 1.0, 1.5]), true) == 0.0
    assert counted_rank(np.array([1.0, 1.0, 1.0]), true) == 0.0


@pytest.mark.slow
def test_the_model_is_ahead_of_what_reports_show() -> None:
    """Mean over three tuning seeds of what each has in the wrong place."""
    misplaced = []
    for seed in range(SEED, SEED + 3):
        buyers, journeys, true = month(seed, 20_000, SCENARIOS["intent_in_frequency"])
        paths = paths_of(seed, buyers, journeys, 0.05)
        credit = [give(paths) for give in (last_touch, linear, markov, shapley, ConversionModel.fit(paths).removal)]
        misplaced.append([measured(each, true)["misplaced"] for each in credit])
    *others, model = np.mean(misplaced, axis=0)
    assert model < 0.6 * min(others)
