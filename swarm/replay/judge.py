"""In place of the dispatcher: the door judges each batch again, and what is in force follows the log.

So a policy that decides otherwise meets every hour as it was: its own decisions change nothing of what comes next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from swarm import portfolio
from swarm.actors.dispatcher import Standing
from swarm.actors.scenario import Scenario
from swarm.agent import InForce
from swarm.effects.door import Door, release_kill_switch, throw_kill_switch
from swarm.effects.lease import Lease
from swarm.effects.ledger import Ledger
from swarm.effects.people import joined
from swarm.effects.proposals import Proposals
from swarm.replay.children import Now
from swarm.replay.log import DECIDED, Batch, Decisions, Log, decisions
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal, Row

_REFUSED_BY = DECIDED.index("refused_by")


class Scratch(Journal):
    """A journal of the replay's own that tells what was last put before the door."""

    batch_rows: Sequence[Row] = ()

    def intend(self, rows: Sequence[Row]) -> NDArray[np.int64]:
        """Keep the batch, and remember it."""
        self.batch_rows = rows
        return super().intend(rows)


class Judge:
    """The door over the log's ledger."""

    def __init__(self, log: Log, scenario: Scenario, journal: Scratch, now: Now) -> None:
        """Nothing is in force; campaigns come with ``admit``."""
        self._log, self._scenario, self._journal, self._now = log, scenario, journal, now
        self._door: Door | None = None
        self._batch: Batch
        self.wanted: Ledger
        """What would be in force in the newest hour if its batch had been written as it was decided again."""

    def admit(self, campaigns: list[Campaign]) -> None:
        """Guard all of ``campaigns`` from now on."""
        slots = max(len(campaign.creatives) for campaign in campaigns)
        size, scenario = (len(campaigns), slots), self._scenario
        self._door = self._door or Door(scenario.folder, self._journal, scenario.channels, *size)
        self._door.grow(*size)
        self._campaigns, self._calendar = campaigns, scenario.calendar(campaigns)
        self._limits = portfolio.limits(campaigns, scenario.channels, scenario.config)

    def follow(self, tick: int) -> None:
        """Let hour ``tick`` pass as it did."""
        self._begin(tick)
        self._commit(tick)

    def _begin(self, tick: int) -> None:
        assert self._door is not None
        self._batch = self._log.batch(tick)
        self._door.ledger.commit(self._batch.down, tick)
        for edited in self._log.edits(tick):
            self._door.ledger.edited(edited, tick)
        self._door.roll(self._calendar.at(tick))

    def _commit(self, tick: int) -> None:
        assert self._door is not None
        self._door.ledger.commit(self._batch.effects, tick)

    async def standing(self, tick: int) -> Standing:
        """Where the campaigns stood at the beginning of hour ``tick``."""
        assert self._door is not None
        self._begin(tick)
        self._door.report(self._now.inputs.spending, self._now.inputs.learning)
        self._switch()
        opening = self._door.opening
        now = InForce(opening.budget, opening.bid, opening.weight, opening.status, opening.highest)
        kept = self._now.inputs
        return Standing(now, kept.room, 0.0, kept.spending, kept.learning)

    def _switch(self) -> None:
        """The kill switch is no row of the journal, but its refusals are; thrown where nothing was refused, it did
        nothing."""
        thrown = any(decision[_REFUSED_BY] == "kill_switch" for decision in self._batch.decisions.values())
        (throw_kill_switch if thrown else release_kill_switch)(self._scenario.folder)

    async def write(self, asked: Proposals, lease: Lease, tick: int) -> dict[str, int]:
        """Judge the batch, and let come of the hour what came of it then."""
        assert self._door is not None
        limits = portfolio.limits_at(self._limits, self._campaigns, self._scenario.channels, self._calendar, tick)
        asked, word = joined(asked, self._log.due(tick), self._door.ledger)
        admitted = self._door.open(asked, limits, lease, tick, word=word)
        effects, self.wanted = admitted.effects, self._door.ledger.copy()
        if len(effects):
            self.wanted.commit(effects, tick)
            before = self._door.ledger.value(effects.field, effects.campaign, effects.channel, effects.creative)
            self._door.close(admitted, before)
        self._commit(tick)
        return {}

    @property
    def in_force(self) -> Ledger:
        """What was in force in the newest hour."""
        assert self._door is not None
        return self._door.ledger

    @property
    def decided(self) -> Decisions:
        """What the newest batch would have written, and the door's verdicts."""
        return decisions([tuple(row) for row in self._journal.batch_rows])

    @property
    def logged(self) -> Decisions:
        """What was decided then."""
        return self._batch.decisions
