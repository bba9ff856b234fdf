"""Every write and refusal of a journal for people and programs outside, with names in place of numbers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TextIO

from swarm.store.database import Row
from swarm.store.journal import Journal

COLUMNS = (
    "id", "tick", "time", "campaign", "channel", "field", "creative", "currency", "unit", "old", "new", "read_back",
    "reason", "estimate", "price", "epoch", "mode", "state", "refused_by",
)  # fmt: skip
FIELDS = (("budget", "micros"), ("bid", "micros"), ("weight", "parts per million"), ("status", "1 delivers"))
"""Of each field, its name and what its values are in."""
_KEPT = (
    "SELECT id, writes.tick, time, campaign, channel, field, creative, old, new, read_back, reason, estimate, price,"
    " epoch, writes.mode, state, refused_by FROM writes LEFT JOIN ticks ON ticks.tick = writes.tick"
    " WHERE id > ? ORDER BY id LIMIT 5000"
)


def exported(journal: Journal, channels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every intent, oldest first, with what came of it; ``COLUMNS`` to values, money in micros.

    ``state`` is applied, unverified, void or refused (by the guard ``refused_by``), intended where the outcome is not
    known yet. A campaign or channel that the journal does not know has its number for a name.
    """
    campaigns = [(name, json.loads(spec)) for name, _, spec in journal.campaigns()]
    with journal.snapshot() as db:
        last = 0
        while rows := db.execute(_KEPT, (last,)):
            for row in rows:
                yield _told(row, campaigns, channels)
            last = rows[-1][0]


def write(rows: Iterator[dict[str, Any]], file: TextIO, *, as_csv: bool) -> int:
    """Write ``rows`` as CSV with a header, or as JSON lines; how many there were."""
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    if as_csv:
        table.writeheader()
    count = 0
    for row in rows:
        count += 1
        if as_csv:
            table.writerow(row)
        else:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return count


def _told(row: Row, campaigns: Sequence[tuple[str, Mapping[str, Any]]], channels: Sequence[str]) -> dict[str, Any]:
    id_, tick, time, campaign, channel, field, creative, old, new, read_back, *rest = row
    name, spec = campaigns[campaign] if 0 <= campaign < len(campaigns) else (str(campaign), {})
    creatives = [each["id"] for each in spec.get("creatives", ())]
    setting, unit = FIELDS[field] if 0 <= field < len(FIELDS) else (str(field), "")
    of = "" if creative < 0 else _named(creatives, creative)
    told = (id_, tick, time, name, _named(channels, channel), setting, of, spec.get("currency", ""), unit)
    return dict(zip(COLUMNS, (*told, old, new, read_back, *rest), strict=True))


def _named(names: Sequence[str], place: int) -> str:
    return names[place] if 0 <= place < len(names) else str(place)
