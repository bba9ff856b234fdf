"""A day's budget over channels whose returns are learnt while it is spent.

    allocator = BudgetAllocator(["search", "social"], total=5_000.0, rng=np.random.default_rng(0))
    for day in days:
        split = allocator.allocate()                       # {"search": ..., "social": ...}
        allocator.update(spend=..., outcome=...)           # what the day brought
    allocator.certificate()                                # why this split

What is believed of a channel is ``policies.response.Belief``; the split is the optimum of its curves, seen with a
little optimism, so that what is not known yet is tried. Here is only the door: names, checks, money in whole micros.

Letters: C channels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from policies.concave import Curves, allocate, certificate
from policies.frames import Bools, Floats, Ints
from policies.micros import MICRO, MOST, amount, micros, whole
from policies.naming import check_known
from policies.response import Belief, optimism
from policies.tabulated import Tabulated

Amounts = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class SplitCertificate:
    """Why a split is the best one on its own model; value is in outcomes, money in currency."""

    price: float
    """Outcomes that the next unit of money buys on every channel off its bounds; 0 where all are at one."""
    marginal: dict[str, float]
    """The same of each channel: lower where the minimum binds, higher where the maximum does."""
    at_minimum: tuple[str, ...]
    at_maximum: tuple[str, ...]
    value: float
    """Outcomes of the split."""
    gain_over_equal: float
    """Outcomes above those of the equal split, brought within the bounds."""
    gain_over_current: float
    """Outcomes above those of the split before, in proportion to the total and brought within the bounds."""


class BudgetAllocator:
    """Splits a daily total over channels; deterministic given its ``rng``."""

    def __init__(
        self,
        channels: Sequence[str],
        *,
        total: float,
        minimum: Amounts | None = None,
        maximum: Amounts | None = None,
        rng: np.random.Generator,
    ) -> None:
        """
        Args:
            channels: names, in the order of the answers.
            total: money of a usual day.
            minimum: least money a day of some channels; others may get nothing.
            maximum: most money a day of some channels; others may get everything.
            rng: source of exploration.

        Raises:
            ValueError: what cannot be, and the nearest that can.
        """
        if not channels or len(set(channels)) < len(channels):
            raise ValueError(f"channels are {list(channels)}, expected one name or more, each once")
        self._channels = tuple(channels)
        self._low = self._micros("minimum", minimum, 0.0)
        self._high = self._micros("maximum", maximum, MOST)
        self._total = self._checked(total)
        self._rng = rng
        self._belief = Belief.start(np.array([total / len(channels)]), len(channels))
        self._spent = np.ones(len(channels))
        self._answer: tuple[Tabulated, Ints, Floats] | None = None

    def allocate(self, total: float | None = None, current: Amounts | None = None) -> dict[str, float]:
        """The day's split: ``sum(round(1e6 * x)) == round(1e6 * total)``.

        Args:
            total: the day's money where it is not the usual.
            current: the split in force, for the certificate; else the spend last reported.

        Raises:
            ValueError: an unknown channel, an amount below 0, or a total that the bounds do not allow.
        """
        money = self._total if total is None else self._checked(total)
        before = self._spent if current is None else self._amounts("current", current)
        curves = self._belief.curves(optimism(1, self._rng))
        split = whole(self._best(curves, money)[0], money, self._low, np.minimum(self._high, money))
        self._answer = curves, split, before
        return dict(zip(self._channels, (split / MICRO).tolist(), strict=True))

    def update(self, spend: Amounts, outcome: Amounts) -> None:
        """What a day brought; days may be skipped.

        Args:
            spend: money; a channel that is left out, or None, spent nothing.
            outcome: what was reported in the day, whichever day's money it came of. A channel that is left out, or
                None, is late: its next outcome is for this day as well. NaN is lost.

        Raises:
            ValueError: an unknown channel, or an amount below 0.
        """
        self._spent = self._amounts("spend", spend)
        found = self._amounts("outcome", {name: count for name, count in outcome.items() if not _lost(count)}, math.nan)
        late = np.array([outcome.get(name) is None for name in self._channels])
        self._belief = self._belief.observe(self._spent[None], found[None], late[None])

    def certificate(self) -> SplitCertificate:
        """Of the newest split, on the curves that it was made for.

        Raises:
            ValueError: nothing was split yet.
        """
        if self._answer is None:
            raise ValueError("there is no split to certify yet: allocate comes first")
        curves, split, before = self._answer
        money, low, high = (amounts[None] / MICRO for amounts in (split, self._low, self._high))
        proof = certificate(curves, money, money, low, high)
        value = float(curves.value(money)[0])
        rivals = [self._like(shares, int(split.sum())) for shares in (np.ones(len(split)), before)]
        return SplitCertificate(
            price=float(proof.price[0]),
            marginal=dict(zip(self._channels, proof.marginal[0].tolist(), strict=True)),
            at_minimum=self._where(split <= self._low),
            at_maximum=self._where(split >= self._high),
            value=value,
            gain_over_equal=value - float(curves.value(rivals[0])[0]),
            gain_over_current=value - float(curves.value(rivals[1])[0]),
        )

    def _best(self, curves: Tabulated | Curves, money: int) -> Floats:
        low, high = np.minimum(self._low, money) / MICRO, np.minimum(self._high, money) / MICRO
        return allocate(curves, np.array([money / MICRO]), low[None], high[None])

    def _like(self, shares: Floats, money: int) -> Floats:
        """[1, C] in proportion to ``shares`` within the bounds, which is the best split of square roots."""
        return self._best(Curves(np.sqrt(shares)[None], np.full((1, len(shares)), 0.5)), money)

    def _checked(self, total: float) -> int:
        """``total`` in micros, if it is positive and the bounds allow it."""
        money = micros("total", total)
        least, most = sum(self._low.tolist()), min(sum(self._high.tolist()), MOST * MICRO)
        if crossed := [name for name, bad in zip(self._channels, self._low > self._high, strict=True) if bad]:
            at = self._channels.index(crossed[0])
            low, high = self._low[at] / MICRO, self._high[at] / MICRO
            raise ValueError(f"minimum of {crossed[0]!r} is {low:g}, above its maximum; the nearest is {high:g}")
        if money < max(least, 1):
            raise ValueError(
                f"total is {total:g}, below the sum of the minima; the nearest is {max(least, 1) / MICRO:g}"
            )
        if money > most:
            raise ValueError(f"total is {total:g}, above the sum of the maxima; the nearest is {most / MICRO:g}")
        return money

    def _micros(self, what: str, amounts: Amounts | None, default: float) -> Ints:
        money = self._amounts(what, {} if amounts is None else amounts, default)
        return np.array([micros(what, value) for value in money], dtype=np.int64)

    def _amounts(self, what: str, amounts: Amounts, default: float = 0.0) -> Floats:
        """[C] in the order of the channels; ``default`` where nothing is said."""
        for name in amounts:
            check_known("channel", name, self._channels)
        said = [amounts.get(name) for name in self._channels]
        named = zip(self._channels, said, strict=True)
        return np.array([default if value is None else amount(f"{what} of {name!r}", value) for name, value in named])

    def _where(self, mask: Bools) -> tuple[str, ...]:
        return tuple(name for name, true in zip(self._channels, mask, strict=True) if true)


def _lost(count: float | None) -> bool:
    return count is not None and math.isnan(count)
