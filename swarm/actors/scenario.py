"""What a swarm runs on: where, when, and in which world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from policies.frames import Ints
from swarm import portfolio
from swarm.platforms.calendar import Calendar
from swarm.platforms.market import Market
from swarm.platforms.protocol import Channel
from swarm.platforms.world import World, draw_world
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig


@dataclass(frozen=True, slots=True)
class Scenario:
    """Everything that an actor needs to be made again after a crash, beside the journal."""

    config: SwarmConfig
    folder: Path
    channels: tuple[Channel, ...]
    first: date
    days: int
    world: World | None = None
    """A world fitted to a log; None draws one from the seed."""
    anchor: str | None = None
    """Time zone whose first midnight is hour 0, for campaigns that are not all known yet; None takes the earliest."""
    daily: Ints | None = None
    """[R, days] micros a day, where a log gives them; None takes the campaigns' budgets."""
    logged: Ints | None = None
    """[C, days] micros that a log's own budgets gave each channel; they add up to the one row of ``daily``."""

    @property
    def namespace(self) -> str:
        """The Ray namespace of the swarm's actors."""
        return f"swarm-{self.config.name}"

    def facts(self) -> dict[str, Any]:
        """What a reader of the journal needs to know of it, ready for JSON; ``daily`` [R][days] micros or None."""
        return {
            "config": self.config.model_dump(mode="json"),
            "first": self.first.isoformat(),
            "days": self.days,
            "anchor": self.anchor,
            "daily": None if self.daily is None else self.daily.tolist(),
        }

    def calendar(self, campaigns: Sequence[Campaign]) -> Calendar:
        """Local time of ``campaigns``."""
        return Calendar(self.first, [campaign.time_zone for campaign in campaigns], anchor=self.anchor)

    def budgets(self, campaigns: Sequence[Campaign]) -> Ints:
        """[R, days] micros that each campaign may spend on each local day."""
        if self.daily is not None:
            return self.daily
        dates = [date.fromordinal(self.first.toordinal() + day) for day in range(self.days)]
        columns = [portfolio.money(campaigns, [day] * len(campaigns)) for day in dates]
        return np.stack(columns, axis=1)

    def draw(self, campaigns: Sequence[Campaign]) -> World:
        """The world of ``campaigns``."""
        if self.world is not None:
            return self.world
        listings = portfolio.listings(campaigns, self.channels, self.config.run.seed)
        return draw_world(listings, self.channels, shocks_per_week=self.config.market.shocks_per_week)

    def market(self, campaigns: Sequence[Campaign]) -> Market:
        """A market in which nothing has happened yet."""
        return Market(self.draw(campaigns), self.calendar(campaigns), days=self.days, budgets=self.budgets(campaigns))

    def slices(self) -> dict[str, slice]:
        """Each platform's columns; channels of one platform stand together."""
        names = [channel.platform for channel in self.channels]
        return {name: slice(names.index(name), names.index(name) + names.count(name)) for name in dict.fromkeys(names)}
