"""Bids: value over price at second price, shaded at first price; for a frame of campaigns or a stream of auctions.

At second price the bid is the marginal cost of a click, so value / price is optimal. At first price the
marginal cost is bid x (1 + 1/e) with e the elasticity of wins in the bid, so the optimal bid is
value / price x e / (1 + e) (first-order condition of (value - bid) P(win)).

Letters: R campaigns, C channels, N impressions of a round.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from policies import pacing
from policies.calibration import Calibration
from policies.columns import column, cost_limit, shaped
from policies.feedback import Feedback
from policies.flight import Ledger, Traffic
from policies.frames import Bools, Floats
from policies.prices import ABOVE
from policies.shading import Market, Response, Window, fit

Auction = Literal["second_price", "first_price"]


def shading(elasticity: Floats, first_price: Bools) -> Floats:
    """[R, C] bid over value at a price of 1."""
    return np.where(first_price, elasticity / (1.0 + elasticity), 1.0)


def bids(unit_bid: Floats, price: Floats, low: Floats, high: Floats) -> Floats:
    """[R, C] bids for a click within the campaign's bounds ``low`` and ``high`` [R]."""
    return np.clip(unit_bid / price[:, None], low[:, None], high[:, None])


LESSON = 128
"""Most rows that wait to be learnt from."""
STALE = 0.005
"""Part by which the demand ahead changes before the multiplier is solved again."""
TOLD_ENOUGH = 4
"""Rows with a price or a win before anything is solved."""
EXPLORATION = 1.0
"""Part of the bids at first price that try a lower one, times the root of the bids made so far."""
LEAP = 2.0
"""Most that a multiplier rises in a round of a flight."""
CARRIED = 0.8
"""Part of a flight's cost and value that is still held against the target in the next one."""
REACH = 0.3
"""Flights after this one over which a cost that is off its target may be made up for."""


@dataclass(frozen=True, slots=True)
class _Round:
    """A round that waits for its feedback; [N] each."""

    bids: Floats
    values: Floats
    """As believed."""
    measured: tuple[Floats, Floats] | None = None
    """Values as given, and the log of their correction if they are measurements."""


class PacingBidder:
    """Bids for a stream of auctions that spend a budget well, hold a cost target, and shade at first price.

    What is bought is as much value as budget and target allow; with neither, values are currency and what is
    bought is the most surplus, value less price. Every bid is that of one multiplier of value, the lowest of
    those that the budget and the target allow ("min pacing", Balseiro, Bhawalkar, Feng, Lu, Mirrokni, Sivan and Wang,
    "A Field Guide for Pacing Budget and ROS Constraints", 2023), re-solved in every round from what is left, the
    traffic that is planned and the market that was seen.

    >>> bidder = PacingBidder(budget=10.0, horizon=2, rng=np.random.default_rng(0))
    >>> bids = bidder.bid(np.array([0.1, 0.2]))
    >>> bidder.update(won=[True, False], prices=[4.0, 0.0], lowest_winning=[4.0, 9.0]).tolist()
    [1.0, 0.0]
    >>> bidder.remaining
    6.0
    """

    def __init__(
        self,
        *,
        budget: float,
        horizon: int,
        target_cpa: float | None = None,
        target_roas: float | None = None,
        auction: Auction = "second_price",
        rng: np.random.Generator,
    ) -> None:
        """A bidder that knows nothing of its market yet.

        Args:
            budget: most that is spent in a flight, currency units; inf without a budget.
            horizon: rounds of ``bid`` and ``update`` of a flight.
            target_cpa: most that a unit of value may cost in the mean; None without a target.
            target_roas: least value that a unit of currency has to bring in the mean; None without one.
            auction: ``"second_price"`` (winners pay the price to win) or ``"first_price"`` (they pay their bid).
            rng: draws what is tried.

        Raises:
            ValueError: on a number that is not positive, both targets at once, or another auction.
        """
        if auction not in ("second_price", "first_price"):
            raise ValueError(f"auction is {auction!r}, expected 'second_price' or 'first_price'")
        self._limit = cost_limit(target_cpa, target_roas)
        self._first_price = auction == "first_price"
        self._rng = rng
        self._calibration, self._window = Calibration(), Window()
        self._market: Market | None = None
        self._feedback = Feedback()
        self._told = self._seen = self._blind = 0
        self._spent = self._gained = 0.0
        self._traffic = Traffic(horizon)
        self._begin(budget)

    def renew(self, budget: float, horizon: int) -> None:
        """Begin the next flight with a new budget; all that was learnt is kept, what was left is not.

        The target holds over the flights together, earlier ones counting less and less.
        """
        self._spent *= CARRIED
        self._gained *= CARRIED
        self._begin(budget)
        self._traffic.renew(horizon)

    def _begin(self, budget: float) -> None:
        self._ledger = Ledger(budget)
        self._money = float(budget)
        self._outstanding = 0.0
        self._multiplier = self._solved_at = math.inf
        self._round: _Round | None = None

    @property
    def remaining(self) -> float:
        """Money left of the flight's budget."""
        return self._ledger.micros / 1e6

    def bid(self, values: ArrayLike, sigmas: ArrayLike | None = None) -> Floats:
        """Begin a round.

        Args:
            values: [N] expected conversions (or value) of each impression on offer.
            sigmas: [N] standard deviations of ``values``, None if they are taken as they are.

        Returns:
            [N] bids in currency units, 0 once the money is spent.

        Raises:
            ValueError: on a value or deviation that is negative or not finite, or shapes that differ.
        """
        given = column("values", values)
        believed, measured = given, None
        if sigmas is not None:
            correction = self._calibration.correction(given, column("sigmas", sigmas, len(given)))
            believed = given * np.exp(self._calibration.trust * correction)
            measured = (given, correction)
        offered = float(believed.sum())
        self._traffic.offer(offered)
        demand = self._outstanding + offered + self._traffic.ahead
        self._outstanding += offered
        made = np.minimum(self._bids(believed, demand), self.remaining)
        self._round = _Round(made, believed, measured)
        return made

    def update(
        self,
        *,
        won: ArrayLike,
        prices: ArrayLike,
        conversions: ArrayLike | None = None,
        lowest_winning: ArrayLike | None = None,
        counts: ArrayLike | None = None,
        bids: ArrayLike | None = None,
        values: ArrayLike | None = None,
    ) -> Floats:
        """Take what came of a round, or of many at once with their ``bids`` and ``values``.

        Wins are paid in array order. One whose price exceeds ``remaining`` does not happen.

        Args:
            won: [N] whether each row was won; a share from 0 to 1 where slots have a part of the exposure.
            prices: [N] paid for an impression, currency units; not read where nothing was won.
            conversions: [N] that came of the row; None while they are not known.
            lowest_winning: [N] the bid that would have won; NaN where the auction does not tell. None: nowhere.
            counts: [N] impressions that each row stands for; None: one.
            bids: [N] that were made; None: those of the last ``bid``.
            values: [N] likewise.

        Returns:
            [N] impressions that happened.

        Raises:
            ValueError: on shapes that differ, numbers out of range, or a round that was never begun.
        """
        answered = self._answered(bids, values)
        size = len(answered.bids)
        share = column("won", won, size, most=1.0)
        price = np.where(share > 0.0, np.asarray(prices, np.float64), 0.0)
        price = column("prices", price, size)
        count = np.ones(size) if counts is None else column("counts", counts, size)
        lowest = np.full(size, np.nan) if lowest_winning is None else shaped("lowest_winning", lowest_winning, size)
        converted = None if conversions is None else column("conversions", conversions, size)
        happened = self._ledger.settle(share * count, price)
        self._pay(happened, price, answered)
        if converted is not None:
            self._believe(answered, happened, price, np.where(happened > 0.0, converted, 0.0))
        self._observe((answered.bids, answered.values, share, price, lowest, count))
        return happened

    def _bids(self, values: Floats, demand: float) -> Floats:
        """[N] bids before the last of the money is looked at."""
        if not values.any():
            return values.copy()
        cap = self._limit * self._calibration.level
        if self._market is None:
            return values * self._tried(len(values), cap, demand)
        if abs(demand - self._solved_at) > STALE * demand:
            self._multiplier = min(self._solved(self._market.response, demand, cap), LEAP * self._multiplier)
            self._solved_at = demand
        made = self._market.bids(values, self._multiplier)
        if self._first_price:
            lower = self._rng.random(len(values)) * math.sqrt(1.0 + self._seen) < EXPLORATION
            if lower.any():
                made[lower] *= self._rng.uniform(0.5, 1.0, np.count_nonzero(lower))
        return made

    def _solved(self, response: Response, demand: float, cap: float) -> float:
        """The lowest of the multipliers that budget and target allow."""
        found = 1.0 if self._money == cap == math.inf else math.inf
        if self._money < math.inf:
            found = pacing.affordable(response.log_multiplier, response.spend, self._money / demand)
        if cap < math.inf:
            reach = demand + REACH * self._traffic.flight
            slack = cap * (self._gained + reach * response.value) - (self._spent + reach * response.spend)
            found = min(found, pacing.on_target(response.log_multiplier, slack, cap))
        return found

    def _tried(self, size: int, cap: float, demand: float) -> Floats:
        """[N] multipliers while nothing is known; twice as much is risked after each round that tells nothing."""
        tried = np.full(size, 1.0 if cap == self._money == math.inf else cap)
        if self._money < math.inf:
            tried = np.minimum(tried, pacing.ladder(self._money / demand * 2.0**self._blind, size, self._rng))
        elif self._first_price:
            tried *= self._rng.uniform(0.2, 1.0, size)
        return tried

    def _answered(self, bids: ArrayLike | None, values: ArrayLike | None) -> _Round:
        """The round that feedback is about."""
        if bids is not None and values is not None:
            made = column("bids", bids)
            return _Round(made, column("values", values, len(made)))
        if bids is not None or values is not None:
            raise ValueError("only one of bids and values was given, expected both (late feedback) or none")
        if self._round is None:
            raise ValueError("update without a bid that waits for it: call bid first, or give bids and values")
        return self._round

    def _pay(self, happened: Floats, price: Floats, answered: _Round) -> None:
        paid = float(happened @ price)
        self._spent += paid
        self._money = max(self._money - paid, 0.0)
        self._gained += float(happened @ answered.values)
        self._outstanding = max(self._outstanding - float(answered.values.sum()), 0.0)
        self._round = None

    def _believe(self, answered: _Round, happened: Floats, price: Floats, conversions: Floats) -> None:
        """Compare what was expected with what came of it."""
        self._calibration.learn(answered.values, happened, conversions)
        if answered.measured is not None:
            known = None if self._first_price else price
            self._calibration.learn_noise(*answered.measured, happened, conversions, known)

    def _observe(self, columns: tuple[Floats, ...]) -> None:
        """Note a round's outcome, and learn the market anew when there is enough to learn."""
        self._feedback.add(columns)
        self._blind += self._market is None
        self._seen += len(columns[0])
        if len(self._feedback) < min(LESSON, len(self._window) // 8):
            return
        rows = self._feedback.rows(first_price=self._first_price)
        self._window.add(rows)
        self._told += int(np.count_nonzero(rows[2] != ABOVE))
        if self._told >= TOLD_ENOUGH:
            self._market = fit(self._window, first_price=self._first_price, before=self._market)
            self._solved_at = math.inf
