"""The benchmark of modes: luck is shared, the truth is the market's, and modes hold back what they should."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import poisson

from benchmarks import modes
from benchmarks.decisions.desk import Eyes
from benchmarks.modes_healthy import watch
from benchmarks.modes_play import Alike, Gated, Told, play
from policies.health import Gate, Mode
from policies.specialist import Wanted
from policies.tracking import CALL
from swarm.platforms.scenarios import Setup, draw
from swarm.platforms.shocks import Hazards
from swarm.spec.money import MICROS

SEEDS = (500, 501)


def _calm(days: int) -> Setup:
    setup = draw("tracking_outage", SEEDS, days)
    return replace(setup, world=replace(setup.world, hazards=Hazards(0.0)))


def test_outcomes_are_poisson_by_quantiles_that_no_other_campaign_moves() -> None:
    """SciPy's quantile function is the oracle."""
    market = Alike(_calm(1))
    mean = np.exp(np.random.default_rng(0).uniform(-8.0, 5.0, market.world.shape))
    first = market._drawn("clicks", mean)
    luck = market._draw("clicks", lambda rng, rows: rng.random(mean[rows].shape))
    np.testing.assert_array_equal(first, poisson.ppf(luck, mean))
    mean[0] *= 3.0
    np.testing.assert_array_equal(market._drawn("clicks", mean)[1:], first[1:])


def test_without_a_shock_the_truth_changes_nothing() -> None:
    """Nothing to be told, nothing gained, and conversions tell nothing against it."""
    setup = _calm(2)
    without, told = play(setup, Eyes()), play(setup, Told(setup))
    np.testing.assert_array_equal(told.value, without.value)
    np.testing.assert_allclose(without.information, 0.0, atol=1e-9)


@pytest.mark.parametrize("kind", ["tracking_outage", "competitor_entry"])
def test_a_spell_is_when_the_market_is_out_of_the_ordinary(kind: str) -> None:
    """First and last hour by the market's own conditions; the first report is an hour or two late."""
    setup = draw(kind, SEEDS, 14)
    when, hours = modes.spell(setup), setup.calendar.ticks(14)
    calm = replace(setup.world, hazards=Hazards(0.0))
    for p, seed in enumerate(SEEDS):
        row = int(np.flatnonzero(setup.seed == seed)[0])
        odd = []
        for tick in range(hours):
            now, usual = (world.conditions(setup.calendar.at(tick)) for world in (setup.world, calm))
            odd.append(not now.tracking[row] or not np.allclose(now.price[row], usual.price[row]))
        assert [when.begin[p], when.end[p] - 1] == [np.flatnonzero(odd)[0], np.flatnonzero(odd)[-1]]
        assert when.reported[p] - when.begin[p] in (2, 3)


def _wanted(setup: Setup, factor: float) -> Wanted:
    rows, channels, creatives = setup.portfolio.shape
    one = np.full((rows, channels), factor)
    return Wanted(one, one, np.full((rows, channels, creatives), factor), np.zeros((rows, channels), dtype=np.bool_))


@pytest.mark.parametrize(
    ("mode", "coherence", "factor", "bid"),
    [
        (Mode.STABLE, 1.0, 9.0, 9.0),
        (Mode.CAUTIOUS, 0.7, 9.0, 1.5),
        (Mode.CAUTIOUS, 0.7, 0.1, 0.5),
        (Mode.CAUTIOUS, 0.4, 9.0, 1.0),
        (Mode.CAUTIOUS, 0.4, 0.1, 0.5),
        (Mode.FREEZE, 0.1, 9.0, 1.0),
    ],
)
def test_modes_hold_settings_back(mode: Mode, coherence: float, factor: float, bid: float) -> None:
    """Half of the default step, none up below 0.5, none at all in FREEZE; pauses always."""
    setup = _calm(1)
    market, gated = Alike(setup), Gated(setup)
    market.settings.bid[:], market.settings.budget[:], market.settings.status[:] = MICROS, MICROS, 1
    gated.chain.gates = [Gate(mode)] * len(SEEDS)
    gated.chain.coherence[:] = coherence
    allowed = gated.allow(_wanted(setup, factor), market)
    np.testing.assert_allclose(allowed.bid, bid)
    assert not allowed.deliver.any()
    assert (allowed.weight == (0.0 if mode == Mode.FREEZE else factor)).all()


def test_figures_of_a_made_up_run() -> None:
    """Delay, transitions and bound, counted by hand."""
    when = modes.Spell(np.array([10, 10]), np.array([14, 14]), np.array([12, 12]))
    seen = np.full((60, 2), Mode.STABLE)
    seen[5, :] = Mode.CAUTIOUS
    seen[13:16, 0] = Mode.FREEZE
    assert modes._seen(seen, when).tolist() == [13.0, np.inf]
    assert modes._transitions(seen, when).tolist() == [2, 0]
    information = np.zeros((60, 2))
    information[:, 0] = CALL / 4.0
    assert modes._bound(information, when).tolist() == [14.0, np.inf]
    assert modes._quartiles(np.array([1.0, 2.0, np.inf])) == [2.0, 2.0, None]


def test_the_part_saved_is_of_all_kinds_together() -> None:
    """A kind in which nothing can be saved does not count as one in which nothing was."""
    found = [
        {"each": {"avoidable": [2.0, 2.0], "saved": [1.0, 1.0]}},
        {"each": {"avoidable": [0.0] * 2, "saved": [0.0] * 2}},
    ]
    assert modes.saved_part(found) == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.slow
def test_it_runs() -> None:
    """On two tuning seeds: all that the table shows is there."""
    found = {kind: modes.shocked(kind, SEEDS) for kind in ("tracking_outage", "bot_traffic")}
    assert modes.table(found).row_count == 2
    assert modes.calm(SEEDS)["lost"][0] < 5.0


@pytest.mark.slow
def test_healthy_swarms_are_counted() -> None:
    """Each once, whatever its size."""
    seen = watch(range(500, 503), 3)
    assert len(seen.campaigns) == len(seen.freezes) == 3
    assert max(seen.hours) <= 72
