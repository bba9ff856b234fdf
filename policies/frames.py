"""Frames: what passes between the steps of a tick, one row per campaign.

Letters: R campaigns, C channels (all of the portfolio, or an agent's own), K creatives.
Money is in units of each campaign's currency.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Number = TypeVar("Number", bound=np.generic)


@dataclass(frozen=True, slots=True)
class Portfolio:
    """What is known of the campaigns before anything is spent."""

    allowed: Bools
    """[R, C] channels that each campaign may use."""
    creatives: Bools
    """[R, K] creatives that exist."""
    bid_low: Floats
    """[R] lowest bid for a click."""
    bid_high: Floats
    """[R] highest bid for a click."""
    target_cost: Floats
    """[R] highest average cost of a goal unit; inf without a target."""
    unit_value: Floats
    """[R] goal units that one conversion stands for; 0 where a click itself is the goal."""
    exposure_cap: Floats
    """[R] most that the platforms could ever spend in a day."""
    nominal_cap: Floats
    """[R] highest sum of daily budgets."""
    over_delivery: Floats
    """[C] what a platform may spend in a day over its daily budget."""
    first_price: Bools
    """[C]"""
    significant_edit: Floats
    """[C] part by which a budget or bid may move at once without a new learning phase."""
    lag_h: Floats
    """[2, C] mean hours to the report of a conversion, of the fast and the slow half."""
    account: Ints | None = None
    """[R] campaigns of one number learn from each other; None: all do."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """R, C, K."""
        return (*self.allowed.shape, self.creatives.shape[1])

    def columns(self, channels: slice) -> Portfolio:
        """The same campaigns on some of the channels."""
        return replace(
            self,
            allowed=self.allowed[:, channels],
            over_delivery=self.over_delivery[channels],
            first_price=self.first_price[channels],
            significant_edit=self.significant_edit[channels],
            lag_h=self.lag_h[:, channels],
        )


@dataclass(frozen=True, slots=True)
class Report:
    """One hour as the platforms report it."""

    tick: int
    day: NDArray[np.int32]
    """[R] local day of the hour."""
    bid: Floats
    """[R, C] bid in force in the hour; 0 while paused."""
    impressions: Floats
    """[R, C, K]"""
    clicks: Floats
    """[R, C, K]"""
    cost: Floats
    """[R, C, K]"""
    conversions: Floats
    """[R, C, K] that were reported in the hour, whenever the click was."""
    spent_today: Floats
    """[R, C] on the local day, up to and with this hour."""
    limited: Bools
    """[R, C] delivery was cut short by the budget."""

    def columns(self, channels: slice) -> Report:
        """The same hour on some of the channels."""
        kept = {f.name: getattr(self, f.name) for f in fields(self)}
        return Report(**{k: v[:, channels] if k not in ("tick", "day") else v for k, v in kept.items()})


@dataclass(frozen=True, slots=True)
class Evidence:
    """What an agent has learnt of its channels, ready to be pooled with what the others have."""

    tick: Ints
    """[C] the newest hour that each channel has reported; -1 before the first report."""
    day: NDArray[np.int32]
    """[R, C] local day of that hour."""
    conversions: Floats
    """[R, C, K] reported, older ones discounted."""
    matured_clicks: Floats
    """[R, C, K] clicks whose conversions should have been reported, discounted alike."""
    clicks: Floats
    """[R, C, K] discounted."""
    impressions: Floats
    """[R, C, K] discounted."""
    spend_scale: Floats
    """[R, C] recent spend per unit of traffic at a bid of 1; NaN before anything was seen."""
    cost_share: Floats
    """[R, C] average over marginal cost of a click at the recent bids, in (0, 1]."""
    cost_per_click: Floats
    """[R, C] average at the recent bids."""
    elasticity: Floats
    """[R, C] of won impressions in the bid."""
    pattern: Floats
    """[R, C, 5] how spend at a bid of 1 went with usual traffic; see ``clock.season``."""
    spent_today: Floats
    """[R, C] reported for ``day``, up to and with ``tick``."""
    totals: Floats
    """[R, C, K, 3] clicks, matured clicks and conversions since the start."""
    cost: Floats
    """[R, C] spent since the start."""
    residual: Floats
    """[R, 4] standardised surprises of the newest hour: volume, price, click rate, conversions."""

    @classmethod
    def concat(cls, parts: list[Evidence]) -> Evidence:
        """The agents' evidence side by side, channels in the order of the parts."""
        joined: dict[str, Any] = {}
        for f in fields(cls):
            values = [getattr(part, f.name) for part in parts]
            joined[f.name] = np.concatenate(values, axis=min(values[0].ndim - 1, 1))
        return cls(**{**joined, "residual": np.stack([part.residual for part in parts], axis=1)})


@dataclass(frozen=True, slots=True)
class Plan:
    """What the coordinator asks of the agents for one hour."""

    price: Floats
    """[R] goal units that a unit of currency must buy at the margin."""
    click_value: Floats
    """[R, C] goal units of a click, as the portfolio's evidence has it."""
    budget: Floats
    """[R, C] daily budgets to have in force."""
    rebudget: Bools
    """[R] whether budgets may move in this hour."""
    rotation: Floats
    """[R, C, K] shares of the creatives."""
    deliver: Bools
    """[R] false while the campaign rests: outside its days, or its day's money is spent."""

    def columns(self, channels: slice) -> Plan:
        """The same plan on some of the channels."""
        return replace(
            self,
            click_value=self.click_value[:, channels],
            budget=self.budget[:, channels],
            rotation=self.rotation[:, channels],
        )


def pad(array: NDArray[Number], shape: tuple[int, ...], *, fill: float = 0.0) -> NDArray[Number]:
    """``array`` in the corner of a larger one of ``shape`` that holds ``fill`` elsewhere."""
    if array.shape == shape:
        return array
    wide = np.full(shape, fill, dtype=array.dtype)
    wide[tuple(slice(size) for size in array.shape)] = array
    return wide


def sums_of(values: Floats | Bools, account: Ints, accounts: int) -> Floats:
    """[``accounts``, ...] sums of ``values`` [R, ...] over the campaigns of each ``account`` [R]."""
    sums = np.zeros((accounts, *values.shape[1:]))
    np.add.at(sums, account, values)
    return sums
