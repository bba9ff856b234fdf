"""What has to hold between the fields of a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

from swarm.spec.delivery import OVER_DELIVERY
from swarm.spec.errors import Loc
from swarm.spec.fields import Problem
from swarm.spec.money import MINOR_DIGITS, to_micros

if TYPE_CHECKING:
    from swarm.spec.campaign import Campaign

Check = Callable[["Campaign"], Iterator[Problem]]


def problems(campaign: Campaign) -> list[Problem]:
    """Everything that is wrong between the fields of ``campaign``."""
    basic = [problem for check in _BASIC for problem in check(campaign)]
    # The others calculate with amounts and days, which have to be right first.
    return basic or [problem for check in _DERIVED for problem in check(campaign)]


def _precision(campaign: Campaign) -> Iterator[Problem]:
    for loc, text in _amounts(campaign):
        try:
            to_micros(text, campaign.currency)
        except ValueError:
            digits = MINOR_DIGITS[campaign.currency]
            yield Problem(loc, f"too precise: {campaign.currency} has {digits} decimals", text)


def _amounts(campaign: Campaign) -> Iterator[tuple[Loc, str]]:
    named: list[tuple[Loc, str | None]] = [
        (("budget", name), getattr(campaign.budget, name)) for name in ("amount", "min_amount", "max_amount")
    ]
    named += [(("caps", name), text) for name, text in campaign.caps if name != "portfolio"]
    named += [(("bidding", name), getattr(campaign.bidding, name)) for name in ("target_cpa", "bid_min", "bid_max")]
    named += [(("guardrails", "approval_above", "amount"), campaign.guardrails.approval_above.amount)]
    named += [(("conversion_goals", i, "value"), goal.value) for i, goal in enumerate(campaign.conversion_goals)]
    return ((loc, text) for loc, text in named if text is not None)


def _schedule(campaign: Campaign) -> Iterator[Problem]:
    start, end = campaign.start, campaign.end
    if campaign.budget.period == "LIFETIME" and end is None:
        yield Problem(("schedule", "end"), "a LIFETIME budget needs an end")
    if end is not None and end < start:
        yield Problem(("schedule", "end"), f"is before the start, {start}", str(end))


def _unique(campaign: Campaign) -> Iterator[Problem]:
    for i, platform in _repeated(list(campaign.platforms)):
        yield Problem(("platforms", i), "listed twice", platform)
    for name in ("creatives", "audiences", "conversion_goals"):
        for i, id_ in _repeated([item.id for item in getattr(campaign, name)]):
            yield Problem((name, i, "id"), "used twice", id_)


def _repeated(names: list[str]) -> Iterator[tuple[int, str]]:
    seen: Counter[str] = Counter()
    for i, name in enumerate(names):
        if seen[name]:
            yield i, name
        seen[name] += 1


def _targets(campaign: Campaign) -> Iterator[Problem]:
    strategy = campaign.bidding.strategy
    for name in ("target_cpa", "target_roas"):
        target = getattr(campaign.bidding, name)
        if strategy == name.upper() and target is None:
            yield Problem(("bidding", name), f"the strategy {strategy} needs one")
        if strategy != name.upper() and target is not None:
            yield Problem(("bidding", name), f"the strategy {strategy} ignores it", str(target))


def _bids(campaign: Campaign) -> Iterator[Problem]:
    low, high = campaign.bid_bounds_micros
    if low >= high:
        text = f"must be less than bid_max, {campaign.bidding.bid_max}"
        yield Problem(("bidding", "bid_min"), text, campaign.bidding.bid_min)


def _amount_within(campaign: Campaign) -> Iterator[Problem]:
    budget = campaign.budget
    low, high = campaign.budget_bounds_micros
    if not low <= campaign.budget_micros <= high:
        text = f"must be from min_amount, {budget.min_amount}, to max_amount, {budget.max_amount}"
        yield Problem(("budget", "amount"), text, budget.amount)


def _nominal(campaign: Campaign) -> Iterator[Problem]:
    cap = campaign.caps_micros.get("daily_nominal")
    if cap is not None and cap < _per_day(campaign):
        text = f"is less than a day of the budget, {campaign.budget.amount} {campaign.budget.period}"
        yield Problem(("caps", "daily_nominal"), text, campaign.caps.daily_nominal)


def _exposure(campaign: Campaign) -> Iterator[Problem]:
    platform = max(campaign.platforms, key=OVER_DELIVERY.__getitem__)
    factor = OVER_DELIVERY[platform]
    if _per_day(campaign) * factor > campaign.caps_micros["daily_exposure"]:
        text = (
            f"{platform} may spend {float(factor):g} times a day of the budget, "
            f"which passes caps.daily_exposure, {campaign.caps.daily_exposure}"
        )
        yield Problem(("budget", "amount"), text, campaign.budget.amount)


def _per_day(campaign: Campaign) -> Fraction:
    days = campaign.schedule.days if campaign.budget.period == "LIFETIME" else None
    return Fraction(campaign.budget_micros, days or 1)


def _guardrails(campaign: Campaign) -> Iterator[Problem]:
    rails = campaign.guardrails
    most = min(rails.max_change_per_step, rails.max_change_per_day)
    if rails.min_change > most:
        text = f"leaves no room below the largest change, {most}"
        yield Problem(("guardrails", "min_change"), text, str(rails.min_change))


_BASIC: tuple[Check, ...] = (_precision, _schedule, _unique, _targets, _guardrails)
_DERIVED: tuple[Check, ...] = (_bids, _amount_within, _nominal, _exposure)
