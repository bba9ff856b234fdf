"""Plans: moves that wait for a person's word, bound to it by the digest of all that it says.

A plan is one campaign's moves of one field in one market hour: what belongs together is approved together, and a new
split of budgets does not void what was said of bids.

Letters: R campaigns, n moves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swarm.effects.limits import Autonomy
from swarm.effects.proposals import Field, Proposals
from swarm.spec.money import MICROS

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Word = Literal["apply", "approve"]
EXPIRES_H = 72
"""Market hours after which an undecided plan is void: Friday's plans may be approved on Monday."""
REMEMBERED_H = 168
"""Market hours for which a move that a person rejected is not filed again."""
Setting = tuple[int, int, int, int]
"""Campaign, channel, field, creative."""
_KINDS = {
    "campaign": np.int32, "channel": np.int32, "field": np.int8, "creative": np.int16, "old": np.int64,
    "new": np.int64, "reason": np.str_, "estimate": np.float64, "price": np.float64, "verdict": np.str_,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Plan:
    """Moves that passed every guard but the one that asks for a person's word."""

    asked: Proposals
    old: Ints
    """[n] values in force when the plan was made; where another one is in force later, the plan is void."""
    verdict: NDArray[np.str_]
    """[n] the guard that holds each move; all others let it pass."""
    word: Word
    """The command that lets it be written."""
    tick: int
    """The market hour that it was made in."""
    expires: int
    """First market hour in which it no longer counts."""

    @property
    def settings(self) -> list[Setting]:
        """[n] what each move sets."""
        asked = self.asked
        columns = (asked.campaign, asked.channel, asked.field, asked.creative)
        return [(int(a), int(b), int(c), int(d)) for a, b, c, d in zip(*columns, strict=True)]

    def take(self, index: Bools) -> Plan:
        """The moves that ``index`` [n] selects."""
        return Plan(self.asked.take(index), self.old[index], self.verdict[index], self.word, self.tick, self.expires)

    def parts(self) -> Iterator[Plan]:
        """The plans that it is made of: one for each campaign and field, in their order."""
        keys = np.stack([self.asked.campaign, self.asked.field]).astype(np.int64)
        for key in np.unique(keys, axis=1).T:
            yield self.take((keys == key[:, None]).all(axis=0))


@dataclass(frozen=True, slots=True)
class Due:
    """What people let be written and nobody has written yet, oldest plan first."""

    asked: Proposals
    old: Ints
    """[n] values that must still be in force."""
    digest: NDArray[np.str_]
    """[n] the plan that each move belongs to."""

    def current(self, in_force: Ints) -> Bools:
        """[n] whether each move's whole plan still meets the values that it was made for; hand edits win."""
        return ~np.isin(self.digest, self.digest[self.old != in_force])


def held(asked: Proposals, old: Ints, refused: NDArray[np.str_], autonomy: Ints, tick: int) -> list[Plan]:
    """What the guards refused in hour ``tick`` for want of a person's word alone, as plans: to apply, and to approve.

    ``old`` and ``refused`` [n] as the door judged ``asked``; ``autonomy`` [R].
    """
    lacking = Plan(asked, old, refused, "approve", tick, tick + EXPIRES_H).take(refused == "approval")
    propose = autonomy[lacking.asked.campaign] == Autonomy.PROPOSE
    found = [replace(lacking.take(propose), word="apply"), lacking.take(~propose)]
    return [plan for plan in found if len(plan.old)]


def canonical(plan: Plan) -> bytes:
    """All that the plan says, in one form; ``read`` takes it apart."""
    own = {"old": plan.old, "verdict": plan.verdict}
    moves = {name: (own[name] if name in own else getattr(plan.asked, name)).tolist() for name in _KINDS}
    told = {"moves": moves, "word": plan.word, "tick": plan.tick, "expires": plan.expires}
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def read(body: bytes) -> Plan:
    """The plan that ``canonical`` wrote."""
    told = json.loads(body)
    columns = {name: np.array(told["moves"][name], dtype=kind) for name, kind in _KINDS.items()}
    old, verdict = columns.pop("old"), columns.pop("verdict")
    return Plan(Proposals(**columns), old, verdict, told["word"], told["tick"], told["expires"])


def digest(plan: Plan) -> str:
    """SHA-256 of the plan's canonical bytes: what a person's word is bound to."""
    return hashlib.sha256(canonical(plan)).hexdigest()


def due_of(plans: Iterable[Plan]) -> Due:
    """The moves of ``plans`` in columns."""
    nothing = Proposals.pauses(np.zeros((0, 0), dtype=np.int64), reason="")
    kept = list(plans)
    return Due(
        Proposals.concat([nothing, *(plan.asked for plan in kept)]),
        np.concatenate([np.zeros(0, dtype=np.int64), *(plan.old for plan in kept)]),
        np.repeat(np.array([digest(plan) for plan in kept], dtype=np.str_), [len(plan.old) for plan in kept]),
    )


def alike(plan: Plan, others: Iterable[Plan], least: Floats) -> Bools:
    """[n] moves that one of ``others`` makes too: the same setting, its new value within ``least`` [R] of that one's.

    ``least``: the campaigns' ``min_change``, as a share. A status is the same or not.
    """
    known: dict[Setting, list[int]] = {}
    for other in others:
        for setting, new in zip(other.settings, other.asked.new.tolist(), strict=True):
            known.setdefault(setting, []).append(new)

    def same(setting: Setting, new: int) -> bool:
        share = 0.0 if setting[2] == Field.STATUS else float(least[setting[0]])
        return any(abs(new - value) <= share * abs(value) for value in known.get(setting, []))

    pairs = zip(plan.settings, plan.asked.new.tolist(), strict=True)
    return np.array([same(setting, new) for setting, new in pairs], dtype=np.bool_)


def expected(asked: Proposals, old: Ints) -> Floats:
    """[n] goal units a day that a budget's move is expected to add, at the price of money that it was made from.

    That price is the return of the next unit of money, so a raise brings at most this, and a lowering costs at least
    this. NaN for other fields: what they bring depends on prices that are known only once they are paid.
    """
    return np.where(asked.field == Field.BUDGET, (asked.new - old) / MICROS * asked.price, np.nan)
