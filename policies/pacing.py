"""Dual pacing: one price of money for each campaign, re-solved every hour.

A budget's optimum has one multiplier, the goal units that a unit of currency must buy at the margin; every
auction of every channel is then bid at value over price. The price is re-solved from the spend that the
recent bids bought ("resolving" dual descent; Balseiro, Lu and Mirrokni, Operations Research 2023, give the
regret of such updates), and moves by a part of the way, so that noise is averaged out.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

import numpy as np

from policies.evidence import SPEND_ELASTICITY
from policies.frames import Floats


def solve_price(spend_scale: Floats, unit_bid: Floats, required: Floats) -> Floats:
    """[R] price of money at which spend per unit of traffic equals ``required``; NaN where nothing is known.

    ``spend_scale`` [R, C]: spend per traffic at a bid of 1. ``unit_bid`` [R, C]: bid at a price of 1.
    ``required`` [R]: what may be spent per unit of the traffic that is left.
    """
    at_one = np.nansum(spend_scale * unit_bid**SPEND_ELASTICITY, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        price = (at_one / required) ** (1.0 / SPEND_ELASTICITY)
    return np.where((at_one > 0) & (required > 0), price, np.nan)


def step(price: Floats, solved: Floats, *, gain: Floats, max_step: Floats) -> Floats:
    """[R] ``price`` moved by a part ``gain`` [R] of the log distance to ``solved``, at most ``max_step`` [R].

    NaN in ``solved`` moves nothing.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        move = np.clip(gain * np.log(solved / price), -max_step, max_step)
    return np.asarray(price * np.exp(np.where(np.isfinite(move), move, 0.0)))


def affordable(log_multiplier: Floats, spend: Floats, most: float) -> float:
    """The highest multiplier of value whose ``spend`` [G], a table over ``log_multiplier`` [G], is at most ``most``.

    Solved anew in every round from what is left, so that errors do not add up ("resolving"; Jasin, Operations
    Research 2014: regret below the square root of the rounds that steps of a fixed size need).
    """
    return float(np.exp(np.interp(most, spend, log_multiplier)))


def on_target(log_multiplier: Floats, slack: Floats, safe: float) -> float:
    """The highest multiplier at which ``slack`` [G], money that the target allows less money spent, is not negative.

    At least ``safe``, the multiplier of the target itself: there every purchase pays for itself, so that no other one
    makes up for a debt faster.
    """
    within = np.flatnonzero(slack >= 0.0)
    if not len(within):
        return safe
    last = int(within[-1])
    if last + 1 == len(slack):
        return max(safe, float(np.exp(log_multiplier[last])))
    part = slack[last] / (slack[last] - slack[last + 1])
    return max(safe, float(np.exp(log_multiplier[last] + part * (log_multiplier[last + 1] - log_multiplier[last]))))


LADDER = 1e4
"""From the lowest to the highest multiplier that is tried while nothing is known."""


def ladder(risked: float, size: int, rng: np.random.Generator) -> Floats:
    """[size] multipliers to try where no price was ever seen: if all bids were paid in full, ``risked`` in the mean.

    Drawn so that each order of magnitude risks the same part of the money (density 1 / multiplier^2).
    """
    return np.asarray(risked / np.log(LADDER) / rng.uniform(1.0 / LADDER, 1.0, size))
