"""The door: the only way to a platform.

open: guards, then the intents on disk. Between the two halves the caller makes the platform call, once.
close: what was read back on disk and in the ledger.

Letters: R campaigns, C channels, n writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swarm.effects.case import FRESH, Case, Ints
from swarm.effects.guards import refusals
from swarm.effects.lease import Lease
from swarm.effects.ledger import Ledger, OverDelivery, restore_budgets
from swarm.effects.limits import Limits
from swarm.effects.plans import Plan, held
from swarm.effects.proposals import Field, Proposals
from swarm.errors import JournalError
from swarm.platforms.calendar import Began, Moment
from swarm.platforms.protocol import Channel, Effects, Spending
from swarm.platforms.quotas import Room
from swarm.store.edits import edits
from swarm.store.journal import Journal

KILL_FILE = "KILL"
_ALWAYS = 2**62


@dataclass(frozen=True, slots=True)
class Admission:
    """What the guards let pass, on disk and not yet written to a platform."""

    effects: Effects
    refused: Mapping[str, int]
    """How many writes each guard refused."""
    unchanged: int
    """Proposals of the value that is in force already."""
    lacking: tuple[Plan, ...] = ()
    """What lacks a person's word and nothing else."""


@dataclass(frozen=True, slots=True)
class Word:
    """What a person has said of each write of a batch."""

    approved: NDArray[np.bool_]
    """[n]"""
    expected: Ints
    """[n] the values in force when the person said yes; ``FRESH`` where nobody did."""

    @classmethod
    def none(cls, count: int) -> Word:
        """Nobody has said anything."""
        return cls(np.zeros(count, dtype=np.bool_), np.full(count, FRESH))

    @classmethod
    def given(cls, count: int) -> Word:
        """A person does it now, whatever is in force."""
        return cls(np.ones(count, dtype=np.bool_), np.full(count, FRESH))

    def take(self, index: NDArray[np.bool_]) -> Word:
        """The rows that ``index`` selects."""
        return Word(self.approved[index], self.expected[index])


class Door:
    """The single writer.

    Guarantees: an intent is durable before its effects are returned; a write that a guard refuses is never
    returned; after a crash between the halves the intent is still there, unsettled, and until it is settled
    nothing is written to its campaign but pauses.
    """

    def __init__(
        self, folder: Path, journal: Journal, channels: tuple[Channel, ...], rows: int, creatives: int
    ) -> None:
        """``folder`` is where the kill switch is looked for."""
        self._folder, self._journal = folder, journal
        self._factor = OverDelivery.of(channels)
        self._significant = np.array([channel.significant_edit for channel in channels])
        self.ledger = Ledger.empty(rows, len(channels), creatives)
        self.opening = self.ledger.copy()
        """The settings when the hour began, which an hour that is asked again is planned from."""
        self.epoch = 0
        self._rolled, self._tick = -1, 0
        self._day_began = np.zeros(rows, dtype=np.int64)

    def grow(self, rows: int, creatives: int) -> None:
        """Room for more campaigns."""
        self._day_began = np.pad(self._day_began, (0, rows - len(self._day_began)))
        for ledger in (self.ledger, self.opening):
            ledger.grow(rows, creatives)

    def restore(self, began: Began, tick: int) -> None:
        """Rebuild the ledger from the journal in hour ``tick``, whose own batch may be in it already."""
        self.epoch = self._journal.last_epoch()
        self.opening = self._restored(began, tick)
        self.ledger = self._restored(began, _ALWAYS)
        self.ledger.reserve(self.unsettled())
        self._day_began = began.day
        # This hour's days have begun: rolled again, they would forget what was in force earlier in them.
        self._rolled = tick

    def _restored(self, began: Began, end: int) -> Ledger:
        """The ledger by what was written before hour ``end``.

        Raises:
            JournalError: the journal speaks of settings that are not there, so it is damaged.
        """
        try:
            return self._by_writes(began, end)
        except (IndexError, TypeError) as error:
            text = "speaks of settings that are not there: `swarm audit verify` names the place"
            raise JournalError(f"{self._journal.place} {text}") from error

    def _by_writes(self, began: Began, end: int) -> Ledger:
        ledger = Ledger.empty(*self.ledger.weight.shape)
        for campaign, channel, field, creative, value in self._journal.in_force(end):
            plane = (ledger.budget, ledger.bid, ledger.weight, ledger.status)[field]
            place = (campaign, channel, creative) if field == Field.WEIGHT else (campaign, channel)
            plane[place] = value
        ours = ((*row, False) for row in self._journal.budgets_between(0, end))
        theirs = (
            (seen, r, c, old, new, True)
            for _, r, c, f, _, old, new, _, seen in edits(self._journal, 0, end)
            if f == Field.BUDGET
        )
        restore_budgets(ledger, sorted([*ours, *theirs], key=itemgetter(0)), began)
        return ledger

    def unsettled(self) -> Effects:
        """Writes whose outcome is unknown since a crash; to be read, never to be repeated."""
        return effects_of(np.array(self._journal.unsettled(), dtype=np.int64).reshape(-1, 6).T)

    def settle(self, effects: Effects, read_back: NDArray[np.int64]) -> None:
        """Take what the platform shows after a crash; a write that is not there is void."""
        self._take(effects, read_back, missed="void")

    def _take(self, effects: Effects, read_back: NDArray[np.int64], *, missed: str) -> None:
        self._journal.settle(effects.intent, read_back, missed=missed)
        self.ledger.commit(replace(effects, value=read_back), self._tick)

    def roll(self, moment: Moment) -> None:
        """Begin the local days that begin in this hour; asking twice changes nothing."""
        self._tick = moment.tick
        if moment.tick > self._rolled:
            self.ledger.roll_day(moment.new_day)
            self._day_began = np.where(moment.new_day, moment.tick, self._day_began)
            self.opening = self.ledger.copy()
            self._rolled = moment.tick

    def report(self, spending: Spending, learning: NDArray[np.bool_] | None = None) -> None:
        """What the platforms say was spent, and [R, C] where they say that they learn."""
        self.ledger.report(spending)
        if learning is not None:
            self.ledger.learning = learning

    def open(
        self, asked: Proposals, limits: Limits, lease: Lease, tick: int, now_s: float = 0.0, *,
        word: Word | None = None, room: Room | None = None,
    ) -> Admission:  # fmt: skip
        """Judge a batch at Unix time ``now_s``; what passes is on disk when this returns.

        ``word``: a person's, for each write; without it nobody has said anything. ``room``: what the accounts may be
        sent; without it as much as one likes.
        """
        self._tick, word = tick, word or Word.none(len(asked))
        known = self.ledger.knows(asked.field, asked.campaign, asked.channel, asked.creative)
        strange, asked, word = asked.take(~known), asked.take(known), word.take(known)
        old = self.ledger.value(asked.field, asked.campaign, asked.channel, asked.creative)
        changes = (asked.new != old) | self._may_deliver(asked)
        case = self._case(asked.take(changes), old[changes], limits, lease, tick, now_s, word.take(changes), room)
        self.epoch = max(self.epoch, lease.epoch)
        refused = np.concatenate([refusals(case), np.full(len(strange), "known")])
        judged = Proposals.concat([case.asked, strange])
        before = np.concatenate([case.old, np.zeros(len(strange), dtype=np.int64)])
        ids = self._journal.intend(_rows(judged, before, refused, lease, tick))
        passed = refused == ""
        names, counts = np.unique(refused[~passed], return_counts=True)
        stopped = dict(zip(names.tolist(), counts.tolist(), strict=True))
        effects = _effects(judged.take(passed), ids[passed])
        self.ledger.reserve(effects)
        lacking = held(judged, before, refused, limits.autonomy, tick)
        return Admission(effects, stopped, int((~changes).sum()), tuple(lacking))

    def _may_deliver(self, asked: Proposals) -> NDArray[np.bool_]:
        """[n] pauses of what was launched with an unknown outcome: paused by the ledger, and perhaps delivering."""
        launched, pausing = self.launching(), (asked.field == Field.STATUS) & (asked.new == 0)
        return np.asarray(pausing & launched[asked.campaign, asked.channel])

    def launching(self) -> NDArray[np.bool_]:
        """[R, C] where a launch is under way of which nobody knows yet."""
        open_, found = self.unsettled(), np.zeros(self.ledger.status.shape, dtype=np.bool_)
        at = (open_.field == Field.STATUS) & (open_.value == 1)
        found[open_.campaign[at], open_.channel[at]] = True
        return found

    def _case(
        self, asked: Proposals, old: Ints, limits: Limits, lease: Lease, tick: int, now_s: float, word: Word,
        room: Room | None = None,
    ) -> Case:  # fmt: skip
        return Case(
            asked=asked, old=old, approved=word.approved, expected=word.expected, ledger=self.ledger, limits=limits,
            factor=self._factor, significant=self._significant, lease=lease, tick=tick, epoch=self.epoch, now_s=now_s,
            day_began=self._day_began, room=room or Room.none_needed(self.ledger.budget.shape[1]),
            killed=self.killed, open=self.unsettled().campaign.astype(np.int64),
        )  # fmt: skip

    def close(self, admission: Admission, read_back: NDArray[np.int64]) -> int:
        """Keep what was read back; returns how many writes did not take."""
        if len(admission.effects):
            self._take(admission.effects, read_back, missed="unverified")
        return int((read_back != admission.effects.value).sum())

    @property
    def killed(self) -> bool:
        """Whether a person has thrown the kill switch: a file, so that it works with everything else down."""
        return (self._folder / KILL_FILE).exists()


def throw_kill_switch(folder: Path) -> None:
    """From now on the door lets nothing pass but pauses."""
    (folder / KILL_FILE).touch()


def release_kill_switch(folder: Path) -> None:
    """Let the door work again."""
    (folder / KILL_FILE).unlink(missing_ok=True)


def _rows(
    asked: Proposals, old: NDArray[np.int64], refused: NDArray[np.str_], lease: Lease, tick: int
) -> list[tuple[object, ...]]:
    """Columns as ``INTENT_COLUMNS``."""
    count = len(asked)
    columns = (
        [tick] * count, asked.campaign.tolist(), asked.channel.tolist(), asked.field.tolist(),
        asked.creative.tolist(), old.tolist(), asked.new.tolist(), asked.reason.tolist(),
        asked.estimate.tolist(), asked.price.tolist(), [lease.epoch] * count, lease.modes(asked.campaign).tolist(),
        refused.tolist(), ["refused" if name else "intended" for name in refused.tolist()],
    )  # fmt: skip
    return list(zip(*columns, strict=True))


def _effects(asked: Proposals, ids: NDArray[np.int64]) -> Effects:
    return Effects(ids, asked.campaign, asked.channel, asked.field, asked.creative, asked.new)


def effects_of(columns: NDArray[np.int64]) -> Effects:
    """Effects from the six rows of a [6, n] table: intent, campaign, channel, field, creative, value."""
    intent, campaign, channel, field, creative, value = columns
    return Effects(
        intent,
        campaign.astype(np.int32),
        channel.astype(np.int32),
        field.astype(np.int8),
        creative.astype(np.int16),
        value,
    )
