"""One hour of auctions in closed form.

A campaign bids for clicks; the platform turns that into a bid for each impression, by the click rate of the
auction's value bucket and of the creative that it would show. The highest competing bid is log-normal, so
wins, clicks and cost have closed forms with the normal distribution function.

Letters: R campaigns, C channels, K creatives, B value buckets, G bids tried at once (1 in the market itself).
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from swarm.platforms.world import BUCKET_PRICE, BUCKET_VALUE, BUCKETS, World

Floats = NDArray[np.float64]
LOG_RATIO = np.log(BUCKET_VALUE / BUCKET_PRICE)
"""[B] log of a bucket's bid for an impression over its competing price, at a bid of the median price a click."""
_CHUNK = 16_384
"""Auction buckets worked on at once, so that what lies between stays in the processor's cache."""


@dataclass(frozen=True, slots=True)
class Hour:
    """Expected outcome of an hour if each creative had all of its auctions; [R, C, K, G]."""

    impressions: Floats
    clicks: Floats
    cost: Floats


class Auction:
    """The auctions of a world's campaigns; what does not change from hour to hour is computed once."""

    def __init__(self, world: World) -> None:
        safe = np.where(world.creatives, world.appeal, 1.0)
        ratio = safe[:, None, :, None] * BUCKET_VALUE / BUCKET_PRICE
        self._offset = np.log(ratio) - np.log(world.rival_cpc)[:, :, None, None]
        self._click_rate = safe[:, None, :, None] * BUCKET_VALUE * world.ctr[:, :, None, None]
        self._spread = world.spread
        self._mean_price = world.ctr * world.rival_cpc * np.exp(world.spread**2 / 2)
        second = np.array([channel.auction == "second_price" for channel in world.channels])
        self._second = np.flatnonzero(second)

    def run(self, bids: Floats, auctions: Floats, price: Floats, wear: Floats | None = None) -> Hour:
        """Outcome of ``bids`` [R, C, G] (currency a click) in ``auctions`` [R, C] at price level ``price`` [R, C].

        ``wear`` [R, K]: log of the creatives' click rates over the fresh ones; None is none.
        """
        wear = np.zeros((len(bids), self._offset.shape[2])) if wear is None else wear
        rows, channels, creatives, buckets = self._offset.shape
        shape = (rows, channels, creatives, bids.shape[2])
        hour = Hour(np.empty(shape), np.empty(shape), np.empty(shape))
        step = max(1, _CHUNK // (channels * creatives * buckets * bids.shape[2]))
        for start in range(0, rows, step):
            self._run(slice(start, start + step), bids, auctions, price, wear, hour)
        return hour

    def _run(self, rows: slice, bids: Floats, auctions: Floats, price: Floats, wear: Floats, hour: Hour) -> None:
        """Fill in ``rows`` of ``hour``."""
        with np.errstate(divide="ignore"):
            log_bid = np.log(bids[rows] / price[rows, :, None])
        z = (log_bid[:, :, None, :] + wear[rows, None, :, None])[:, :, :, None] + self._offset[rows, ..., None]
        z /= self._spread[rows, :, None, None, None]
        won = ndtr(z)
        count = (auctions[rows] / BUCKETS)[:, :, None, None]
        shown = np.exp(wear[rows])[:, None, :, None] * count
        clicks = np.einsum("rckbg,rckb->rckg", won, self._click_rate[rows] * shown)
        hour.clicks[rows] = clicks
        np.multiply(won.sum(axis=3), count, out=hour.impressions[rows])
        np.multiply(clicks, bids[rows, :, None, :], out=hour.cost[rows])
        hour.cost[rows, self._second] = self._second_price(rows, z, price, auctions)

    def _second_price(self, rows: slice, z: Floats, price: Floats, auctions: Floats) -> Floats:
        """Winners pay the highest competing bid: its mean below the bid, times the chance to win."""
        at = self._second
        z = z[:, at]
        z -= self._spread[rows, at, None, None, None]
        paid = ndtr(z, out=z)
        weight = self._mean_price[rows, at] * price[rows, at] * auctions[rows, at] / BUCKETS
        cost: Floats = np.einsum("rckbg,rcb->rckg", paid, weight[..., None] * BUCKET_PRICE)
        return cost

    def rows(self, row: int) -> Auction:
        """The auctions of one campaign alone."""
        one = copy(self)
        for name in ("_offset", "_click_rate", "_spread", "_mean_price"):
            setattr(one, name, getattr(self, name)[[row]])
        return one


def chances(log_bid: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """The chance to win a mean auction, and clicks over those of winning all, broadcast over both arguments.

    ``log_bid``: log of bid times the creative's appeal over the median competing price; ``spread`` as in a world.
    """
    won = ndtr((log_bid[..., None] + LOG_RATIO) / spread[..., None])
    return won.mean(axis=-1), won @ BUCKET_VALUE / BUCKETS


def paid(log_bid: Floats, spread: Floats) -> Floats:
    """Cost at the second price over that of all clicks at the median competing price, for the same arguments."""
    below = ndtr((log_bid[..., None] + LOG_RATIO) / spread[..., None] - spread[..., None])
    return np.asarray(np.exp(spread**2 / 2) * (below @ BUCKET_PRICE) / BUCKETS)
