"""A platform specialist's hour: turn the coordinator's plan into settings for its own channels.

Letters: R campaigns, C the agent's channels, K creatives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from policies.bidding import bids
from policies.frames import Bools, Evidence, Floats, Plan, Portfolio
from policies.planning import unit_bids


@dataclass(frozen=True, slots=True)
class Wanted:
    """Settings that a specialist wants in force; currency units, shares in [0, 1]."""

    budget: Floats
    """[R, C]"""
    bid: Floats
    """[R, C]"""
    weight: Floats
    """[R, C, K]"""
    deliver: Bools
    """[R, C]"""


def want(portfolio: Portfolio, evidence: Evidence, plan: Plan, *, dither: Floats) -> Wanted:
    """Settings for the hour.

    ``dither`` [R, C]: log factors on bids at first price, without which a bid that has settled would no longer
    show how wins depend on it.
    """
    unit = unit_bids(portfolio, evidence, plan.click_value) * np.exp(np.where(portfolio.first_price, dither, 0.0))
    return Wanted(
        budget=plan.budget,
        bid=bids(unit, plan.price, portfolio.bid_low, portfolio.bid_high),
        weight=plan.rotation,
        deliver=plan.deliver[:, None] & portfolio.allowed,
    )


_NEAR = 0.98
"""Of a significant edit, so that no rounding makes it one."""


def steady(wanted: Wanted, portfolio: Portfolio, *, budget: Floats, bid: Floats) -> Wanted:
    """``wanted``, its moves from the ``budget`` and ``bid`` [R, C] in force so small that no platform learns anew.

    A significant edit begins a learning phase, in which clicks convert 5 to 20 % worse for days; the same way in
    several hours does not. From 0, and to 0, a budget goes at once. So it does where a click is the goal, for that is
    nothing to learn; bids are held there too, since what they bought says less of what another one would, the further
    that is.
    """
    most = 1.0 + _NEAR * portfolio.significant_edit

    def near(new: Floats, old: Floats) -> Floats:
        return np.where((old > 0) & (new > 0), np.clip(new, old / most, old * most), new)

    learns = portfolio.unit_value[:, None] > 0
    return replace(
        wanted, budget=np.where(learns, near(wanted.budget, budget), wanted.budget), bid=near(wanted.bid, bid)
    )


def limited(wanted: Floats, old: Floats, *, max_step: Floats | float) -> Floats:
    """``wanted`` moved no further from ``old`` than ``max_step`` of it; from 0 any value may be set."""
    return np.where(old > 0, np.clip(wanted, old * (1 - max_step), old * (1 + max_step)), wanted)
