"""A flight: its money, to the micro, and what it may expect to be offered in the rounds that are left.

A flight is a day or any other span of a budget, in rounds. The plan is learnt from the past flights' rounds, of which
one suffices (Balseiro, Kumar, Mirrokni, Sivan and Wang, ICML 2023), times what the present one shows of its level.

Letters: N rows of a round, T rounds of a flight.
"""

from __future__ import annotations

import math

import numpy as np

from policies.frames import Floats

MICROS = 1_000_000
RENEWAL = 0.3
"""Weight of the newest flight in the usual one."""
LEVEL_PRIOR = 0.1
"""Part of a flight that a level of 1 is worth."""


class Ledger:
    """Integer micros; infinite without a budget."""

    def __init__(self, budget: float) -> None:
        if not budget > 0:
            raise ValueError(f"budget is {budget}, expected more than 0, or inf for none")
        self.micros: float = math.inf if budget == math.inf else round(MICROS * budget)

    def settle(self, units: Floats, prices: Floats) -> Floats:
        """Pay ``units`` [N] impressions at ``prices`` [N] in order; the impressions that there was money for.

        An impression whose price exceeds what is left does not happen; cheaper ones after it may.
        """
        cost = np.rint(MICROS * units * prices)
        if (total := cost.sum()) <= self.micros:
            self.micros -= int(total)
            return units
        paid = units.copy()
        left = int(self.micros)
        for row, due in enumerate(cost.astype(np.int64).tolist()):
            if due > left:
                paid[row] = min(left // (MICROS * prices[row]), units[row])
                due = round(MICROS * paid[row] * prices[row])
                if due > left:  # the last unit only fitted before rounding
                    paid[row], due = 0.0, 0
            left -= due
        self.micros = left
        return paid


class Traffic:
    """Value on offer, round by round, of this flight and of the usual one."""

    def __init__(self, rounds: int) -> None:
        self._usual: Floats | None = None
        self._start(rounds)

    def renew(self, rounds: int) -> None:
        """Begin the next flight; one that is longer than those before is taken to repeat them."""
        played = self._today[: self.round]
        if self.round:
            usual = np.full(len(self._today), played.mean()) if self._usual is None else self._usual.copy()
            weight = 1.0 if self._usual is None else RENEWAL
            usual[: self.round] += weight * (played[: len(usual)] - usual[: self.round])
            self._usual = usual
        self._start(rounds)

    def _start(self, rounds: int) -> None:
        if rounds < 1 or rounds != int(rounds):
            raise ValueError(f"horizon is {rounds}, expected a whole number of rounds, at least 1")
        self.round = 0
        self._today = np.zeros(int(rounds))
        self._offered = 0.0
        self.ahead = 0.0
        """Value that is expected in the rounds after the last one offered."""
        if self._usual is not None:
            self._usual = np.resize(self._usual, int(rounds))
            self._behind = np.cumsum(self._usual)

    def offer(self, value: float) -> None:
        """Begin a round with ``value`` on offer."""
        rounds = len(self._today)
        if self.round < rounds:
            self._today[self.round] = value
            self.round += 1
            self._offered += value
        if self._usual is None:
            self.ahead = self._offered / self.round * (rounds - self.round)
            return
        usual, whole = self._behind[self.round - 1], self._behind[-1]
        level = (self._offered + LEVEL_PRIOR * whole) / (usual + LEVEL_PRIOR * whole) if whole > 0.0 else 1.0
        self.ahead = float(level * (whole - usual))

    @property
    def flight(self) -> float:
        """Value that is expected of the whole flight."""
        return self._offered + self.ahead
