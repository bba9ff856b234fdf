"""Simple bidders that people use, for seeds side by side.

Each begins at the mean price over mean value of its market's first round, which a history would tell, or at the target
where there is one; the bidder that they are compared with is told neither. All see every value before they bid, every
price to win that they lose to, what they pay, and conversions.

Letters: S seeds, N auctions of a round (padded with values of 0).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from policies.flight import Traffic
from policies.frames import Floats


@dataclass(frozen=True, slots=True)
class Outcome:
    """A round, [S, N] each."""

    values: Floats
    happened: Floats
    paid: Floats
    told: Floats
    """Price to win; NaN where the auction does not tell it."""

    @property
    def spent(self) -> Floats:
        """[S]"""
        return np.asarray((self.paid * self.happened).sum(axis=1))

    @property
    def bought(self) -> Floats:
        """[S]"""
        return np.asarray((self.values * self.happened).sum(axis=1))


class Rival:
    """Bids the value times one multiplier a market; this one's never moves."""

    def __init__(self, start: Floats, budget: Floats, target: Floats, rounds: int) -> None:
        """``start``, ``budget`` of a day and ``target`` [S], inf where there is none."""
        self.budget, self.target, self.rounds = budget, target, rounds
        self.multiplier = np.where(np.isfinite(target), target, start)
        self.spent, self.bought = np.zeros(len(start)), np.zeros(len(start))
        self.renew()

    def renew(self) -> None:
        """Begin a day."""
        self.left, self.round = self.budget.copy(), 0

    def bid(self, values: Floats) -> Floats:
        """[S, N] bids."""
        return values * self.multiplier[:, None]

    def update(self, outcome: Outcome) -> None:
        """Take a round's outcome."""
        self.left = self.left - outcome.spent
        self.spent, self.bought = self.spent + outcome.spent, self.bought + outcome.bought
        self.round += 1
        self.learn(outcome)

    def learn(self, outcome: Outcome) -> None:
        """Move the multiplier."""


class Pid(Rival):
    """Error control of spend on a plan learnt from past days' traffic, and of cost per conversion; the lower rules."""

    def renew(self) -> None:
        """Begin a day; the plan is kept."""
        super().renew()
        if not hasattr(self, "traffic"):
            self.traffic = [Traffic(self.rounds) for _ in self.budget]
            self.pace, self.cost = np.log(self.multiplier), np.log(self.multiplier)
            self.summed, self.last = np.zeros(len(self.budget)), np.zeros(len(self.budget))
            return
        for traffic in self.traffic:
            traffic.renew(self.rounds)

    def bid(self, values: Floats) -> Floats:
        """[S, N] bids, and the round's part of the money by the plan."""
        now = values.sum(axis=1)
        for traffic, value in zip(self.traffic, now, strict=True):
            traffic.offer(float(value))
        ahead = np.array([traffic.ahead for traffic in self.traffic])
        self.due = np.maximum(self.left, 0.0) * now / np.maximum(now + ahead, 1e-12)
        return super().bid(values)

    def learn(self, outcome: Outcome) -> None:
        """Proportional, integral and derivative terms on the log of the multiplier."""
        error = np.clip((self.due - outcome.spent) / np.maximum(self.due, 1e-12), -1.0, 1.0)
        self.summed = np.clip(self.summed + error, -5.0, 5.0)
        self.pace += 0.3 * error + 0.02 * self.summed + 0.05 * (error - self.last)
        self.last = error
        excess = np.clip(1.0 - self.spent / np.maximum(self.target * self.bought, 1e-12), -0.5, 0.5)
        self.cost = np.where(np.isfinite(self.target), self.cost + 0.1 * excess, np.inf)
        self.multiplier = np.exp(np.minimum(self.pace, self.cost))


class AdaptivePacing(Rival):
    """Balseiro and Gur (2019): a multiplier steps by spend less its even share; never above the target's bid."""

    def __init__(self, start: Floats, budget: Floats, target: Floats, rounds: int) -> None:
        super().__init__(start, budget, target, rounds)
        self.worth = np.where(np.isfinite(target), target, 5.0 * start)
        self.dual = self.worth / self.multiplier - 1.0

    def learn(self, outcome: Outcome) -> None:
        """Additive step of 1 / sqrt(T), projected on what is sensible."""
        step = (outcome.spent / (self.budget / self.rounds) - 1.0) / np.sqrt(self.rounds)
        self.dual = np.clip(self.dual + (1.0 + self.dual) * step, 0.0, 50.0)
        self.multiplier = self.worth / (1.0 + self.dual)


class DualDescent(Rival):
    """Balseiro, Lu and Mirrokni (2023): entropic mirror steps of a dual for the budget and one for the target."""

    def __init__(self, start: Floats, budget: Floats, target: Floats, rounds: int) -> None:
        super().__init__(start, budget, target, rounds)
        bound = np.isfinite(target)
        self.money = np.where(bound, 0.2, 1.0) / self.multiplier
        self.cost = np.where(bound, 1.0 / self.multiplier, 0.0)

    def learn(self, outcome: Outcome) -> None:
        """Multiplicative steps of 1 / sqrt(T) on both."""
        bound, even = np.isfinite(self.target), self.budget / self.rounds
        limit = np.where(bound, self.target, 0.0)
        rate = 1.0 / np.sqrt(self.rounds)
        self.money *= np.exp(rate * np.clip(outcome.spent / even - 1.0, -1.0, 1.0))
        over = outcome.spent / np.maximum(limit * outcome.bought, 1e-12) - 1.0
        self.cost *= np.exp(rate * np.where(bound, np.clip(over, -1.0, 1.0), 0.0))
        self.multiplier = (1.0 + limit * self.cost) / (self.money + self.cost)


class DualDescentBelow(DualDescent):
    """The same aiming at 0.975 of the target, so that its mean cost is the target (on tuning seeds 700 to 759)."""

    def __init__(self, start: Floats, budget: Floats, target: Floats, rounds: int) -> None:
        super().__init__(start, budget, 0.975 * target, rounds)


class AuctionPacer(Rival):
    """Even spend by bounded steps; capped at 1.25, 1 or 0.8 of the target: cost so far below 95 %, 100 %, above."""

    def learn(self, outcome: Outcome) -> None:
        """A step of a quarter of the error; the target per round is what is left over the rounds left."""
        due = np.maximum((self.left + outcome.spent) / (self.rounds - self.round + 1), 1e-12)
        moved = self.multiplier * np.clip(np.exp(0.25 * (due - outcome.spent) / due), 0.7, 1.15)
        cost = self.spent / np.maximum(self.bought, 1e-12) / self.target
        cap = self.target * np.where(cost < 0.95, 1.25, np.where(cost < 1.0, 1.0, 0.8))
        self.multiplier = np.minimum(moved, cap)


class ReplayPacer(Rival):
    """After every auction the log of the price moves by what was paid less the money left over the auctions left."""

    def __init__(self, start: Floats, budget: Floats, target: Floats, rounds: int) -> None:
        super().__init__(start, budget, target, rounds)
        self.reference, self.shift, self.dearness = (
            self.multiplier.copy(),
            np.zeros(len(start)),
            np.full(len(start), np.nan),
        )

    def learn(self, outcome: Outcome) -> None:
        """The auctions of a round at once; steps over a mean price, within e^3 of the start."""
        there = outcome.values > 0
        price = np.where(outcome.happened > 0, outcome.paid, outcome.told)
        mean = np.nanmean(np.where(there, price, np.nan), axis=1)
        self.dearness = np.where(np.isnan(self.dearness), mean, self.dearness)
        even = (self.left + outcome.spent) / (self.rounds - self.round + 1)
        step = 0.02 * (outcome.spent - even) / self.dearness
        self.shift = np.clip(self.shift + np.clip(step, -0.5, 0.5), -3.0, 3.0)
        self.multiplier = np.minimum(self.reference * np.exp(-self.shift), self.target)


class PastPlan(Rival):
    """Linear programming on the day before: its best multiplier is today's."""

    def renew(self) -> None:
        """Solve the day that is over."""
        if hasattr(self, "seen"):
            for row, seen in enumerate(zip(*self.seen, strict=True)):
                self.multiplier[row] = self._solved(row, *(np.concatenate(each) for each in zip(*seen, strict=True)))
        self.seen: list[list[tuple[Floats, Floats]]] = []
        super().renew()

    def learn(self, outcome: Outcome) -> None:
        """Keep what was told."""
        price = np.where(outcome.happened > 0, outcome.paid, outcome.told)
        known = (outcome.values > 0) & np.isfinite(price)
        self.seen.append([(p[k], v[k]) for p, v, k in zip(price, outcome.values, known, strict=True)])

    def _solved(self, row: int, price: Floats, value: Floats) -> float:
        order = (price / value).argsort()
        money, bought = np.cumsum(price[order]), np.cumsum(value[order])
        within = (money <= self.budget[row]) & ((money <= self.target[row] * bought) | np.isinf(self.target[row]))
        last = np.flatnonzero(within)
        return float((price / value)[order][last[-1]]) if len(last) else float(self.multiplier[row])


class ShadedPid(Pid):
    """The error control's multiplier as worth, shaded by a log-normal win rate fitted to the prices that were told."""

    def bid(self, values: Floats) -> Floats:
        """[S, N] the best of 20 parts of the worth against the fit."""
        worth = super().bid(values)
        if not hasattr(self, "sums"):
            self.sums = np.zeros((5, len(values)))
            return worth
        rows, x, y, xx, xy = self.sums[:, :, None]
        slope = (xy / rows - x * y / rows**2) / np.maximum(xx / rows - (x / rows) ** 2, 1e-9)
        part = np.linspace(0.05, 1.0, 20)
        with np.errstate(divide="ignore", invalid="ignore"):
            centre = y / rows + slope * (np.log(values) - x / rows)
            win = ndtr((np.log(worth[..., None] * part) - centre[..., None]) / self.spread[:, None, None])
        return np.asarray(worth * part[np.nan_to_num((1.0 - part) * win).argmax(axis=2)])

    def learn(self, outcome: Outcome) -> None:
        """Regression of log price on log value, of what was told."""
        super().learn(outcome)
        known = (outcome.values > 0) & np.isfinite(outcome.told)
        x, y = (np.log(np.where(known, each, 1.0)) for each in (outcome.values, outcome.told))
        self.sums += np.stack([known.sum(1), x.sum(1), y.sum(1), (x * x).sum(1), (x * y).sum(1)])
        self.squares = getattr(self, "squares", 0.0) + (y * y).sum(1)
        rows, x_, y_, xx, xy = self.sums
        covariance, variance = xy / rows - x_ * y_ / rows**2, np.maximum(xx / rows - (x_ / rows) ** 2, 1e-9)
        self.spread = np.sqrt(np.maximum(self.squares / rows - (y_ / rows) ** 2 - covariance**2 / variance, 1e-3))


RIVALS: dict[str, type[Rival]] = {
    "fixed": Rival,
    "pid": Pid,
    "adaptive_pacing": AdaptivePacing,
    "dual_descent": DualDescent,
    "auction_pacer": AuctionPacer,
    "replay_pacer": ReplayPacer,
    "past_plan": PastPlan,
}
