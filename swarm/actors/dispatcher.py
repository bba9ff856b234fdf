"""The dispatcher: the guarded door as an actor, the single writer to the platforms."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import ray
from numpy.typing import NDArray

from policies.frames import Floats, Ints
from swarm import portfolio
from swarm.actors.bounded import bounded
from swarm.actors.calls import Caller
from swarm.actors.scenario import Scenario
from swarm.agent import InForce
from swarm.effects.door import Admission, Door, Word
from swarm.effects.horizon import PARTS
from swarm.effects.lease import Lease
from swarm.effects.ledger import OverDelivery, exposure_today
from swarm.effects.limits import NO_CAP, Limits
from swarm.effects.people import ends, joined
from swarm.effects.plans import Due
from swarm.effects.proposals import Proposals
from swarm.effects.writer import APPLIED, UNVERIFIED, Found, Outcomes, Written, differing
from swarm.errors import SwarmError
from swarm.observe.logging import bind_tick, configure_logging
from swarm.platforms.protocol import Capabilities, Changes, Effects, OverQuota, Spending, State
from swarm.platforms.quotas import Bucket, Room
from swarm.platforms.sight import Sight
from swarm.spec.campaign import Campaign
from swarm.spec.money import MICROS
from swarm.store.edits import Edit, record_edits
from swarm.store.journal import Journal
from swarm.store.place import journal_of
from swarm.store.plans import due, file, used

_KNOWN = "others_changes"
"""Key of the journal's fact: by platform, the newest change by others that is in the ledger."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is in force and what may still be spent, at the beginning of an hour."""

    now: InForce
    room: Floats
    """[R] what the monthly and lifetime caps leave for the worst case of a day, currency units."""
    exposure_share: float
    """Highest worst case of the day over its cap."""
    spending: Spending
    learning: NDArray[np.bool_]
    """[R, C] where the platforms say that they learn."""


@bounded()
class Dispatcher:
    """Ray shell of the door.

    Guarantees
    ----------
    Durability: every intent is on disk before its platform call, every outcome before ``write`` returns.
    Retries: none by itself; an hour has one batch, and asked for another it says what came of the one that it had.
    Ordering: one call after the other; the lease's epoch decides which coordinator is current.
    Failure: an intent without an outcome is settled by reading the platform, never by writing again; an account that
    fails keeps its own intents open, and leaves the others' alone.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Open the journal; campaigns come with ``admit``."""
        self._log = configure_logging(scenario.config.name, "dispatcher", scenario.folder)
        self._scenario = scenario
        self._journal = Journal(journal_of(scenario.folder))
        self._call = Caller(scenario.config.runtime.call_deadline_s)
        self._campaigns: list[Campaign] = []
        self._door: Door | None = None
        self._outcomes: Outcomes
        self._buckets: dict[str, Bucket]
        self._known: dict[str, int] = json.loads(self._journal.recall(_KNOWN) or "{}")
        self._turn = asyncio.Lock()  # an intent that is on its way must not be taken for one that a crash left open

    def __repr__(self) -> str:
        return f"Dispatcher({self._scenario.config.name})"

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def admit(self, campaigns: list[Campaign], tick: int) -> None:
        """Guard all of ``campaigns`` from hour ``tick`` on; settle first what a crash left open."""
        bind_tick(tick)
        slots = max(len(campaign.creatives) for campaign in campaigns)
        async with self._turn:
            self._market = ray.get_actor("market", namespace=self._scenario.namespace)
            self._campaigns = campaigns
            self._calendar = self._scenario.calendar(campaigns)
            self._limits = portfolio.limits(campaigns, self._scenario.channels, self._scenario.config)
            folder, channels = self._scenario.folder, self._scenario.channels
            door = self._door or Door(folder, self._journal, channels, len(campaigns), slots)
            door.grow(len(campaigns), slots)
            if self._door is None:
                await self._meet(door)
            await self._settle(door, tick)
            if self._door is None:
                door.restore(self._calendar.began(tick), tick)
                await self._look_around(door, tick)
                self._door = door

    async def _meet(self, door: Door) -> None:
        """What each platform can be asked, and how often."""
        can: dict[str, Capabilities] = await self._call(self._market, "capabilities")
        settles_h = [can[channel.platform].settles_h for channel in self._scenario.channels]
        self._outcomes = Outcomes(door, np.array(settles_h, dtype=np.int64))
        self._buckets = {platform: Bucket(each.rate) for platform, each in can.items()}

    async def _settle(self, door: Door, tick: int) -> None:
        """What a crash or a lost reply left open is read, never written again."""
        open_ = door.unsettled()
        if len(open_):
            found: Found = await self._call(self._market, "read", open_, tick)
            decided = self._outcomes.settle(open_, found, tick)
            self._log.warning("settled_by_reading", writes=decided, still_open=len(open_) - decided)

    async def _look_around(self, door: Door, tick: int) -> None:
        """What is in force is read: others may have changed it, or a late write come, without the journal's knowledge.

        What is open is left alone, for only its own time decides it.
        """
        states: dict[str, State] = await self._call(self._market, "states", tick)
        open_ = {place[1:5] for place in self._journal.unsettled()}
        for platform, own in self._scenario.slices().items():
            if platform not in states:
                continue
            found = differing(states[platform], door.ledger, own)
            columns = (found.campaign, found.channel, found.field, found.creative)
            places = zip(*(column.tolist() for column in columns), strict=True)
            found = found.take(np.array([place not in open_ for place in places], dtype=np.bool_))
            if len(found):
                door.ledger.commit(found, tick)
                self._log.warning("not_as_it_was_left", account=platform, settings=len(found))

    async def _notice(self, changes: Changes, tick: int) -> None:
        """Others' settings count from now on: what was in force for a while, and what is by now, which is read."""
        assert self._door is not None
        if not len(changes):
            return
        found: Found = await self._call(self._market, "read", changes.effects, tick)
        rising = changes.effects.take(np.argsort(changes.new, kind="stable"))  # the highest budget of a day counts
        self._door.ledger.edited(rising, tick)
        self._door.ledger.edited(replace(changes.effects, value=found.value).take(found.seen), tick)
        for platform, own in self._scenario.slices().items():
            of = (changes.channel >= own.start) & (changes.channel < own.stop)
            self._known[platform] = int(changes.number[of].max(initial=self._known.get(platform, 0)))
        with self._journal.writing():
            record_edits(self._journal, _edits(changes, tick))
            self._journal.remember(_KNOWN, json.dumps(self._known))
        self._log.warning("changed_by_others", settings=len(changes), who=sorted(set(changes.who.tolist())))

    async def standing(self, tick: int) -> Standing:
        """Where the campaigns stand at the beginning of hour ``tick``, whatever it has written since."""
        assert self._door is not None
        async with self._turn:
            await self._settle(self._door, tick)
            sight: Sight = await self._call(self._market, "look", self._known, tick)
            await self._notice(sight.changes, tick)
            self._door.roll(self._calendar.at(tick))
            self._door.report(sight.spending, sight.learning)
            if sight.blind:
                self._log.warning("accounts_not_read", accounts=list(sight.blind))
        ledger, opening = self._door.ledger, self._door.opening
        limits = self._limits_at(tick)
        factor = OverDelivery.of(self._scenario.channels)
        exposure = exposure_today(ledger, factor).sum(axis=1)
        now = InForce(opening.budget, opening.bid, opening.weight, opening.status, opening.highest)
        room = np.minimum(
            _room(limits.monthly, ledger.month, limits.month_ahead[1], factor),
            _room(limits.lifetime, ledger.lifetime, limits.life_ahead[1], factor),
        )
        share = float((exposure / limits.daily_exposure).max(initial=0.0))
        return Standing(now, room, share, sight.spending, ledger.learning)

    async def write(self, asked: Proposals, lease: Lease, tick: int) -> dict[str, int]:
        """Judge hour ``tick``'s batch, write what passes, read it back; counts by result.

        An hour whose batch has reached the platforms, or was refused whole, gets no second one.
        """
        async with self._turn:
            before = self._journal.batch(tick)
            if (before and "void" not in before) or "applied" in before:
                return before
            waiting = due(self._journal, tick)
            return await self._write(asked, lease, tick, waiting=waiting)

    async def pause_all(self, lease: Lease, tick: int) -> dict[str, int]:
        """A person takes the swarm down: pause all that delivers."""
        assert self._door is not None
        async with self._turn:
            status = np.maximum(self._door.ledger.status, self._door.launching())
            asked = Proposals.pauses(status, reason="down")
            return await self._write(asked, lease, tick, word=Word.given(len(asked)))

    def _limits_at(self, tick: int) -> Limits:
        return portfolio.limits_at(self._limits, self._campaigns, self._scenario.channels, self._calendar, tick)

    async def _write(
        self, asked: Proposals, lease: Lease, tick: int, *, word: Word | None = None, waiting: Due | None = None
    ) -> dict[str, int]:
        bind_tick(tick)
        assert self._door is not None
        limits, room = self._limits_at(tick), self._rooms(tick)
        with self._journal.writing():
            if waiting is not None:
                asked, word = joined(asked, waiting, self._door.ledger)
            admitted = self._door.open(asked, limits, lease, tick, time.time(), word=word, room=room)
            self._keep_plans(admitted, waiting, tick)
        counts = {APPLIED: 0, UNVERIFIED: 0}
        if len(effects := admitted.effects):
            old = self._door.ledger.value(effects.field, effects.campaign, effects.channel, effects.creative)
            self._count(effects, tick)
            written: Written = await self._call(self._market, "write", effects, old, tick)
            counts |= self._outcomes.keep(admitted, written, tick)
            self._heed(written.failed, tick)
        result = {**counts, "unchanged": admitted.unchanged, **admitted.refused}
        self._log.info("written", **result)
        return result

    def _keep_plans(self, admitted: Admission, waiting: Due | None, tick: int) -> None:
        """What lacks a person's word is filed, and what had it is used; with the intents, or not at all."""
        assert self._door is not None
        for plan in admitted.lacking:
            file(self._journal, plan, portfolio.steps(self._campaigns).least)
        if waiting is not None:
            for digest, result in ends(waiting, admitted.effects, self._door.ledger).items():
                used(self._journal, digest, tick, result)

    def _rooms(self, tick: int) -> Room:
        """What each account may still be sent."""
        names, at_s = list(self._buckets), self._unix_s(tick)
        account = np.array([names.index(channel.platform) for channel in self._scenario.channels])
        left = np.array([bucket.room(at_s) for bucket in self._buckets.values()], dtype=np.int64)
        kept = np.array([bucket.kept() for bucket in self._buckets.values()], dtype=np.int64)
        return Room(account, left, kept)

    def _count(self, effects: Effects, tick: int) -> None:
        """What is sent takes of each account's quota."""
        platforms = np.array([channel.platform for channel in self._scenario.channels])[effects.channel]
        for platform, bucket in self._buckets.items():
            bucket.take(int((platforms == platform).sum()), self._unix_s(tick))

    def _heed(self, failed: Mapping[str, SwarmError], tick: int) -> None:
        """Accounts that did not do their part; one whose quota is used up is left alone until it is not."""
        for platform, error in failed.items():
            self._log.error("account_failed", account=platform, error=str(error))
            if isinstance(error, OverQuota):
                self._buckets[platform].refused(error, self._unix_s(tick))

    def _unix_s(self, tick: int) -> float:
        return self._calendar.utc(tick).timestamp()

    async def calls_made(self) -> int:
        """How many calls this actor has made to others."""
        return self._call.made


def _edits(changes: Changes, seen: int) -> list[Edit]:
    """As the journal keeps them."""
    names = ("tick", "campaign", "channel", "field", "creative", "old", "new", "who")
    columns = (getattr(changes, name).tolist() for name in names)
    return [(*row, seen) for row in zip(*columns, strict=True)]


def _room(cap: Ints, spent: Ints, ahead: Ints, factor: OverDelivery) -> Floats:
    """[R] worst case that a day may have if the budgets behind it stay to the cap's horizon; inf without a cap.

    ``ahead`` [R, C]: parts of a daily budget that the days after today could cost.
    """
    days = 1.0 + (ahead * factor.denominator / (PARTS * factor.numerator)).max(axis=1)
    return np.where(cap >= NO_CAP, np.inf, np.maximum(cap - spent, 0) / days / MICROS)


DispatcherActor = ray.remote(Dispatcher)
