"""What is believed of a channel's returns."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gamma, poisson

from policies import response
from policies.concave import allocate
from policies.frames import Floats
from policies.response import DECAY, DELAY, HALF, MEMORY, Belief

NONE = np.zeros((1, 1))


def _taught(days: int, rate: Floats, seed: int = 0, power: float = 0.5, empty: float = 0.0) -> Belief:
    """Channels of ``rate * spend**power`` outcomes, spends around 1."""
    rng, belief = np.random.default_rng(seed), Belief.start(np.ones(1), len(rate))
    for _ in range(days):
        spend = np.exp(rng.normal(0.0, 0.7, (1, len(rate))))
        count = rng.poisson(rate * spend**power / (1.0 - empty)) * (rng.random(spend.shape) >= empty)
        belief = belief.observe(spend, count.astype(np.float64))
    return belief


def _value(belief: Belief, spend: float) -> Floats:
    """[C] expected outcomes of each channel at a spend."""
    channels = belief.dispersion.shape[1]
    at, none = np.full((1, channels), spend), np.full((1, channels), 1e-12)
    curves = belief.curves(NONE)
    alone = [np.where(np.arange(channels) == channel, at, none) for channel in range(channels)]
    return np.array([curves.value(split)[0] for split in alone])


def test_the_sums_are_those_of_all_days_discounted() -> None:
    """By the definition, day by day, without delay."""
    rng, belief = np.random.default_rng(3), Belief.start(np.array([2.0]), 1)
    spend, count = rng.uniform(0.5, 9.0, 8), rng.poisson(20.0, 8).astype(np.float64)
    for money, outcome in zip(spend, count, strict=True):
        belief = belief.observe(np.array([[money]]), np.array([[outcome]]))

    def shape(money: float, half: float, decay: float) -> float:
        some, one = (quad(lambda s: (1.0 + s / half) ** -decay, 0.0, most)[0] for most in (money, 1.0))
        return float(some / one)

    assert not belief.drift.max() > 6.0
    for memory in range(len(MEMORY)):
        weight = (1.0 - 1.0 / MEMORY[memory]) ** np.arange(8)[::-1]
        for j in (0, 6, 11):
            response_ = np.array([shape(money / 2.0, HALF[j], DECAY[j]) for money in spend])
            assert belief.response[0, 0, memory, 0, j] == pytest.approx(float(weight @ response_), rel=1e-6)
            assert belief.fit[0, 0, memory, 0, j] == pytest.approx(
                float(weight @ (count * np.log(response_))), rel=1e-6
            )
        assert belief.seen[0, 0, memory, 0, 0] == pytest.approx(float(weight @ count))


def test_cells_count_by_their_likelihood() -> None:
    """The closed form is the Poisson likelihood of the days, integrated over the level by SciPy."""
    belief = Belief.start(np.ones(1), 1)
    money, outcome = 2.5, 7.0
    belief = belief.observe(np.array([[money]]), np.array([[outcome]]))
    shape, rate = belief._level()
    cells = belief._cells()[0, 0, 0, 0]
    at = response._shape(np.array(money))
    pooled = rate[0, 0, 0, 0] - at
    likely = [
        quad(lambda level, g=g, b=b: poisson.pmf(7, level * g) * gamma.pdf(level, 3.0, scale=1.0 / b), 0.0, 300.0)[0]
        for g, b in zip(at, pooled, strict=True)
    ]
    assert shape[0, 0, 0, 0, 0] == pytest.approx(3.0 + outcome)
    everywhere = np.array(likely) / cells
    # Delays share the same total: the first one's shapes are compared with each other.
    np.testing.assert_allclose(everywhere, everywhere[0], rtol=1e-4)


@pytest.mark.parametrize("power", [0.3, 0.5, 0.8])
def test_a_power_law_is_found_again(power: float) -> None:
    """Value within 6 % and marginal return within 20 % where money was spent, after 150 days."""
    belief = _taught(150, np.array([40.0, 10.0]), power=power)
    for spend in (0.5, 1.0, 2.0):
        np.testing.assert_allclose(_value(belief, spend), np.array([40.0, 10.0]) * spend**power, rtol=0.12)
    slope = belief.curves(NONE).marginal(np.ones((1, 2)))[0]
    np.testing.assert_allclose(slope, np.array([40.0, 10.0]) * power, rtol=0.25)


def test_saturation_is_found() -> None:
    """A channel that has all it can buy is given no more: its marginal return is far below its neighbour's."""
    rng, belief = np.random.default_rng(0), Belief.start(np.ones(1), 2)
    for _ in range(100):
        spend = np.exp(rng.normal(0.0, 0.7, (1, 2)))
        mean = np.array([30.0 * -np.expm1(-4.0 * spend[0, 0]), 15.0 * spend[0, 1] ** 0.8])
        belief = belief.observe(spend, rng.poisson(mean)[None].astype(np.float64))
    slope = belief.curves(NONE).marginal(np.full((1, 2), 1.5))[0]
    assert slope[0] < 0.3 * slope[1]


def test_late_outcomes_do_not_pass_for_bad_ones() -> None:
    """While outcomes of three days before arrive, the level is told within 15 % from the tenth day on."""
    rng, belief, due, errors = np.random.default_rng(1), Belief.start(np.ones(1), 2), np.zeros(2, dtype=int), []
    for day in range(40):
        spend = np.exp(rng.normal(0.0, 0.3, (1, 2)))
        due = due + rng.poisson(np.array([60.0, 20.0]) * spend[0] ** 0.5)
        reported = rng.binomial(due, 0.25)
        due = due - reported
        belief = belief.observe(spend, reported[None].astype(np.float64))
        if day >= 10:
            errors.append(_value(belief, 1.0) / np.array([60.0, 20.0]) - 1.0)
    assert np.abs(np.mean(errors, axis=0)).max() < 0.15


def test_an_outcome_that_is_late_counts_for_its_day_and_one_that_is_lost_for_none() -> None:
    """Every other day without news: with the sum of two afterwards, or nothing of it, the level is the same."""
    late, lost, spend = Belief.start(np.ones(1), 1), Belief.start(np.ones(1), 1), np.ones((1, 1))
    for _ in range(30):
        late = late.observe(spend, np.full((1, 1), np.nan), np.ones((1, 1), dtype=bool))
        late = late.observe(spend, np.full((1, 1), 20.0))
        lost = lost.observe(spend, np.full((1, 1), np.nan))
        lost = lost.observe(spend, np.full((1, 1), 10.0))
    assert _value(late, 1.0) == pytest.approx(np.array([10.0]), rel=0.03)
    assert _value(lost, 1.0) == pytest.approx(np.array([10.0]), rel=0.03)


def test_outcomes_that_scatter_say_less() -> None:
    """Days without any outcome raise the dispersion to about variance over mean, and the uncertainty with it."""
    steady, rough = _taught(150, np.full(2, 20.0)), _taught(150, np.full(2, 20.0), empty=0.5)
    assert steady.dispersion.mean() < 2.0
    assert 8.0 < rough.dispersion.mean() < 40.0  # truly about 1 + 20
    ask = [
        belief.curves(np.ones((1, 1))).value(np.ones((1, 2))) / belief.curves(NONE).value(np.ones((1, 2)))
        for belief in (steady, rough)
    ]
    assert ask[1] - 1.0 > 2.0 * (ask[0] - 1.0)


def test_a_change_is_noticed_and_the_past_forgotten() -> None:
    """Ten days after a channel lost two thirds of its outcomes, nearly all of the loss is believed."""
    rng, belief = np.random.default_rng(2), _taught(100, np.array([30.0, 30.0]))
    for _ in range(10):
        belief = belief.observe(np.ones((1, 2)), rng.poisson([10.0, 30.0])[None].astype(np.float64))
    low, high = _value(belief, 1.0)
    assert low < 14.0
    assert high == pytest.approx(30.0, rel=0.15)


def test_exploration_shrinks() -> None:
    """What a deviation of optimism adds to a channel falls with what was seen of it."""
    extra = []
    for days in (3, 30, 120):
        belief = _taught(days, np.array([10.0]))
        at = np.ones((1, 1))
        extra.append(float(belief.curves(np.ones((1, 1))).value(at)[0] / belief.curves(NONE).value(at)[0]) - 1.0)
    assert extra[0] > extra[1] > extra[2] > 0


def test_an_unknown_channel_is_given_more_by_optimism() -> None:
    """Of two that have shown the same, the one that has shown less."""
    rng, belief = np.random.default_rng(4), _taught(5, np.array([10.0, 10.0]))
    for _ in range(80):  # the first one reports on
        belief = belief.observe(np.ones((1, 2)), np.array([[rng.poisson(10.0), np.nan]]))
    bounds = np.zeros((1, 2)), np.full((1, 2), 2.0)
    calm = allocate(belief.curves(NONE), np.array([2.0]), *bounds)
    keen = allocate(belief.curves(np.full((1, 1), 2.0)), np.array([2.0]), *bounds)
    assert keen[0, 1] > calm[0, 1]


def test_rows_do_not_see_each_other() -> None:
    """Two campaigns at once are each as alone."""
    rng = np.random.default_rng(5)
    both, alone = Belief.start(np.array([1.0, 7.0]), 3), [Belief.start(np.array([unit]), 3) for unit in (1.0, 7.0)]
    for _ in range(20):
        spend, count = rng.uniform(0.1, 9.0, (2, 3)), rng.poisson(5.0, (2, 3)).astype(np.float64)
        both = both.observe(spend, count)
        alone = [one.observe(spend[i : i + 1], count[i : i + 1]) for i, one in enumerate(alone)]
    each = np.concatenate([one.curves(NONE).log_slope for one in alone])
    np.testing.assert_allclose(both.curves(np.zeros((2, 1))).log_slope, each, rtol=1e-9)
    assert len(DELAY) == both.running.shape[2]
