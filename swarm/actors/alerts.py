"""Alerts: what of an hour people are told, and what an alert stops. One that stops nothing is not a control."""

from __future__ import annotations

import asyncio
from contextlib import closing
from pathlib import Path
from typing import Any

from swarm.actors.dispatcher import Standing
from swarm.brain import Brain
from swarm.effects.door import throw_kill_switch
from swarm.errors import JournalError
from swarm.observe.notices import Hook, Notice, Notifier, Stop
from swarm.observe.watch import Watch, overspends
from swarm.spec.config import SwarmConfig
from swarm.store.chain import Fault, Head, heads, verify
from swarm.store.journal import Journal
from swarm.store.place import journal_of

_DAY_H = 24


class Alerts:
    """Looks at each hour once it counts."""

    def __init__(self, config: SwarmConfig, folder: Path, journal: Journal, brain: Brain, log: Any) -> None:
        """``folder``: the run's, where notices are kept and the kill switch is."""
        settings = config.notifications
        self._folder, self._journal, self._brain, self._log = folder, journal, brain, log
        self._watch = Watch(journal, folder, settings)
        self._everything = [Hook(settings.webhook)] if settings.webhook else []
        self._notifier = Notifier(config.name, folder / settings.file, [], log, timeout_s=settings.timeout_s)
        self._passed: frozenset[tuple[str, str]] = frozenset()
        """Campaigns, and which of their caps their spend had passed when last looked at."""
        self._not_kept = False
        self._verified: dict[str, Head] | None = None
        self._verifying: asyncio.Task[None] | None = None

    def hour(self, tick: int, standing: Standing, now_s: float) -> None:
        """Tell what hour ``tick`` has to tell, and stop what that asks for; ``now_s``: of any clock that goes on."""
        self._not_kept = False
        self._tell([*self._watch.hour(tick, now_s), *self._overspends(tick, standing)])
        if tick % _DAY_H == _DAY_H - 1:
            self.verify(tick)

    def not_kept(self, tick: int, error: JournalError) -> None:
        """Tell once that hour ``tick`` cannot be written down: the clock waits."""
        if not self._not_kept:
            self._tell([Notice("store_error", tick, f"nothing is decided until it can be written down: {error}")])
        self._not_kept = True

    def verify(self, tick: int) -> None:
        """See beside the clock that the journal is as it was written: at first all, then what has come since."""
        if self._verifying is None or self._verifying.done():
            self._verifying = asyncio.create_task(self._verify(tick))

    async def _verify(self, tick: int) -> None:
        try:
            fault, self._verified = await asyncio.to_thread(_looked_through, self._folder, self._verified)
        except JournalError as error:
            self._log.warning("journal_not_verified", error=str(error))
            return
        if fault:
            self._tell([Notice("journal_altered", tick, f"the journal is not as it was written: {fault}")])

    def _tell(self, notices: list[Notice]) -> None:
        campaigns = self._brain.campaigns
        own = [Hook(each.url_ref, campaign.name) for campaign in campaigns for each in campaign.notifications]
        self._notifier.hooks = [*self._everything, *own]
        self._notifier.tell(notices)
        for notice in notices:
            self._stop(notice)

    def _overspends(self, tick: int, standing: Standing) -> list[Notice]:
        """Caps that are passed and were not an hour ago."""
        spending = standing.spending
        spent = {
            "daily_exposure": spending.today.sum(axis=1), "monthly": spending.month, "lifetime": spending.lifetime,
        }  # fmt: skip
        found = {(one.campaigns[0], one.facts["cap"]): one for one in overspends(self._brain.campaigns, spent, tick)}
        fresh = [notice for key, notice in found.items() if key not in self._passed]
        self._passed = frozenset(found)
        return fresh

    def _stop(self, notice: Notice) -> None:
        if notice.stops == Stop.KILL:
            throw_kill_switch(self._folder)
        if notice.stops == Stop.PAUSE:
            self._brain.paused |= set(notice.campaigns)
            for name in notice.campaigns:
                self._journal.event(notice.tick, "stopped", name, notice.text)


def _looked_through(folder: Path, since: dict[str, Head] | None) -> tuple[Fault | None, dict[str, Head]]:
    """What is wrong with the journal after ``since``, and how far it had come. By a reader of its own: a long one."""
    with closing(Journal(journal_of(folder), read_only=True)) as journal:
        now = heads(journal)
        return verify(journal, since), now
