"""The hindsight optimum: the most that could have been expected, had every parameter been known.

It knows all rates, the realised traffic and prices of every hour and each creative's quality, but no outcome of an
impression; it has the same money per day, the same bid bounds and the same cost target, which is held to what the
platforms report. Bids and creatives may change in every hour on every channel, and no edit of its own is significant.

What it does comes back to it: rivals answer, conversions end learning phases, and people whom two channels reach count
once. It is therefore solved again and again against the terms that its own solution brings about, with the price of
what each click does to later ones, and evaluated hour by hour by the market's own functions; the best solution counts.
``feedback=False`` gives the bound without: as if nobody answered, nothing had to be learnt, and nobody were reached
twice.

Letters: R campaigns, T hours, C channels, D days.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from swarm.platforms.calendar import Calendar
from swarm.platforms.dynamics import Dynamics, Past
from swarm.platforms.optimum import Hours, Plan, Solver, Terms
from swarm.platforms.world import World

Floats = NDArray[np.float64]
_BLOCK = 16
"""Campaigns solved side by side, so that their hours stay in the processor's cache."""
_ROUNDS = 8
_SETTLED = 1e-4
"""Part by which the newest solution may still differ from the best one when no more rounds are needed."""
_TOLERANCE = 1e-3
"""Part by which a solution may miss its target when it meets the terms that it brings about."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """What could have been had; [R, D] each."""

    value: Floats
    """Expected goal units."""
    spend: Floats
    """Currency units that they take: all of the money, where the market and the cost target can absorb it."""
    claimed: Floats
    """Expected goal units as the platforms report them."""


@dataclass(frozen=True, slots=True)
class Solution:
    """Bids that were played against the terms that they bring about."""

    optimum: Optimum
    plan: Plan
    rivals: Floats
    """[R, T, C] log of rivals' prices over what they were without the campaign."""


def hindsight(world: World, calendar: Calendar, budgets: NDArray[np.int64], *, feedback: bool = True) -> Optimum:
    """The optimum of every campaign; ``budgets`` [R, D] in micros."""
    found = [solution.optimum for solution in solutions(world, calendar, budgets, feedback=feedback)]
    parts = ([getattr(each, name) for each in found] for name in ("value", "spend", "claimed"))
    return Optimum(*(np.concatenate(part) for part in parts))


def solutions(
    world: World, calendar: Calendar, budgets: NDArray[np.int64], *, feedback: bool = True
) -> Iterator[Solution]:
    """The solution of each block of campaigns, in order."""
    for rows, hours in _blocks(world, calendar, budgets):
        dynamics = world.dynamics.rows(rows)
        if not feedback or not dynamics.feeds_back:
            dynamics = Dynamics.none(len(hours.day), *world.shape[1:])
        yield _solve(hours, dynamics, world.auctions_h[rows], world.unit_value[rows])


def _solve(hours: Hours, dynamics: Dynamics, auctions_h: Floats, unit: Floats) -> Solution:
    solver, terms = Solver(hours), Terms.none(hours)
    if not dynamics.feeds_back:
        plan, _ = solver.best(terms)
        return _brought(solver, plan, terms.rivals, plan.worth, plan.worth)
    price: Floats | None = None
    best: Solution | None = None
    for _ in range(_ROUNDS):
        plan, price = solver.best(terms, near=price)
        played, terms = _replay(solver, plan, price, dynamics, auctions_h, unit)
        before, best = best, played if best is None else _better(hours, best, played)
        if before is not None and _settled(hours, before, played):
            break
    assert best is not None
    return best


def _settled(hours: Hours, before: Solution, now: Solution) -> bool:
    """Whether no campaign's best so far differs from its newest solution by what would matter."""
    first, second = (_merit(hours, each.optimum) for each in (before, now))
    return bool((np.abs(second - first) <= _SETTLED * np.abs(first)).all())


def _replay(
    solver: Solver, plan: Plan, price: Floats, dynamics: Dynamics, auctions_h: Floats, unit: Floats
) -> tuple[Solution, Terms]:
    """What ``plan`` truly brings, and the terms that it brings about."""
    hours, past = solver.hours, Past.empty(dynamics, auctions_h)
    rivals, learning, counted, marginal, slope = np.zeros((5, *plan.won.shape))
    active = hours.clicks > 0
    for t in range(plan.won.shape[1]):
        rivals[:, t] = dynamics.competition.price(past.won, past.met)
        slope[:, t] = dynamics.competition.slope(past.won, past.met)
        learning[:, t] = dynamics.learning.rate(past.conversions, past.hours)
        conversions = plan.worth[:, t] * learning[:, t] / unit[:, None]
        past.reach(conversions)
        counted[:, t] = dynamics.overlap.counted(past.reached)
        marginal[:, t] = dynamics.overlap.marginal(past.reached)
        past.close(dynamics.competition.speed, plan.won[:, t], hours.auctions[:, t], conversions, active[:, t])
    claimed = plan.worth * learning
    charge = _charge(plan, solver.by_hour(price), plan.cost * np.exp(rivals) * slope, dynamics.competition.speed)
    brought = _brought(solver, plan, rivals, claimed * counted, claimed)
    return brought, Terms(rivals, learning * marginal, learning, charge)


def _brought(solver: Solver, plan: Plan, rivals: Floats, worth: Floats, claimed: Floats) -> Solution:
    """What comes of ``plan`` within the days' money, given what its hours are worth and claim [R, T, C]."""
    spend, money = solver.daily(plan.cost * np.exp(rivals)), solver.hours.money
    part = np.minimum(1.0, money / np.where(spend > 0, spend, 1.0))
    return Solution(Optimum(solver.daily(worth) * part, spend * part, solver.daily(claimed) * part), plan, rivals)


def _charge(plan: Plan, price: Floats, rises: Floats, speed: Floats) -> Floats:
    """[R, T, C] what a click more costs later, currency units of its own hour.

    ``rises`` [R, T, C]: by how much an hour's cost goes up with one auction more in what rivals remember.
    """
    later, charge = np.zeros(speed.shape), np.zeros(plan.won.shape)
    for t in reversed(range(plan.won.shape[1])):
        charge[:, t] = later
        later = later * (1.0 - speed) + price[:, t] * rises[:, t]
    per_click = plan.won / np.where(plan.clicks > 0, plan.clicks, 1.0)
    return np.asarray(charge * per_click / np.where(price > 0, price, 1.0))


def _better(hours: Hours, first: Solution, second: Solution) -> Solution:
    """Row by row the solution of more value among those that meet the target."""
    worth = [_merit(hours, each.optimum) for each in (first, second)]
    take = worth[1] > worth[0]

    def chosen(old: object, new: object) -> tuple[Floats, ...]:
        pairs = ((getattr(old, name), getattr(new, name)) for name in old.__slots__)  # type: ignore[attr-defined]
        return tuple(np.where(take.reshape(-1, *[1] * (a.ndim - 1)), b, a) for a, b in pairs)

    return Solution(
        Optimum(*chosen(first.optimum, second.optimum)),
        Plan(*chosen(first.plan, second.plan)),
        np.where(take[:, None, None], second.rivals, first.rivals),
    )


def _merit(hours: Hours, found: Optimum) -> Floats:
    """[R] value, or how far the target is missed, below 0."""
    spend, allowed = found.spend.sum(axis=1), hours.target * found.claimed.sum(axis=1)
    missed = spend / np.where(allowed > 0, allowed, 1.0) - 1.0
    return np.asarray(np.where((spend > 0) & (missed > _TOLERANCE), -missed, found.value.sum(axis=1)))


def _blocks(world: World, calendar: Calendar, budgets: NDArray[np.int64]) -> Iterator[tuple[slice, Hours]]:
    """The hours of some campaigns after another."""
    moments = [calendar.at(tick) for tick in range(calendar.ticks(budgets.shape[1]))]
    weather = [world.conditions(moment) for moment in moments]
    day = np.stack([moment.day for moment in moments], axis=1).astype(np.int64)
    inside = (day >= 0) & (day < budgets.shape[1])
    day = np.where(inside, day, 0)
    runs = inside & (np.take_along_axis(budgets, day, axis=1) > 0)
    auctions, price, rate, wear = (
        np.stack([getattr(each, name) for each in weather], axis=1) for name in ("auctions", "price", "rate", "wear")
    )
    for start in range(0, len(day), _BLOCK):
        rows = slice(start, start + _BLOCK)
        yield (
            rows,
            Hours(
                day=day[rows],
                money=budgets[rows] / 1e6,
                target=np.array([one.target_cost or np.inf for one in world.listings[rows]]),
                bounds=np.array([one.bid_bounds for one in world.listings[rows]]).T,
                first_price=np.array([channel.auction == "first_price" for channel in world.channels]),
                auctions=auctions[rows],
                clicks=auctions[rows] * world.ctr[rows, None] * runs[rows, :, None],
                price=price[rows] * world.rival_cpc[rows, None],
                spread=world.spread[rows],
                worth=rate[rows] * world.goal_rate[rows, None],
                appeal=world.appeal[rows, None] * np.exp(wear[rows]),
                quality=world.quality[rows],
            ),
        )
