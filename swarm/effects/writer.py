"""The writer: what the door let pass goes to the platforms, one call an account, and what came of it is read.

Accounts are written to side by side, and one that fails leaves the others alone. No call is made twice: none of the
platforms offers a durable key by which it would know a write again, and a lost reply says nothing about the effect.

Letters: C channels, n writes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from swarm.effects.door import Admission, Door, effects_of
from swarm.effects.ledger import Ledger
from swarm.effects.proposals import Field
from swarm.errors import SwarmError, TimedOut
from swarm.platforms.protocol import Account, Effects, Platform, Refused, State
from swarm.platforms.settings import unfit

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
Answer = TypeVar("Answer")
APPLIED, UNVERIFIED, VOID, UNKNOWN = "applied", "unverified", "void", "unknown"
"""In force; taken and not in force; certain that nothing happened; open until it is read."""


@dataclass(frozen=True, slots=True)
class Written:
    """What came of a batch."""

    outcome: NDArray[np.str_]
    """[n]"""
    found: Ints
    """[n] the value in force; without meaning where the outcome is unknown."""
    taken: Bools
    """[n] whether the platform said that it took the write."""
    failed: Mapping[str, SwarmError]
    """Accounts that did not do their part."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a reading showed."""

    value: Ints
    """[n]"""
    seen: Bools
    """[n] whether the account could be read."""
    failed: Mapping[str, SwarmError]


async def write(accounts: Mapping[str, Account], effects: Effects, old: Ints, tick: int, deadline_s: float) -> Written:
    """Write ``effects`` over the values ``old`` [n], one call an account, then read each back."""
    outcome, found = np.full(len(effects), VOID, dtype="<U16"), old.copy()
    taken, failed = np.zeros(len(effects), dtype=np.bool_), dict[str, SwarmError]()

    async def one(name: str, platform: Platform, rows: NDArray[np.intp]) -> None:
        try:
            rows = rows[await _fit(platform, effects.take(rows), tick, deadline_s)]
            if len(rows):
                outcome[rows] = UNKNOWN
                reply = await _within(deadline_s, platform.apply(effects.take(rows), tick))
                if np.array_equal(reply.intent, effects.intent[rows]):
                    taken[rows] = reply.refused == ""
                    outcome[rows[reply.refused != ""]] = VOID
                    found[rows] = await _within(deadline_s, platform.read_back(effects.take(rows), tick))
                    outcome[rows] = _shown(platform, effects.value[rows], found[rows], taken[rows])
        except Refused as error:
            outcome[rows[~taken[rows]]] = VOID
            failed[name] = error
        except SwarmError as error:
            failed[name] = error

    await asyncio.gather(*(one(name, accounts[name].platform, rows) for name, rows in _lanes(accounts, effects)))
    return Written(outcome, found, taken, failed)


async def _fit(platform: Platform, effects: Effects, tick: int, deadline_s: float) -> Bools:
    """[n] writes that the platform would not refuse, by our own check and by its dry run, where it offers one."""
    can = platform.capabilities
    fit: Bools = unfit(effects, can) == ""
    if (dry := fit & np.isin(effects.field, can.dry_run)).any():
        fit[dry] = await _within(deadline_s, platform.validate(effects.take(dry), tick)) == ""
    return fit


def _shown(platform: Platform, asked: Ints, found: Ints, taken: Bools) -> NDArray[np.str_]:
    """[n] outcomes by a reading straight after the reply, which may be older than the write."""
    missed = UNKNOWN if platform.capabilities.settles_h else UNVERIFIED
    return np.asarray(np.select([found == asked, ~taken], [APPLIED, VOID], missed))


def _lanes(accounts: Mapping[str, Account], effects: Effects) -> list[tuple[str, NDArray[np.intp]]]:
    """Accounts that ``effects`` go to, and the rows of each."""
    lanes = [(name, np.flatnonzero(account.owns(effects))) for name, account in accounts.items()]
    return [(name, rows) for name, rows in lanes if len(rows)]


async def read(accounts: Mapping[str, Account], effects: Effects, tick: int, deadline_s: float) -> Found:
    """What is in force where ``effects`` points, as far as its accounts can be read."""
    value, seen = np.zeros(len(effects), dtype=np.int64), np.zeros(len(effects), dtype=np.bool_)
    failed: dict[str, SwarmError] = {}

    async def one(name: str, account: Account, rows: NDArray[np.intp]) -> None:
        try:
            value[rows] = await _within(deadline_s, account.platform.read_back(effects.take(rows), tick))
            seen[rows] = True
        except SwarmError as error:
            failed[name] = error

    await asyncio.gather(*(one(name, accounts[name], rows) for name, rows in _lanes(accounts, effects)))
    return Found(value, seen, failed)


async def _within(deadline_s: float, call: Awaitable[Answer]) -> Answer:
    """The answer of ``call``.

    Raises:
        TimedOut: it did not come in ``deadline_s`` seconds; whether anything was done is unknown.
    """
    try:
        return await asyncio.wait_for(call, deadline_s)
    except TimeoutError as error:
        raise TimedOut(f"no answer in {deadline_s:g} s") from error


def differing(state: State, ledger: Ledger, channels: slice) -> Effects:
    """Settings in force on an account's ``channels`` that are not as ``ledger`` has them, as writes of no intent."""
    weight = state.weight[..., : ledger.weight.shape[2]]
    planes = (
        (Field.BUDGET, state.budget, ledger.budget),
        (Field.BID, state.bid, ledger.bid),
        (Field.WEIGHT, weight, ledger.weight),
        (Field.STATUS, state.status, ledger.status),
    )
    parts = []
    for field, now, known in planes:
        campaign, channel, *creative = at = np.nonzero(now != known[:, channels])
        nobody = np.full(len(campaign), -1, dtype=np.int64)
        slot = creative[0] if creative else nobody
        parts.append((nobody, campaign, channel + channels.start, np.full_like(nobody, field), slot, now[at]))
    return effects_of(np.concatenate([np.stack(part) for part in parts], axis=1))


class Outcomes:
    """Keeps what came of writes in the door; what is unknown stays open there until a reading decides it.

    A reading decides at once where it shows what was asked. Where it does not, the write may still come, or the reading
    be old: only after the platform's ``settles_h`` is it certain that it did not take.
    """

    def __init__(self, door: Door, settles_h: Ints) -> None:
        """``settles_h`` [C]"""
        self._door, self._settles_h = door, settles_h
        self._since: dict[int, int] = {}
        self._taken: set[int] = set()

    def keep(self, admission: Admission, written: Written, tick: int) -> dict[str, int]:
        """What came of a batch, each write by itself; counts by outcome."""
        effects, outcome = admission.effects, written.outcome
        open_ = outcome == UNKNOWN
        self._since |= dict.fromkeys(effects.intent[open_].tolist(), tick)
        self._taken |= set(effects.intent[open_ & written.taken].tolist())
        self._close(effects, written.found, ~open_, outcome != VOID)
        names, counts = np.unique(outcome, return_counts=True)
        return dict(zip(names.tolist(), counts.tolist(), strict=True))

    def settle(self, effects: Effects, found: Found, tick: int) -> int:
        """Decide by a reading in hour ``tick`` what can be decided of the open ``effects``; returns how many."""
        intents = effects.intent.tolist()
        since = np.array([self._since.setdefault(intent, tick) for intent in intents], dtype=np.int64)
        decided = found.seen & ((found.value == effects.value) | (tick - since >= self._settles_h[effects.channel]))
        self._close(effects, found.value, decided, np.array([intent in self._taken for intent in intents], np.bool_))
        for intent in effects.intent[decided].tolist():
            del self._since[intent]
            self._taken.discard(intent)
        return int(decided.sum())

    def _close(self, effects: Effects, found: Ints, decided: Bools, taken: Bools) -> None:
        """What a platform took and does not show is unverified; what it did not take is void."""
        if (at := decided & taken).any():
            self._door.close(Admission(effects.take(at), {}, 0), found[at])
        if (at := decided & ~taken).any():
            self._door.settle(effects.take(at), found[at])
