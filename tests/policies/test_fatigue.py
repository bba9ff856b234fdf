"""Whether a creative wears, and the days that it has left."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.fatigue import HAZARD, LOST, FatigueForecaster, forecast, hypotheses
from policies.frames import Floats

DAY = np.arange(24.0)


def _wear(onset: float, pace: float, days: Floats = DAY) -> Floats:
    return np.asarray(np.log1p(-LOST) * np.maximum(days - onset, 0.0) / pace)


def _world(wear: Floats, common: Floats | float = 0.0, *, daily: float = 60_000.0) -> tuple[Floats, Floats]:
    """Impressions and the clicks that are due [1, K, T], of log wear [K, T]."""
    shown = np.full((1, *wear.shape), daily)
    return shown, shown * 0.02 * np.exp(wear + common)


def test_every_curve_has_lost_its_part_on_its_day() -> None:
    """Curves of both shapes; they never rise, begin at 1 or just below, and their chances sum to 1."""
    curve, day, chance = hypotheses(60)
    assert chance.sum() == pytest.approx(1.0)
    assert (np.diff(curve, axis=1) <= 1e-12).all()
    assert (curve <= 0).all()
    seen = [(c, d) for c, d in zip(curve, day, strict=True) if d <= 60]
    assert len(seen) > 100
    for c, d in seen:
        assert np.interp(d, np.arange(61.0), c) == pytest.approx(np.log1p(-LOST), abs=0.02)  # read between days


@pytest.mark.parametrize(("onset", "pace"), [(8.0, 12.0), (10.0, 16.0), (12.0, 9.0)])
def test_a_creative_that_wears_is_called_and_its_day_foretold(onset: float, pace: float) -> None:
    """Four days ahead, from clicks as they are due: within two days, and within the interval."""
    wear = np.stack([_wear(onset, pace), np.zeros(24), np.zeros(24)])
    seen = int(onset + pace - 4) + 1
    shown, clicks = (x[..., :seen] for x in _world(wear))
    said = forecast(shown, clicks)
    left = onset + pace - (seen - 1)
    assert said.called[0].tolist() == [True, False, False]
    assert said.days_left[0, 0] == pytest.approx(left, abs=2.0)
    assert said.low[0, 0] <= left <= said.high[0, 0]
    np.testing.assert_allclose(said.wear[0, 0, :seen], wear[0, :seen], atol=0.05)


def test_fresh_creatives_are_not_called() -> None:
    """One in a hundred at most, in noise."""
    rng, shown = np.random.default_rng(0), np.exp(np.random.default_rng(1).uniform(8, 11, (50, 4, 1)))
    shown = np.repeat(shown, 20, axis=2)
    common = 0.1 * rng.standard_normal((50, 1, 20))
    said = forecast(shown, rng.poisson(shown * 0.02 * np.exp(common)).astype(float))
    assert said.called.mean() <= 0.01


def test_a_bad_week_for_all_is_no_wear() -> None:
    """What happens to all creatives alike is the days' doing."""
    bad = np.where(DAY >= 17, -0.3, 0.0)
    said = forecast(*_world(np.zeros((4, 24)), bad))
    assert not said.called.any()
    np.testing.assert_allclose(said.common[0, 0, 17:].mean() - said.common[0, 0, :17].mean(), -0.3, atol=0.1)


def test_what_days_do_to_all_does_not_matter() -> None:
    """Weekdays and noise common to all leave the forecast where it was, within a day."""
    wear = np.stack([_wear(9, 14), np.zeros(24), np.zeros(24), np.zeros(24)])[:, :20]
    common = 0.15 * np.random.default_rng(0).standard_normal(20)
    calm, rough = forecast(*_world(wear)), forecast(*_world(wear, common))
    assert rough.called.tolist() == calm.called.tolist()
    assert rough.days_left[0, 0] == pytest.approx(calm.days_left[0, 0], abs=1.0)


def test_without_data_only_the_prior_speaks() -> None:
    """A creative that was never shown wears as likely as any of its age."""
    said = forecast(*_world(np.zeros((2, 24)), daily=0.0))
    np.testing.assert_allclose(said.wearing, 1 - (1 - HAZARD) ** 24, rtol=1e-6)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_campaigns_do_not_touch_and_order_does_not_matter(seed: int) -> None:
    """A row alone says what it says among others; creatives in another order say the same."""
    rng = np.random.default_rng(seed)
    shown = rng.uniform(0, 5e4, (2, 3, 12)) * (rng.random((2, 3, 12)) < 0.8)
    clicks = rng.poisson(0.02 * shown).astype(float)
    together, alone = forecast(shown, clicks), forecast(shown[1:, ::-1], clicks[1:, ::-1])
    np.testing.assert_allclose(alone.wearing[0, ::-1], together.wearing[1], atol=1e-9)
    np.testing.assert_allclose(alone.wear[0, ::-1], together.wear[1], atol=1e-9)
    assert (together.low <= together.days_left + 1e-9).all()
    assert (together.days_left <= together.high + 1e-9).all()


def test_intervals_hold_what_they_say_where_wear_is_as_was_assumed() -> None:
    """Onset and pace drawn from the hypotheses: about 90 % of the days are within, once wear has begun."""
    rng, (curve, day, chance) = np.random.default_rng(3), hypotheses(30)
    which = rng.choice(len(chance), size=(80, 4), p=chance)
    shown = np.full((80, 4, 30), 30_000.0)
    clicks = rng.poisson(shown * 0.02 * np.exp(curve[which][..., :-1])).astype(float)
    said, begun = forecast(shown, clicks), which > 0
    left = day[which][begun] - 29
    held = (said.low[begun] <= left) & (left <= said.high[begun])
    assert begun.sum() > 120
    assert 0.84 <= held.mean() <= 0.96


def test_the_forecaster_takes_days_one_by_one() -> None:
    """It says what all days at once say."""
    shown, clicks = _world(np.stack([_wear(8, 12), np.zeros(24)]))
    forecaster = FatigueForecaster(creatives=2)
    for day in range(24):
        forecaster.update(shown=shown[0, :, day], clicks=clicks[0, :, day])
    assert forecaster.forecast().days_left.tolist() == forecast(shown, clicks).days_left.tolist()


def test_mistakes_are_named() -> None:
    """No days, wrong shapes, negative clicks."""
    forecaster = FatigueForecaster(creatives=2)
    with pytest.raises(ValueError, match="no day seen yet"):
        forecaster.forecast()
    with pytest.raises(ValueError, match=r"shown has shape \(3,\), expected \(1, 2\)"):
        forecaster.update(shown=[1, 2, 3], clicks=[0, 0, 0])
    with pytest.raises(ValueError, match=r"clicks holds -1"):
        forecaster.update(shown=[1, 2], clicks=[0, -1])
