"""What a child's death means: a new life, or quarantine and what the swarm may still do meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Set
from contextlib import suppress
from typing import Any

import numpy as np

from policies.health import Mode
from swarm.actors.reporting import Reporter
from swarm.actors.roster import Roster
from swarm.brain import Brain
from swarm.errors import SwarmError
from swarm.store.journal import Journal

VITAL = frozenset({"market", "dispatcher"})
"""Children without whom nothing can be written."""


class Supervision:
    """Makes children again and tells the brain how far quarantine binds it."""

    def __init__(
        self, roster: Roster, brain: Brain, journal: Journal, reporter: Reporter, log: Any, now: Callable[[], int]
    ) -> None:
        """``now`` is the market hour."""
        self._roster, self._brain, self._journal = roster, brain, journal
        self._reporter, self._log, self._now = reporter, log, now
        self._children = roster.children
        self._quarantined: set[str] = set()
        self._slices: dict[str, slice] = roster.slices
        self._background: asyncio.Task[Any] | None = None

    async def begin(self) -> None:
        """Find the children or make them."""
        self._tell_of(await self._children.ensure())

    async def heal(self) -> list[str]:
        """Make the dead again, and let the dispatcher settle what was left open. Returns the dead."""
        dead = await self._children.heal()
        self._tell_of(dead)
        with suppress(SwarmError):  # the hour that misses it is taken back
            await self._roster.tell_everybody()
        return dead

    def mend(self, name: str) -> None:
        """Make a child again while hours go on without it."""
        self._in_background(self._mended(name))

    def may_write(self) -> bool:
        """Whether an hour is possible now; those whose quarantine has lasted its time are tried again."""
        if self._children.due:
            self._in_background(self._children.try_again())
        return not self._children.away & VITAL

    def hour_counts(self, away: Set[str]) -> None:
        """An hour counts that left out those ``away``: those that were tried in it are trusted again."""
        self._children.set_free(away)
        self._bind()

    def status(self) -> dict[str, Any]:
        """Who is in quarantine: since when and until when (Unix time), for how long yet, and why."""
        return {
            name: {
                "since": kept.since,
                "until": kept.until,
                "seconds_left": max(kept.until - time.time(), 0.0),
                "why": kept.why,
            }
            for name, kept in self._children.quarantined.items()
        }

    def _bind(self) -> None:
        """Bind the brain as quarantine demands."""
        self._note()
        bonds = self._floor(), self._careful()
        if bonds != (self._brain.floor, self._brain.careful):
            self._brain.floor, self._brain.careful = bonds
            self._brain.epoch += 1

    async def _mended(self, name: str) -> None:
        self._tell_of(await self._children.heal(name))

    def _in_background(self, work: Coroutine[Any, Any, Any]) -> None:
        """One at a time: what is asked for meanwhile will be asked for again."""
        if self._background is not None and not self._background.done():
            work.close()
        else:
            self._background = asyncio.create_task(work)

    def _tell_of(self, dead: list[str]) -> None:
        for name in dead:
            if name not in self._children.quarantined:
                self._reporter.restarted(name)
                self._log.warning("made_again", actor=name, times=self._children.restarts[name])
        self._bind()

    def _note(self) -> None:
        """Keep who came into quarantine, and who out of it."""
        now = self._children.quarantined
        for name in sorted(now.keys() - self._quarantined):
            self._journal.event(self._now(), "quarantine", name, now[name].why)
            self._log.error("quarantine", actor=name, why=now[name].why)
        for name in sorted(self._quarantined - now.keys()):
            self._journal.event(self._now(), "trusted", name, "an hour counted with it")
            self._log.warning("trusted", actor=name)
        self._quarantined = set(now)

    def _floor(self) -> Mode:
        """The best mode that quarantine leaves to the swarm."""
        held = self._children.quarantined.keys()
        if held & VITAL:
            return Mode.FREEZE
        return Mode.CAUTIOUS if "feedback" in held else Mode.STABLE

    def _careful(self) -> tuple[int, ...]:
        """Campaigns that may be on a platform whose agent is in quarantine."""
        lost = [columns for p, columns in self._slices.items() if f"agent/{p}" in self._children.quarantined]
        touched = [self._brain.portfolio.allowed[:, columns].any(axis=1) for columns in lost if self._brain.campaigns]
        return tuple(np.flatnonzero(np.any(touched, axis=0)).tolist()) if touched else ()
