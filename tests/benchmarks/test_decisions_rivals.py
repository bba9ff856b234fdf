"""Rivals in the whole system: who plays beside whom changes nothing, and each has what its name says."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from benchmarks.allocators import Allocator, Fixed, Task
from benchmarks.decisions import bidders, splits
from benchmarks.decisions.beside import play_beside
from benchmarks.decisions.desk import Desk, Played, play, remembered
from benchmarks.decisions.systems import SYSTEMS, System
from policies.frames import Floats
from policies.specialist import Wanted
from swarm.platforms.scenarios import Setup, draw

SEEDS = [510, 511]


@pytest.fixture(scope="module")
def setup() -> Setup:
    """Four campaigns for each of two seeds, for three days."""
    return remembered(draw("price_spike", SEEDS, days=3))


@pytest.mark.slow
def test_beside_others_everybody_does_what_they_do_alone(setup: Setup) -> None:
    """To the micro, in any company."""
    together, seconds = play_beside(setup, [made(setup) for made in SYSTEMS.values()])
    assert (seconds > 0).all()
    for name, found in zip(SYSTEMS, together, strict=True):
        alone = play(setup, SYSTEMS[name](setup))
        for f in fields(Played):
            np.testing.assert_array_equal(getattr(found, f.name), getattr(alone, f.name), err_msg=name)


def test_the_same_policy_twice_is_twice_the_same(setup: Setup) -> None:
    """Copies share their luck, and learn nothing from each other."""
    (first, second, other), _ = play_beside(setup, [SYSTEMS[name](setup) for name in ("swarm", "swarm", "pid_alone")])
    np.testing.assert_array_equal(first.spend, second.spend)
    np.testing.assert_array_equal(first.value, second.value)
    assert not np.array_equal(first.spend, other.spend)


class _Noted(Fixed):
    """Remembers what it is told."""

    def __init__(self, task: Task) -> None:
        super().__init__(task.equal)
        self.days: list[tuple[Floats, Floats]] = []

    def observe(self, spend: Floats, outcome: Floats) -> None:
        """Note it."""
        self.days.append((spend, outcome))


def test_an_allocator_hears_each_midnight_of_what_was_spent_and_what_that_brings(setup: Setup) -> None:
    """All of the two days' money that platforms had reported, and about as many conversions as there truly were."""
    noted: list[_Noted] = []

    def make(task: Task) -> Allocator:
        noted.append(_Noted(task))
        return noted[-1]

    played = play(setup, System(splits.Daily(make), bidders.Pid()))
    (allocator,) = noted
    assert len(allocator.days) == 2
    spend, outcome = (np.array(each).sum(axis=(0, 2)) for each in zip(*allocator.days, strict=True))
    np.testing.assert_allclose(spend, played.spend[:, :2].sum(axis=1) / 1e6, rtol=0.05)
    claimed = played.claimed[:, :2].sum(axis=1) / setup.portfolio.unit_value
    np.testing.assert_allclose(outcome.sum(), claimed.sum(), rtol=0.5)


class _Doubled:
    """A policy that sees twice the results of one channel."""

    def __init__(self, setup: Setup, channel: int) -> None:
        self._policy, self._channel = SYSTEMS["platforms_alone"](setup), channel

    def decide(self, desk: Desk) -> Wanted:
        """As platforms that optimise alone would."""
        seen = desk.evidence.conversions.copy()
        seen[:, self._channel] *= 2.0
        return self._policy.decide(replace(desk, evidence=replace(desk.evidence, conversions=seen)))


def test_a_platform_alone_knows_nothing_of_the_others(setup: Setup) -> None:
    """Other results on the third channel change its own settings, and nothing else."""
    plain, other = SYSTEMS["platforms_alone"](setup), _Doubled(setup, 2)
    bids: list[list[Floats]] = []

    class Both:
        def decide(self, desk: Desk) -> Wanted:
            state = desk.rng.bit_generator.state
            first = plain.decide(desk)
            desk.rng.bit_generator.state = state
            bids.append([first.bid, other.decide(desk).bid])
            return first

    play(setup, Both())
    moved = np.abs(np.diff(np.log(np.array(bids)), axis=1)).max(axis=(0, 1, 2))
    assert (moved > 1e-6).tolist() == [False, False, True, False]


def test_platforms_alone_spend_no_more_than_equal_parts(setup: Setup) -> None:
    """Budgets add up to no more than the caps, and every allowed channel gets some of the money."""
    played = play(setup, SYSTEMS["platforms_alone"](setup))
    allowed = setup.portfolio.allowed
    assert ((played.by_channel > 0) == allowed).all()
    part = setup.budgets.sum(axis=1)[:, None] / 1e6 / allowed.sum(axis=1, keepdims=True)
    assert (played.by_channel / 1e6 <= 1.3 * part).all()


@pytest.mark.parametrize("name", ["adaptive_pacing_alone", "mirror_descent_alone"])
def test_a_bidder_does_not_wind_up_while_its_money_is_spent(name: str, setup: Setup) -> None:
    """No bid for the same value moves in hours of which all reports say that everything rested."""
    policy, last, moved = SYSTEMS[name](setup), [np.zeros(0)], []

    class Watched:
        def decide(self, desk: Desk) -> Wanted:
            still = replace(
                desk,
                reports=tuple(None if each is None else replace(each, bid=0.0 * each.bid) for each in desk.reports),
            )
            first = policy.decide(desk if desk.moment.tick < 24 else still)
            ratio = first.bid / desk.click_value
            if desk.moment.tick > 24:
                moved.append(np.abs(np.log(ratio / last[0])).max())
            last[0] = ratio
            return first

    play(draw("price_spike", SEEDS, days=2), Watched())
    assert max(moved) < 1e-9
