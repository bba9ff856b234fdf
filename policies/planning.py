"""The coordinator's hour: pool the evidence, price the money, split the day, rotate the creatives.

Letters: R campaigns, C channels, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from policies import concave, creative, exposure, pacing
from policies.bidding import bids, shading
from policies.estimation import CreativePrior, Rates, estimate
from policies.evidence import SPEND_ELASTICITY, USUAL_SHARE
from policies.frames import Bools, Evidence, Floats, Plan, Portfolio, pad
from policies.tuning import Settings

HEADROOM = 2.0
"""Platform budgets over the planned split: pacing spends by bids, budgets are the fence behind it."""
_NOTHING_LEFT = 0.002
_AIM, _DOUBT, _FEWEST = 0.98, 0.8, 25.0
"""Of a cost target: a little below it, and by most of the standard error of the conversions seen, which are never taken
for fewer than so many. What looks cheap is bought more of, and so turns out dearer than it looked."""
_HOPE, _HEARD = 1.0, 5.0
"""What is added to the target before anything was bought, as a part of it, and the conversions that halve it. Too few
conversions cannot tell a target from its double, and who bids by them may fall silent, and never learn better."""
_NEW_DAYS, _OLD_EXPLORATION = 6.0, 0.5
"""Days for which creatives are explored as configured, and the part of it that is left afterwards."""
_START_RATE = 0.03
_PRIOR_CONVERSIONS = 3.0


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the planner carries from hour to hour."""

    price: Floats
    """[R] price of money."""
    split: Floats
    """[R, C] shares of the day's money, planned at the last midnight."""
    rotation: Floats
    """[R, C, K]"""
    turns: Floats
    """[R, K, 3] as ``creative.Turns`` has them."""

    @classmethod
    def start(cls, portfolio: Portfolio, prior_shares: Floats) -> Ledger:
        """Prices that give a campaign's opening bid; ``prior_shares`` [R, C] as routing has them."""
        price = guess(portfolio) * _unit(portfolio) / opening_bid(portfolio)
        exists = portfolio.creatives / np.maximum(portfolio.creatives.sum(axis=1, keepdims=True), 1)
        rotation = np.broadcast_to(exists[:, None, :], portfolio.shape).copy()
        turns = creative.Turns.none(portfolio.creatives.shape).counts
        return cls(price, prior_shares, rotation, turns)

    def grown(self, fresh: Ledger) -> Ledger:
        """Its rows in front of ``fresh``'s, where campaigns have joined since."""

        def join(old: Floats, new: Floats) -> Floats:
            kept = pad(old, (len(old), *new.shape[1:]))
            return np.concatenate([kept, new[len(old) :]])

        return Ledger(*(join(getattr(self, f.name), getattr(fresh, f.name)) for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Clock:
    """The hour to plan for."""

    day: Floats
    """[R] local day."""
    new_day: Bools
    """[R] the day's first hour."""
    day_ends: Bools
    """[R] the day's last hour."""
    age_days: Floats
    """[R] since the campaign's first day."""
    money: Floats
    """[R] the local day's money; 0 while the campaign rests."""
    traffic_left: Floats
    """[R] usual traffic from this hour to local midnight."""
    traffic_unseen: Floats
    """[R, C] usual traffic of the day's hours that the channel has not reported yet."""


def opening_bid(portfolio: Portfolio) -> Floats:
    """[R] the bid of a campaign that nobody knows yet: the middle of its bounds on a log scale."""
    return np.sqrt(portfolio.bid_low * portfolio.bid_high)


def guess(portfolio: Portfolio) -> Floats:
    """[R] conversions per click before any data: what the target implies at the opening bid, or 3 %."""
    implied = opening_bid(portfolio) / (portfolio.target_cost * np.maximum(portfolio.unit_value, 1e-300))
    rate = np.where(np.isfinite(portfolio.target_cost), np.clip(implied, 0.002, 0.3), _START_RATE)
    return np.where(portfolio.unit_value > 0, rate, 1.0)


def _unit(portfolio: Portfolio) -> Floats:
    return np.where(portfolio.unit_value > 0, portfolio.unit_value, 1.0)


def conversion_rates(portfolio: Portfolio, evidence: Evidence, prior: CreativePrior) -> Floats:
    """[R, C, K] conversions per click."""
    return _rates(portfolio, evidence, prior).cells


def rates_without_creatives(portfolio: Portfolio, evidence: Evidence) -> Floats:
    """[R, C, 1] conversions per click by campaign and channel, as if all creatives were alike."""
    rates = _rates(portfolio, evidence, CreativePrior.none(portfolio.creatives.shape))
    return np.asarray((rates.base[:, None] * rates.channel)[..., None])


def values_by_all(portfolio: Portfolio, conversions: Floats, matured: Floats) -> Floats:
    """[R, C, K] goal units of a click by all conversions and matured clicks [R, C, K] there ever were."""
    none = CreativePrior.none(portfolio.creatives.shape)
    rates = estimate(conversions, matured, guess=_first(portfolio), prior=none, account=portfolio.account)
    return click_values(portfolio, rates.cells)


def _rates(portfolio: Portfolio, evidence: Evidence, prior: CreativePrior) -> Rates:
    counts, first = (evidence.conversions, evidence.matured_clicks), _first(portfolio)
    return estimate(*counts, guess=first, prior=prior, account=portfolio.account)


def _first(portfolio: Portfolio) -> Floats:
    """[R] conversions per click before any data."""
    return np.where(portfolio.unit_value > 0, guess(portfolio), _START_RATE)


def click_values(portfolio: Portfolio, rates: Floats) -> Floats:
    """[R, C, K] goal units per click; 1 where a click is the goal."""
    goal = (portfolio.unit_value > 0)[:, None, None]
    return np.where(goal, rates * _unit(portfolio)[:, None, None], 1.0)


def plan(
    portfolio: Portfolio,
    ledger: Ledger,
    evidence: Evidence,
    clock: Clock,
    hyper: Settings,
    *,
    creative_prior: CreativePrior,
    prior_shares: Floats,
    highest_budget: Floats,
) -> tuple[Plan, Ledger, concave.Certificate | None]:
    """One hour's plan, what to carry on, and, where a day ends, why the split that the next one moves towards is best.

    ``hyper``: each campaign's hyperparameters.
    ``creative_prior``: what attention expects of the creatives.
    ``prior_shares`` [R, C]: how routing would split the money.
    ``highest_budget`` [R, C]: highest daily budget in force today.
    """
    cells = click_values(portfolio, conversion_rates(portfolio, evidence, creative_prior))
    value = (cells * ledger.rotation).sum(axis=2) / np.maximum(ledger.rotation.sum(axis=2), 1e-12)
    floor = target_floor(portfolio, evidence, value)
    price, spent = _price(portfolio, ledger, evidence, clock, hyper, value, floor)
    split, proof = ledger.split, None
    if clock.day_ends.any():
        aim, proof = _split(portfolio, ledger, evidence, value, floor, prior_shares, hyper)
        split = np.where(clock.day_ends[:, None], aim, ledger.split)
    exploration = hyper["creative_exploration"] * np.where(clock.age_days < _NEW_DAYS, 1.0, _OLD_EXPLORATION)
    turns = creative.Turns(ledger.turns).after(evidence.totals[..., 0].sum(axis=1), ledger.rotation[:, 0])
    rotation = _rotation(portfolio, evidence, cells, creative_prior, turns, exploration)
    target = HEADROOM * split * clock.money[:, None]
    budget = exposure.within_exposure(
        target, highest_budget, portfolio.over_delivery, portfolio.exposure_cap, portfolio.nominal_cap
    )
    # A budget counts until midnight even if lowered now: room for tomorrow's raises is made in the last hour.
    budget = np.where(clock.day_ends[:, None], np.minimum(budget, highest_budget), budget)
    left = clock.money - spent > _NOTHING_LEFT * clock.money
    made = Plan(
        price=np.maximum(price, floor),
        click_value=value,
        budget=budget,
        rebudget=clock.new_day | clock.day_ends,
        rotation=rotation,
        deliver=(clock.money > 0) & left,
    )
    return made, Ledger(price, split, rotation, turns.counts), proof


def unit_bids(portfolio: Portfolio, evidence: Evidence, value: Floats) -> Floats:
    """[R, C] bids at a price of 1, before their bounds."""
    return value * shading(evidence.elasticity, portfolio.first_price)


def _price(
    portfolio: Portfolio,
    ledger: Ledger,
    evidence: Evidence,
    clock: Clock,
    hyper: Settings,
    value: Floats,
    floor: Floats,
) -> tuple[Floats, Floats]:
    """The price of money after this hour's step, and what is spent today, unreported hours included."""
    unit = unit_bids(portfolio, evidence, value)
    bid = bids(unit, np.maximum(ledger.price, floor), portfolio.bid_low, portfolio.bid_high)
    pace = evidence.spend_scale * bid**SPEND_ELASTICITY
    reported = np.where(evidence.day == clock.day[:, None], evidence.spent_today, 0.0)
    spent = (reported + np.nan_to_num(pace) * clock.traffic_unseen).sum(axis=1)
    required = np.maximum(clock.money - spent, 0.0) / np.maximum(clock.traffic_left, 1e-9)
    solved = pacing.solve_price(evidence.spend_scale, unit, required)
    price = pacing.step(ledger.price, solved, gain=hyper["pacing_gain"], max_step=hyper["pacing_max_step"])
    best = unit.max(axis=1)
    price = np.clip(price, best / portfolio.bid_high, best / portfolio.bid_low)
    return np.where(clock.money > 0, price, ledger.price), spent


def target_floor(portfolio: Portfolio, evidence: Evidence, value: Floats) -> Floats:
    """[R] lowest price of money under the cost target, 0 without one; ``value`` [R, C]: goal units of a click.

    At price p a click is bid at value over p and costs the bid's average share of it, so a goal unit costs that share
    over p: known from clicks alone, long before enough conversions are in to tell by. What these say goes into
    ``value``. (The multiplier of a return constraint: Feng, Padmanabhan and Wang 2022; the larger of the two rules:
    "min pacing" in Balseiro et al., "A Field Guide", 2023.)
    """
    unit = unit_bids(portfolio, evidence, value)
    spend = np.nan_to_num(evidence.spend_scale) * unit**SPEND_ELASTICITY
    bought = (spend * value / (evidence.cost_share * np.maximum(unit, 1e-300))).sum(axis=1)
    cost = np.where(bought > 0, spend.sum(axis=1) / np.maximum(bought, 1e-300), USUAL_SHARE)
    ever = evidence.totals[..., 2].sum(axis=(1, 2))
    aim = (
        _AIM - _DOUBT / np.sqrt(evidence.conversions.sum(axis=(1, 2)) + _FEWEST) + _HOPE / (1.0 + (ever / _HEARD) ** 2)
    )
    return np.asarray(np.where(np.isfinite(portfolio.target_cost), cost / (aim * portfolio.target_cost), 0.0))


def _split(
    portfolio: Portfolio,
    ledger: Ledger,
    evidence: Evidence,
    value: Floats,
    floor: Floats,
    prior: Floats,
    hyper: Settings,
) -> tuple[Floats, concave.Certificate]:
    """[R, C] shares of the day's money, moved from the old by a part of the way to equal marginal returns, and the
    certificate of those."""
    unit = unit_bids(portfolio, evidence, value)
    bid = bids(unit, np.maximum(ledger.price, floor), portfolio.bid_low, portfolio.bid_high)
    spend = np.nan_to_num(evidence.spend_scale) * bid**SPEND_ELASTICITY
    clicks = spend / np.maximum(evidence.cost_per_click, 1e-12)
    share_of_cost = np.where(
        portfolio.first_price, evidence.elasticity / (1 + evidence.elasticity), evidence.cost_share
    )
    curves = concave.Curves.through(spend, clicks * value, share_of_cost)
    low = np.where(portfolio.allowed, hyper["exploration"][:, None] / portfolio.allowed.sum(axis=1, keepdims=True), 0.0)
    high = np.where(portfolio.allowed, 1.0, 0.0)
    total = np.maximum(spend.sum(axis=1), 1e-12)
    low, high = low * total[:, None], high * total[:, None]
    money = concave.allocate(curves, total, low, high)
    best = money / total[:, None]
    sure = evidence.conversions.sum(axis=(1, 2))
    trust = (_PRIOR_CONVERSIONS / (_PRIOR_CONVERSIONS + sure))[:, None]
    moved = ledger.split + hyper["allocation_move"][:, None] * (trust * prior + (1 - trust) * best - ledger.split)
    split = np.where((curves.scale > 0).any(axis=1, keepdims=True), moved, ledger.split)
    return split, concave.certificate(curves, money, ledger.split, low, high)


def _rotation(
    portfolio: Portfolio,
    evidence: Evidence,
    cells: Floats,
    prior: CreativePrior,
    turns: creative.Turns,
    exploration: Floats,
) -> Floats:
    """[R, C, K] the same shares on every channel: goal units go with click rate times value of a click."""
    converts = (portfolio.unit_value > 0)[:, None]
    variance = turns.variance + np.where(converts, prior.variance(evidence.conversions.sum(axis=1)), 0.0)
    score = np.where(portfolio.creatives, turns.appeal * cells.mean(axis=1), 0.0)
    shares = creative.rotation(score, variance, portfolio.creatives, exploration=exploration)
    return np.repeat(shares[:, None, :], portfolio.shape[1], axis=1)
