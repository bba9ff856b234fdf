"""What others changed on the platforms, in the journal, and what is in force because of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swarm.effects.plans import Setting
from swarm.store.journal import Journal
from swarm.store.plans import rows

_ALWAYS = 2**62
Edit = tuple[int, int, int, int, int, int, int, str, int]
"""Market hour of the change, campaign, channel, field, creative, old, new, by whom, hour in which it was seen."""
_COLUMNS = "tick, campaign, channel, field, creative, old, new, who, seen"


@dataclass(frozen=True, slots=True)
class Drift:
    """A setting that others changed after our last write of it."""

    setting: Setting
    ours: int
    """What we left, or what was there if we never wrote."""
    theirs: int
    """What is in force."""
    who: str
    """As the platform names them."""
    tick: int
    """The market hour of their change."""
    seen: int


def record_edits(journal: Journal, edits_: Iterable[Edit]) -> None:
    """Keep what others changed, in its order; a change of the same hour that is told again counts once."""
    with journal.writing() as db:
        for edit in edits_:
            db.execute(
                f"INSERT INTO edits (id, {_COLUMNS}) SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, ?, ?, ?, ?, ?, ?"  # noqa: S608 - the columns are a constant
                " FROM edits WHERE true ON CONFLICT (tick, campaign, channel, field, creative, old, new) DO NOTHING",
                edit,
            )


def edits(journal: Journal, first: int = 0, end: int = _ALWAYS) -> list[Edit]:
    """What others changed, seen from hour ``first`` to before ``end``, oldest first."""
    where = "WHERE seen >= ? AND seen < ? ORDER BY id"
    return list(rows(journal, f"SELECT {_COLUMNS} FROM edits {where}", first, end))  # noqa: S608 - as above


def drifted(journal: Journal) -> list[Drift]:
    """Settings in force that are not as we left them, by the newest edit of each.

    An edit is seen when its hour begins, so what we wrote in that hour came after it.
    """
    newest = {edit[1:5]: edit for edit in edits(journal)}
    written, found = in_force(journal), []
    for setting, (tick, *_, old, new, who, seen) in newest.items():
        ours = written.get(setting, old)
        if new != ours and not _written_since(journal, setting, seen):
            found.append(Drift(setting, ours, new, who, tick, seen))
    return found


def in_force(journal: Journal) -> dict[Setting, int]:
    """What our writes left of every setting that we ever wrote."""
    return {(a, b, c, d): value for a, b, c, d, value in journal.in_force(_ALWAYS)}


def now(journal: Journal) -> dict[Setting, int]:
    """What is in force, by all that the journal knows: our writes, and what others changed since."""
    return {**in_force(journal), **{drift.setting: drift.theirs for drift in drifted(journal)}}


def _written_since(journal: Journal, setting: Setting, first: int) -> bool:
    """Whether a write of ours to ``setting`` was read back in hour ``first`` or later."""
    moves = journal.moves(setting[0], first, journal.last_tick() + 2)
    return any((move[3:6], move[-1] is not None) == (setting[1:], True) for move in moves)
