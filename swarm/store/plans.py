"""Plans and what became of them, in the journal.

Rows are added and never changed: a plan, a person's verdict on it, and its end are three tables.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from swarm.effects.plans import EXPIRES_H, REMEMBERED_H, Due, Floats, Plan, alike, canonical, due_of, read
from swarm.store.journal import Journal

SHORTEST = 8
"""Digits of a digest that a person has to give."""
Verdict = Literal["approved", "applied", "rejected"]
_PLANS = (
    "SELECT plans.digest, plans.body, plan_verdicts.verdict, plan_verdicts.who, plan_verdicts.tick, plan_ends.result,"
    " plan_ends.tick"
    " FROM plans LEFT JOIN plan_verdicts ON plan_verdicts.digest = plans.digest"
    " LEFT JOIN plan_ends ON plan_ends.digest = plans.digest"
)


@dataclass(frozen=True, slots=True)
class Filed:
    """A plan in the journal."""

    digest: str
    plan: Plan
    verdict: str
    """approved, applied, rejected, or empty while nobody has decided."""
    who: str
    decided: int
    """The market hour of the verdict; -1 without one."""
    end: str
    """written, void or superseded; empty before."""
    ended: int
    """The market hour of its end; -1 before."""

    def state(self, tick: int) -> str:
        """What it is in market hour ``tick``, in one word; an open plan may be decided."""
        if self.end or self.verdict == "rejected":
            return self.end or self.verdict
        return "expired" if tick >= self.plan.expires else self.verdict or "open"


def file(journal: Journal, plan: Plan, least: Floats) -> list[str]:
    """Keep an hour's moves that wait for a person, a plan for each campaign and field; returns the digests of new ones.

    A move that a person rejected within the last week is left out, and a plan whose every move waits already is not
    filed again; one that says something new takes the place of those that nobody has decided. ``least`` [R]: the
    campaigns' ``min_change``.
    """
    filed: list[str] = []
    with journal.writing() as db:
        oldest = plan.tick - EXPIRES_H - REMEMBERED_H
        kept = _kept(journal, "WHERE plan_ends.digest IS NULL AND plans.tick > ?", oldest)
        rejected = [f.plan for f in kept if f.verdict == "rejected" and f.decided > plan.tick - REMEMBERED_H]
        waiting = [f for f in kept if f.state(plan.tick) in ("open", "approved", "applied")]
        plan = plan.take(~alike(plan, rejected, least))
        waits = alike(plan, (f.plan for f in waiting), least)
        undecided = {setting: f.digest for f in waiting if not f.verdict for setting in f.plan.settings}
        for at in plan.parts():
            if waits[at].all():
                continue
            part = plan.take(at)
            ousted = {undecided[setting] for setting in part.settings if setting in undecided}
            db.executemany(_END, [(digest, plan.tick, "superseded") for digest in sorted(ousted)])
            filed.append(_insert(journal, part))
    return filed


def file_decided(journal: Journal, plan: Plan, who: str) -> list[str]:
    """Keep what a person asks for as plans that are approved already; returns their digests."""
    with journal.writing():
        filed = [_insert(journal, plan.take(at)) for at in plan.parts()]
        for name in filed:
            decide(journal, name, who, "applied", plan.tick)
    return filed


def decide(journal: Journal, digest_: str, who: str, verdict: Verdict, tick: int) -> Filed:
    """Keep a person's word on the plan of exactly this digest, given in market hour ``tick``; each plan has one.

    Raises:
        ValueError: there is no such plan, its content is not what the digest says, it is no longer open, or it is to
            be applied and not approved.
    """
    with journal.writing() as db:
        filed = next(iter(_kept(journal, "WHERE plans.digest = ?", digest_)), None)
        if filed is None:
            raise ValueError(
                f"plan {digest_[:12]} is not there, or its content is not what was filed under this digest"
            )
        _check(filed, verdict, tick)
        db.execute("INSERT INTO plan_verdicts VALUES (?, ?, ?, ?)", (digest_, tick, verdict, who))
        (campaign,) = set(filed.plan.asked.campaign.tolist())
        names = [name for name, _, _ in journal.campaigns()]
        journal.event(tick, verdict, names[campaign], f"plan {digest_[:12]}, {who}")
    return filed


def _check(filed: Filed, verdict: Verdict, tick: int) -> None:
    state, name = filed.state(tick), filed.digest[:12]
    if filed.verdict:
        raise ValueError(
            f"plan {name} was {filed.verdict} by {filed.who} in hour {filed.decided}: each is decided once"
        )
    if state != "open":
        raise ValueError(f"plan {name} is {state}: `swarm plan` shows what is open")
    if verdict == "approved" and filed.plan.word == "apply":
        raise ValueError(f"plan {name} is of a campaign in propose: `swarm apply {name}` writes it")


def due(journal: Journal, tick: int) -> Due:
    """What people let be written and nobody has written by hour ``tick``; what was altered or has expired is not."""
    said = "plan_ends.digest IS NULL AND plan_verdicts.verdict <> 'rejected' AND plans.expires_tick > ?"
    return due_of(filed.plan for filed in _kept(journal, f"WHERE {said}", tick))


def was_due(journal: Journal, tick: int) -> Due:
    """What was ``due`` when hour ``tick`` was decided, by what the journal knows now; for hours that are over."""
    said = (
        "plan_verdicts.verdict <> 'rejected' AND plan_verdicts.tick <= ? AND plans.expires_tick > ?"
        " AND (plan_ends.tick IS NULL OR plan_ends.tick >= ?)"
    )
    return due_of(filed.plan for filed in _kept(journal, f"WHERE {said}", tick, tick, tick))


def used(journal: Journal, digest_: str, tick: int, result: Literal["written", "void"] = "written") -> None:
    """A plan is used once: keep what came of it in hour ``tick``; told again, nothing changes."""
    with journal.writing() as db:
        db.execute(_END, (digest_, tick, result))


def plans(journal: Journal) -> list[Filed]:
    """Every plan, oldest first; one whose content is not what its digest says is none."""
    return _kept(journal, "")


def named(journal: Journal, prefix: str) -> str:
    """The digest that begins with ``prefix``.

    Raises:
        ValueError: too short, none, or more than one.
    """
    if len(prefix) < SHORTEST:
        raise ValueError(f"{prefix!r} is too short: give {SHORTEST} digits or more of the digest")
    found = [str(name) for (name,) in rows(journal, "SELECT digest FROM plans ORDER BY digest")]
    fits = [name for name in found if name.startswith(prefix.lower())]
    if len(fits) > 1:
        raise ValueError(f"{prefix!r} is ambiguous: it begins {', '.join(fits)}")
    if not fits:
        raise ValueError(f"no plan's digest begins with {prefix!r}: `swarm plan` shows those that are open")
    return fits[0]


_END = "INSERT INTO plan_ends VALUES (?, ?, ?) ON CONFLICT (digest) DO NOTHING"


def _insert(journal: Journal, plan: Plan) -> str:
    body = canonical(plan)
    name = hashlib.sha256(body).hexdigest()
    with journal.writing() as db:
        db.execute(
            "INSERT INTO plans VALUES (?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING",
            (name, plan.tick, plan.expires, body.decode()),
        )
    return name


def _kept(journal: Journal, where: str, *values: Any) -> list[Filed]:
    found = rows(journal, f"{_PLANS} {where} ORDER BY plans.tick, plans.digest", *values)
    return [
        Filed(name, read(body.encode()), verdict or "", who or "", _hour(decided), end or "", _hour(ended))
        for name, body, verdict, who, decided, end, ended in found
        if hashlib.sha256(body.encode()).hexdigest() == name
    ]


def _hour(tick: int | None) -> int:
    return -1 if tick is None else tick


def rows(journal: Journal, sql: str, *values: Any) -> Sequence[Any]:
    """Read on the journal's own connection, inside the transaction that is open if there is one."""
    with journal.snapshot() as db:
        return db.execute(sql, values).fetchall()
