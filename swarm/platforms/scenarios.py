"""Named scenarios: markets drawn by seed from wide distributions, never set by hand.

What a policy may know is in ``Setup.portfolio`` and the reports; the truth is in ``Setup.world``. A seed's parameters
do not depend on the scenario's name, so scenarios differ by what they are about alone, and rows of one seed do not
depend on the seeds beside it.

Letters: R campaigns (of all seeds, those of one seed together), C channels, K creatives, D days.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

import numpy as np

from policies.frames import Floats, Ints, Portfolio
from policies.naming import check_known
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR, TERMS
from swarm.platforms.hindsight import hindsight
from swarm.platforms.market import Market
from swarm.platforms.samples.words import FRAMES, HOOKS, PROMISES
from swarm.platforms.world import Listing, World, draw_world, stream
from swarm.spec.money import MICROS

_FIRST = date(2026, 6, 1)
_AUDIENCES = ("interest", "lookalike", "remarketing", "demographic")


@dataclass(frozen=True, slots=True)
class Setup:
    """A scenario drawn for some seeds: all that a run needs.

    >>> setup = draw("stationary", [500, 501], days=2)
    >>> setup.market().world.shape[0], setup.seed.tolist()
    (2, [500, 501])
    """

    name: str
    world: World
    """The truth."""
    calendar: Calendar
    budgets: Ints
    """[R, D] micros that each campaign may spend on each day."""
    portfolio: Portfolio
    """All that a policy is told."""
    seed: Ints
    """[R] the seed of each row."""

    def market(self) -> Market:
        """A market of this world in which nothing has happened yet."""
        return Market(self.world, self.calendar, days=self.budgets.shape[1], budgets=self.budgets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What sets a scenario apart from the stationary one."""

    conversions: float = 10.0
    """Of a campaign's day at the optimum."""
    campaigns: tuple[int, int] = (1, 1)
    """Of a seed: fewest and most, drawn log-uniformly."""


_RECIPES = {
    "stationary": Scenario(conversions=30.0),
    "stationary_10": Scenario(),
    "stationary_3": Scenario(conversions=3.0),
    "seasonal": Scenario(conversions=30.0),
    "drift": Scenario(),
    "price_spike": Scenario(campaigns=(4, 4)),
    "tracking_outage": Scenario(campaigns=(4, 4)),
    "bot_traffic": Scenario(campaigns=(4, 4)),
    "competitor_entry": Scenario(campaigns=(4, 4)),
    "conversion_collapse": Scenario(campaigns=(4, 4)),
    "creative_fatigue": Scenario(),
    "cold_start": Scenario(),
    "delayed_conversions": Scenario(),
    "tight_budget": Scenario(),
    "cpa_bound": Scenario(),
    "roas_bound": Scenario(),
    "many_campaigns": Scenario(campaigns=(1, 1000)),
}
SCENARIOS: MappingProxyType[str, Scenario] = MappingProxyType(_RECIPES)
"""Every scenario by name."""


def draw(name: str, seeds: Sequence[int], days: int = 14) -> Setup:
    """The scenario ``name`` for each of ``seeds``.

    Raises:
        ValueError: no scenario has this name; says which is near.
    """
    check_known("scenario", name, SCENARIOS)
    scenario = SCENARIOS[name]
    listings = [each for seed in seeds for each in _listings(scenario, seed)]
    calendar = Calendar(_FIRST, [each.zone for each in listings])
    world = draw_world(listings, FOUR, shocks_per_week=0.0, creatives=6)
    budgets = _budgets(world, days)
    best = hindsight(world, calendar, budgets).value.sum(axis=1) / world.unit_value / days
    scale = scenario.conversions / best
    world = replace(
        world,
        listings=tuple(
            replace(each, daily_budget=each.daily_budget * by) for each, by in zip(listings, scale, strict=True)
        ),
        auctions_h=world.auctions_h * scale[:, None],
    )
    seed = np.array([each.seed for each in listings], dtype=np.int64)
    return Setup(name, world, calendar, _budgets(world, days), _portfolio(world), seed)


def _budgets(world: World, days: int) -> Ints:
    """[R, D] micros: the same budget every day."""
    daily = np.array([round(each.daily_budget * MICROS) for each in world.listings], dtype=np.int64)
    return np.repeat(daily[:, None], days, axis=1)


def _listings(scenario: Scenario, seed: int) -> list[Listing]:
    """The campaigns of one seed."""
    fewest, most = scenario.campaigns
    rng = stream(seed, "scenario", 0)
    count = int(np.exp(rng.uniform(np.log(fewest), np.log(most + 1)))) if most > fewest else fewest
    return [_listing(seed, i) for i in range(count)]


def _listing(seed: int, i: int) -> Listing:
    rng = stream(seed, "scenario campaign", i)
    price, rate = np.exp(rng.uniform(np.log([0.3, 0.01]), np.log([6.0, 0.1])))
    goal = "value" if rng.random() < 0.4 else "conversions"
    worth = float(np.exp(rng.uniform(np.log(20.0), np.log(200.0))))
    unit = worth if goal == "value" else 1.0
    creatives = int(rng.integers(2, 7))
    genomes = tuple(
        (str(rng.choice(HOOKS)), str(rng.choice(PROMISES)), str(rng.choice(FRAMES))) for _ in range(creatives)
    )
    allowed = np.isin(np.arange(4), rng.permutation(4)[: int(rng.integers(2, 5))])
    return Listing(
        name=f"campaign-{i}",
        goal=goal,
        objective="OUTCOME_SALES" if goal == "value" else "OUTCOME_LEADS",
        zone="UTC",
        daily_budget=100.0,
        bid_bounds=(price / 6.0, price * 6.0),
        target_cost=float(price / rate / unit),
        value_per_conversion=worth,
        audiences=tuple(str(kind) for kind in rng.choice(_AUDIENCES, int(rng.integers(1, 3)), replace=False)),
        genomes=genomes,
        allowed=tuple(bool(each) for each in allowed),
        seed=seed,
    )


def _portfolio(world: World) -> Portfolio:
    """What policies are told of the campaigns, as a campaign file would."""
    listings = world.listings
    budget = np.array([each.daily_budget for each in listings])
    low, high = np.array([each.bid_bounds for each in listings]).T
    return Portfolio(
        allowed=np.array([each.allowed for each in listings]),
        creatives=world.creatives,
        bid_low=low,
        bid_high=high,
        target_cost=np.array([each.target_cost or np.inf for each in listings]),
        unit_value=world.unit_value,
        exposure_cap=2.6 * budget,
        nominal_cap=2.0 * budget,
        over_delivery=_over_delivery(world),
        first_price=np.array([channel.auction == "first_price" for channel in world.channels]),
        lag_h=np.array([TERMS[channel.platform].conversion_lag_h for channel in world.channels]).T,
    )


def _over_delivery(world: World) -> Floats:
    return np.array([channel.over_delivery[0] / channel.over_delivery[1] for channel in world.channels])
