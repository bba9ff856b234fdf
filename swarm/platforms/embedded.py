"""One platform of the embedded market as a connector shows it: the account behind the ``Platform`` protocol."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from policies.frames import Report
from swarm.effects.proposals import Field
from swarm.platforms.channels import TERMS
from swarm.platforms.market import Market
from swarm.platforms.protocol import Capabilities, Changes, Effects, Reply, Spending, State
from swarm.platforms.settings import unfit
from swarm.spec.delivery import CEILING

Record = Callable[[Effects, str], None]
"""Hears what is set and by whom; "" is the swarm."""
_DRY_RUN = {"google_ads": tuple(Field), "meta": tuple(Field)}
"""TikTok and LinkedIn offer none."""


class EmbeddedAccount:
    """The channels of one platform in a market that is moved to the hour that is asked for."""

    def __init__(
        self, platform: str, columns: slice, at: Callable[[int], Market], record: Record, factor: tuple[int, int]
    ) -> None:
        """``at`` gives the market at the beginning of an hour; ``factor``: what a day may cost over its budget."""
        self._columns, self._at, self._record = columns, at, record
        self.capabilities = Capabilities(
            over_delivery=factor,
            ceiling=CEILING[platform],
            significant_edit=TERMS[platform].significant_edit,
            dry_run=_DRY_RUN.get(platform, ()),
        )

    async def read_state(self, tick: int) -> State:
        """Settings in force and where it is learning."""
        market, own = self._at(tick), self._columns
        now = market.settings
        budget, bid, weight, status = (p[:, own].copy() for p in (now.budget, now.bid, now.weight, now.status))
        return State(budget, bid, weight, status, market.learning()[:, own])

    async def read_metrics(self, tick: int) -> Report | None:
        """The newest hour that it reports, of its own channels."""
        report = self._at(tick).report(self._columns.start)
        return None if report is None else report.columns(self._columns)

    async def spending(self, tick: int) -> Spending:
        """Money spent on its own channels."""
        return self._at(tick).spending(self._columns)

    async def validate(self, effects: Effects, tick: int) -> NDArray[np.str_]:
        """[n] why each write would be refused, empty where it would not."""
        self._at(tick)
        return unfit(effects, self.capabilities)

    async def apply(self, effects: Effects, tick: int) -> Reply:
        """Set what is fit."""
        market, refused = self._at(tick), unfit(effects, self.capabilities)
        taken = effects.take(refused == "")
        self._record(taken, "")
        market.settings.apply(taken)
        return Reply(effects.intent, refused)

    async def read_back(self, effects: Effects, tick: int) -> NDArray[np.int64]:
        """[n] the values in force."""
        return self._at(tick).settings.read(effects)

    async def changes_since(self, number: int, tick: int) -> Changes:
        """What others have changed since change ``number``."""
        changes, own = self._at(tick).changes, self._columns
        return changes.take((changes.number > number) & (changes.channel >= own.start) & (changes.channel < own.stop))

    async def pause_all(self, tick: int) -> int:
        """Pause everything; it counts as somebody else's edit, for no intent stands behind it."""
        status = np.zeros_like(self._at(tick).settings.status)
        status[:, self._columns] = self._at(tick).settings.status[:, self._columns]
        campaign, channel = np.nonzero(status == 1)
        await self.edit(_pauses(campaign, channel), "pause-all", tick)
        return len(campaign)

    async def edit(self, effects: Effects, who: str, tick: int) -> None:
        """Somebody else sets absolute values: a person in the platform's own pages, or the platform itself."""
        market = self._at(tick)
        self._record(effects, who)
        market.edit(effects, who)


def _pauses(campaign: NDArray[np.intp], channel: NDArray[np.intp]) -> Effects:
    nobody = np.full(len(campaign), -1, dtype=np.int64)
    return Effects(
        intent=nobody,
        campaign=campaign.astype(np.int32),
        channel=channel.astype(np.int32),
        field=np.full_like(nobody, Field.STATUS, dtype=np.int8),
        creative=nobody.astype(np.int16),
        value=np.zeros_like(nobody),
    )
