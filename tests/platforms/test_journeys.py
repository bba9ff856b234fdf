"""A holdout of journeys, and intent that hurries them."""

from __future__ import annotations

import numpy as np

from policies.entities import TOUCH_CHANNELS
from swarm.platforms.journeys import chance, draw_buyers, draw_holdout, draw_journeys, held_out, hurried, without

BUYERS = draw_buyers(7)
JOURNEYS = draw_journeys(BUYERS, 20_000, np.random.default_rng(0))


def test_to_hold_a_channel_out_from_everybody_is_to_switch_it_off() -> None:
    """From nobody: nothing changes; from some: their touches of it alone are gone."""
    withheld = np.zeros((20_000, len(TOUCH_CHANNELS)), dtype=bool)
    np.testing.assert_array_equal(chance(BUYERS, held_out(JOURNEYS, withheld)), chance(BUYERS, JOURNEYS))
    withheld[:, 3] = True
    np.testing.assert_array_equal(chance(BUYERS, held_out(JOURNEYS, withheld)), chance(BUYERS, without(JOURNEYS, 3)))


def test_who_is_held_out_is_drawn_by_chance_alone() -> None:
    """The share of each channel, of people of any intent, and independently between channels."""
    withheld = draw_holdout(JOURNEYS, 0.2, np.random.default_rng(1))
    for rows in (JOURNEYS.intent < 0, JOURNEYS.intent >= 0):
        np.testing.assert_allclose(withheld[rows].mean(axis=0), 0.2, atol=0.02)
    assert np.abs(np.corrcoef(withheld.T) - np.eye(len(TOUCH_CHANNELS))).max() < 0.03


def test_intent_brings_forward_the_touches_of_channels_that_it_leans_to() -> None:
    """The same touches, in their order; older for those who do not want the thing; display as it was."""
    fast = hurried(BUYERS, JOURNEYS, 0.5)
    assert (np.diff(fast.before_s, axis=1)[fast.mask[:, 1:]] <= 0).all()
    for c, name in enumerate(TOUCH_CHANNELS):
        there = [(j.channel == c) & j.mask for j in (JOURNEYS, fast)]
        np.testing.assert_array_equal(there[0].sum(axis=1), there[1].sum(axis=1))
        ages = [np.where(where, j.before_s, 0.0).sum(axis=1) for where, j in zip(there, (JOURNEYS, fast), strict=True)]
        keen = (JOURNEYS.intent > 1.0) & (ages[0] > 0)
        if name == "display":
            np.testing.assert_allclose(ages[1], ages[0])
        elif name == "brand_search":
            assert (ages[1][keen] < ages[0][keen]).all()
    np.testing.assert_array_equal(hurried(BUYERS, JOURNEYS, 0.0).before_s, JOURNEYS.before_s)
