"""What creatives' turns tell of their click rates."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from policies.creative import TURN_MEMORY, Turns
from policies.frames import Floats

POWER = 2.5
"""Clicks of a turn go with this power of the click rate: the auctions won, and the clicks of those."""


def _played(turns: Turns, appeal: Floats, hours: int, shares: Floats, clicks: Floats | None = None) -> Turns:
    """After ``hours`` in which creatives of these ``appeal`` [R, K] had ``shares`` [R, K] of auctions enough."""
    had = turns.counts[..., 0] if clicks is None else clicks
    for _ in range(hours):
        had = had + 40.0 * shares * appeal**POWER
        turns = turns.after(had, shares)
    return turns


def test_nobody_is_known_before_the_first_turn() -> None:
    """All are usual, and as doubtful as creatives are unlike."""
    turns = Turns.none((2, 3))
    np.testing.assert_allclose(turns.appeal, 1.0)
    np.testing.assert_allclose(turns.variance, 0.12**2 + 0.35**2)


def test_with_many_turns_appeal_is_the_truth() -> None:
    """Ratios of click rates are found whatever the shares were."""
    appeal = np.array([[1.0, 0.6, 1.5], [0.5, 2.0, 1.0]])
    shares = np.array([[0.2, 0.3, 0.5], [0.6, 0.2, 0.2]])
    found = _played(Turns.none((2, 3)), appeal, 1_000, shares).appeal
    np.testing.assert_allclose(found / found[:, :1], appeal / appeal[:, :1], rtol=0.05)


def test_a_creative_that_wins_nothing_is_found_out() -> None:
    """No click in half of the auctions says more than no impression would."""
    shares = np.full((1, 2), 0.5)
    turns = _played(Turns.none((1, 2)), np.array([[1.0, 0.05]]), 20, shares)
    assert turns.appeal[0, 1] < 0.3 * turns.appeal[0, 0]


def test_a_creative_without_turns_stays_usual() -> None:
    """It is not blamed for clicks that it could not have."""
    turns = _played(Turns.none((1, 2)), np.array([[1.0, 1.0]]), 50, np.array([[1.0, 0.0]]))
    np.testing.assert_allclose(turns.appeal, 1.0, rtol=1e-9)
    assert turns.variance[0, 1] > 20 * turns.variance[0, 0]


def test_where_turns_begin_late_the_past_is_no_news() -> None:
    """Clicks from before say nothing, those of the hours after it all."""
    shares, appeal, past = np.full((1, 2), 0.5), np.array([[1.0, 0.5]]), np.array([[0.0, 9_000.0]])
    met = Turns.late((1, 2)).after(past, shares)
    np.testing.assert_allclose(met.appeal, 1.0)
    late, soon = (_played(turns, appeal, 9, shares).appeal for turns in (met, Turns.none((1, 2))))
    np.testing.assert_allclose(late, soon)


def test_wear_is_seen_within_the_memory() -> None:
    """After some memories' worth of clicks what was before hardly counts."""
    shares = np.full((1, 2), 0.5)
    turns = _played(Turns.none((1, 2)), np.array([[1.5, 1.0]]), 100, shares)
    assert turns.appeal[0, 0] > 1.3 * turns.appeal[0, 1]
    worn = np.array([[0.7, 1.0]])
    hours = int(4 * TURN_MEMORY / float(40.0 * (shares * worn**POWER).sum()))
    turns = _played(turns, worn, hours, shares)
    assert turns.appeal[0, 0] < 0.85 * turns.appeal[0, 1]


def test_an_hour_without_clicks_changes_nothing() -> None:
    """At night, or where nothing has been reported, nobody had a turn."""
    turns = _played(Turns.none((1, 2)), np.array([[1.0, 0.5]]), 10, np.full((1, 2), 0.5))
    np.testing.assert_array_equal(turns.after(turns.counts[..., 0], np.array([[0.9, 0.1]])).counts, turns.counts)


@given(st.integers(0, 2**32 - 1))
def test_the_order_of_creatives_does_not_matter(seed: int) -> None:
    """Creatives that change places take what is known of them along."""
    rng = np.random.default_rng(seed)
    turns, other, order = Turns.none((1, 4)), Turns.none((1, 4)), rng.permutation(4)
    clicks = np.zeros((1, 4))
    for _ in range(5):
        clicks, shares = clicks + rng.poisson(3.0, (1, 4)), rng.dirichlet(np.ones(4))[None]
        turns, other = turns.after(clicks, shares), other.after(clicks[:, order], shares[:, order])
    np.testing.assert_allclose(other.appeal, turns.appeal[:, order])
    np.testing.assert_allclose(other.variance, turns.variance[:, order])
