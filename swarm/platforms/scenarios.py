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
from swarm.platforms.channels import FOUR
from swarm.platforms.climate import Climate
from swarm.platforms.fatigue import FAST, MILD, Fatigue, Wear
from swarm.platforms.hindsight import Optimum, hindsight
from swarm.platforms.market import Market
from swarm.platforms.phases import Learning
from swarm.platforms.samples.words import FRAMES, HOOKS, PROMISES
from swarm.platforms.shocks import KINDS, Hazards
from swarm.platforms.streams import stream
from swarm.platforms.world import Listing, World, draw_dynamics, draw_world, key, usual_lag_h
from swarm.spec.money import MICROS

_FIRST = date(2026, 6, 1)
_CREATIVES = 6
_LEFT = 0.88
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


Range = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What sets a scenario apart; ranges are drawn from by each campaign, log-uniformly where they say so."""

    conversions: float = 10.0
    """Of a campaign's day at the optimum, about."""
    campaigns: tuple[int, int] = (1, 1)
    """Of a seed: fewest and most, log-uniform."""
    days: int = 28
    """Of a flight."""
    goals: tuple[str, ...] = ("conversions", "value")
    season: Range = (0.6, 1.1)
    weather: Range = (0.5, 1.5)
    drift: Range = (0.0, 0.0)
    """As ``Climate`` has them."""
    learns: bool = True
    """Whether platforms have learning phases."""
    wear: Wear | None = None
    """Whence creatives' fatigue is drawn; None has none."""
    shock: str | None = None
    """The kind that strikes once, in the first week."""
    lag: Range = (1.0, 1.0)
    """Times the usual time from click to conversion, log-uniform; policies are told the middle."""
    depth: Range = (1.0, 1.0)
    """Times the usual demand for the money, log-uniform."""
    contrast: float = 1.0
    """Spread between channels and creatives over the usual, on a log scale."""
    target: Range = (1.3, 2.0)
    """Of what a goal unit costs where money alone binds; at 1 and above it is told to half of the campaigns."""
    left: float = _LEFT
    """Of the optimum without feedback, about what answering rivals, learning and overlap leave."""

    @property
    def bound(self) -> bool:
        """Whether a cost target binds every campaign."""
        return self.target[1] < 1.0


_STILL = (0.0, 0.0)
_RECIPES = {
    "stationary": Scenario(conversions=30.0, season=_STILL, weather=_STILL, learns=False),
    "stationary_10": Scenario(season=_STILL, weather=_STILL, learns=False),
    "stationary_3": Scenario(conversions=3.0, season=_STILL, weather=_STILL, learns=False),
    "seasonal": Scenario(conversions=30.0),
    "drift": Scenario(drift=(0.03, 0.1)),
    **{kind: Scenario(campaigns=(4, 4), shock=kind) for kind in KINDS},
    "creative_fatigue": Scenario(wear=FAST),
    "cold_start": Scenario(contrast=2.0),
    "delayed_conversions": Scenario(lag=(2.0, 5.0)),
    "tight_budget": Scenario(depth=(4.0, 16.0)),
    "cpa_bound": Scenario(goals=("conversions",), target=(0.6, 0.85), left=0.76),
    "roas_bound": Scenario(goals=("value",), target=(0.6, 0.85), left=0.76),
    "many_campaigns": Scenario(campaigns=(1, 1000), wear=MILD, days=7),
}
SCENARIOS: MappingProxyType[str, Scenario] = MappingProxyType(_RECIPES)
"""Every scenario by name."""


def draw(name: str, seeds: Sequence[int], days: int | None = None) -> Setup:
    """The scenario ``name`` for each of ``seeds``.

    Raises:
        ValueError: no scenario has this name; says which is near.
    """
    check_known("scenario", name, SCENARIOS)
    scenario = SCENARIOS[name]
    days = days or scenario.days
    world = _world(scenario, [each for seed in seeds for each in _listings(scenario, seed)])
    calendar = Calendar(_FIRST, [each.zone for each in world.listings])
    world = _sized(scenario, _with_targets(scenario, world, calendar), calendar)
    seed = np.array([each.seed for each in world.listings], dtype=np.int64)
    return Setup(name, world, calendar, _budgets(world, days), _portfolio(scenario, world), seed)


def _world(scenario: Scenario, listings: Sequence[Listing]) -> World:
    """The world of ``listings``, with what the scenario is about."""
    world = draw_world(listings, FOUR, shocks_per_week=0.0, creatives=_CREATIVES)
    rows, channels, creatives = world.shape
    climate = Climate(
        season=_each(world, "season", scenario.season),
        weather=_each(world, "weather", scenario.weather),
        noise=_each(world, "noise", (0.5, 1.5)),
        drift=_each(world, "drift", scenario.drift),
    )
    drawn = draw_dynamics(listings, channels, creatives, scenario.wear or MILD)
    dynamics = replace(
        drawn,
        climate=climate,
        learning=drawn.learning if scenario.learns else Learning.none(rows, channels),
        fatigue=drawn.fatigue if scenario.wear else Fatigue.none(rows, creatives),
    )
    return replace(
        world,
        auctions_h=world.auctions_h * _log_each(world, "depth", scenario.depth)[:, None],
        goal_rate=_contrasted(world.goal_rate, scenario.contrast),
        appeal=world.appeal**scenario.contrast,
        quality=world.quality**scenario.contrast,
        lag_h=world.lag_h * _log_each(world, "lag", scenario.lag)[:, None],
        hazards=Hazards(1.0, (scenario.shock,), weeks=1) if scenario.shock else Hazards(0.0),
        dynamics=dynamics,
    )


def _contrasted(rate: Floats, contrast: float) -> Floats:
    """[R, C] rates further from each campaign's mean on a log scale."""
    mean = np.exp(np.log(rate).mean(axis=1, keepdims=True))
    return np.asarray(mean * (rate / mean) ** contrast)


def _with_targets(scenario: Scenario, world: World, calendar: Calendar) -> World:
    """Targets around what a goal unit costs where money alone binds."""
    free = replace(world, listings=tuple(replace(each, target_cost=None) for each in world.listings))
    best = _best(free, calendar)
    cost = best.spend.sum(axis=1) / (_LEFT * best.value.sum(axis=1)) * _each(world, "target", scenario.target)
    told = (_each(world, "told", (0.0, 1.0)) < 0.5) | scenario.bound
    pairs = zip(world.listings, cost, told, strict=True)
    return replace(world, listings=tuple(replace(one, target_cost=float(c) if t else None) for one, c, t in pairs))


def _sized(scenario: Scenario, world: World, calendar: Calendar) -> World:
    """Money and traffic scaled together, to the scenario's conversions a day at the optimum; no rate changes."""
    found = scenario.left * _best(world, calendar).value.mean(axis=1) / world.unit_value
    scale = scenario.conversions / found
    pairs = zip(world.listings, scale, strict=True)
    listings = tuple(replace(one, daily_budget=one.daily_budget * float(by)) for one, by in pairs)
    return replace(world, listings=listings, auctions_h=world.auctions_h * scale[:, None])


def _best(world: World, calendar: Calendar) -> Optimum:
    """The optimum of a first week in which nothing feeds back."""
    return hindsight(world, calendar, _budgets(world, 7), feedback=False)


def _each(world: World, purpose: str, bounds: Range) -> Floats:
    """[R] a uniform draw of each campaign's own."""
    drawn = [stream(one.seed, f"scenario {purpose}", key(one)).random() for one in world.listings]
    return bounds[0] + (bounds[1] - bounds[0]) * np.array(drawn)


def _log_each(world: World, purpose: str, bounds: Range) -> Floats:
    low, high = np.log(bounds)
    return np.exp(_each(world, purpose, (low, high)))


def _budgets(world: World, days: int) -> Ints:
    """[R, D] micros: the same budget every day."""
    daily = np.array([round(each.daily_budget * MICROS) for each in world.listings], dtype=np.int64)
    return np.repeat(daily[:, None], days, axis=1)


def _listings(scenario: Scenario, seed: int) -> list[Listing]:
    """The campaigns of one seed."""
    fewest, most = scenario.campaigns
    rng = stream(seed, "scenario", 0)
    count = int(np.exp(rng.uniform(np.log(fewest), np.log(most + 1)))) if most > fewest else fewest
    return [_listing(scenario, seed, i) for i in range(count)]


def _listing(scenario: Scenario, seed: int, i: int) -> Listing:
    rng = stream(seed, "scenario campaign", i)
    price, rate = np.exp(rng.uniform(np.log([0.3, 0.01]), np.log([6.0, 0.1])))
    goal = str(rng.choice(scenario.goals))
    worth = float(np.exp(rng.uniform(np.log(20.0), np.log(200.0))))
    unit = worth if goal == "value" else 1.0
    creatives = int(rng.integers(2, _CREATIVES + 1))
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


def _portfolio(scenario: Scenario, world: World) -> Portfolio:
    budget = np.array([each.daily_budget for each in world.listings])
    told = known(world, exposure_cap=2.6 * budget, nominal_cap=2.0 * budget)
    return replace(told, lag_h=told.lag_h * np.sqrt(scenario.lag[0] * scenario.lag[1]))


def known(world: World, *, exposure_cap: Floats, nominal_cap: Floats) -> Portfolio:
    """What policies are told of a world's campaigns, as a campaign file would; caps [R] in currency units."""
    listings, channels = world.listings, world.channels
    low, high = np.array([each.bid_bounds for each in listings]).T
    return Portfolio(
        allowed=np.array([each.allowed for each in listings]),
        creatives=world.creatives,
        bid_low=low,
        bid_high=high,
        target_cost=np.array([each.target_cost or np.inf for each in listings]),
        unit_value=np.where([each.goal == "clicks" for each in listings], 0.0, world.unit_value),
        exposure_cap=exposure_cap,
        nominal_cap=nominal_cap,
        over_delivery=np.array([each.over_delivery[0] / each.over_delivery[1] for each in channels]),
        first_price=np.array([each.auction == "first_price" for each in channels]),
        significant_edit=np.array([each.significant_edit for each in channels]),
        lag_h=usual_lag_h(channels),
        account=np.unique([each.seed for each in listings], return_inverse=True)[1],
    )
