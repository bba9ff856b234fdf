"""Who plays: the swarm, and rivals put together from a split and a bidder.

A bidding rival gets the swarm's split and creatives, an allocation rival the swarm's bidder and creatives; each also
runs with nothing of the swarm's.

Letters: R campaigns, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np

from benchmarks.allocators import Allocator, LinearProgram, PowerLaws, Proportional, Task
from benchmarks.decisions import bidders, splits
from benchmarks.decisions.apart import Apart
from benchmarks.decisions.desk import Desk, Policy
from benchmarks.decisions.ours import ChannelPacing, swarm
from benchmarks.gaussian import GaussianProcess, drawn, upper
from policies.specialist import Wanted
from swarm.platforms.scenarios import Setup


@dataclass
class System:
    """A split and a bidder that spends it."""

    split: splits.Split
    bidder: bidders.Bidder
    creatives: splits.Ours | None = None
    """Whose rotation is taken; None rotates equally."""

    def decide(self, desk: Desk) -> Wanted:
        """Each channel's budget is its share of the day's money."""
        if self.creatives is not None and self.creatives is not self.split:
            self.creatives.shares(desk)
        money = self.split.shares(desk) * desk.clock.money[:, None]
        weight = desk.equal_rotation if self.creatives is None else self.creatives.rotation
        return Wanted(
            budget=money,
            bid=self.bidder.bids(desk, money),
            weight=weight,
            deliver=np.ones(money.shape, dtype=np.bool_),
        )


Made = Callable[[Setup], Policy]


def _with_our_split(bidder: Callable[[], bidders.Bidder]) -> Made:
    def made(setup: Setup) -> System:
        ours = splits.Ours(setup)
        return System(ours, bidder(), ours)

    return made


def _with_our_bidder(split: Callable[[], splits.Split]) -> Made:
    return lambda setup: System(split(), ChannelPacing(), splits.Ours(setup))


def _alone(split: Callable[[], splits.Split], bidder: Callable[[], bidders.Bidder]) -> Made:
    return lambda _: System(split(), bidder())


_ALLOCATORS: Mapping[str, Callable[[Task], Allocator]] = {
    "proportional": Proportional,
    "power_laws": PowerLaws,
    "linear_program": LinearProgram,
    "gp_ucb": lambda task: GaussianProcess(task, upper),
    "gp_thompson": lambda task: GaussianProcess(task, drawn),
}


def _allocators() -> dict[str, Made]:
    """Each with our bidder and creatives, and alone: with the best bidder of the literature and equal creatives."""
    found = {}
    for name, make in _ALLOCATORS.items():
        split = partial(splits.Daily, make)
        found[name] = _with_our_bidder(split)
        found[f"{name}_alone"] = _alone(split, bidders.AdaptivePacing)
    return found


SYSTEMS: Mapping[str, Made] = MappingProxyType(
    {
        "swarm": swarm,
        "equal_split": _alone(splits.Equal, bidders.Fixed),
        "current_budgets": _alone(splits.Current, bidders.Fixed),
        "pid": _with_our_split(bidders.Pid),
        "pid_alone": _alone(splits.Equal, bidders.Pid),
        "adaptive_pacing": _with_our_split(bidders.AdaptivePacing),
        "adaptive_pacing_alone": _alone(splits.Equal, bidders.AdaptivePacing),
        "mirror_descent": _with_our_split(bidders.MirrorDescent),
        "mirror_descent_alone": _alone(splits.Equal, bidders.MirrorDescent),
        "auction_pacer": _with_our_split(bidders.AuctionPacer),
        "auction_pacer_alone": _alone(splits.Equal, bidders.AuctionPacer),
        "replay_pacer": _with_our_split(bidders.ReplayPacer),
        "replay_pacer_alone": _alone(splits.Equal, bidders.ReplayPacer),
        "equal_split_our_bidder": _with_our_bidder(splits.Equal),
        "current_split_our_bidder": _with_our_bidder(splits.Current),
        **_allocators(),
        "platforms_alone": Apart,
    }
)
"""By the name under which the table has them."""
