"""A short journal for tests: writes that came about, one that did not, one open, a refusal, and what people asked."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from swarm.store.database import Database
from swarm.store.journal import Journal

Place = Path | str


def row(tick: int = 0, campaign: int = 0, new: int = 5, refused_by: str = "") -> tuple[object, ...]:
    """A write or a refusal, columns as ``INTENT_COLUMNS``."""
    state = "refused" if refused_by else "intended"
    return (tick, campaign, 1, 0, -1, 3, new, "pace", 1.25, 0.5, 1, "STABLE", refused_by, state)


def sample(place: Place) -> Journal:
    """Five intents, three outcomes, three events; two campaigns."""
    journal = Journal(place)
    journal.submit([(0, "spring", "d", "{}", 0), (1, "summer", "d", "{}", 0)])
    journal.event(0, "hold", "CAUTIOUS", "a person")
    journal.intend([row(0), row(0, 1)])
    journal.settle(np.array([1, 2]), np.array([5, 3]))
    journal.event(1, "release", "CAUTIOUS", "a person")
    journal.intend([row(7), row(7, 1, refused_by="step"), row(8, 1)])
    journal.settle(np.array([3]), np.array([5]))
    journal.event(2, "quarantine", "attention", "it died")
    return journal


def unprotected(journal: Journal) -> Database:
    """The database without what makes its tables append-only, as whoever may write it can have it."""
    db = journal._db
    for table in ("intents", "settlements", "events"):
        if db.place.startswith("postgresql"):
            db.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        else:
            for change in ("update", "delete"):
                db.execute(f"DROP TRIGGER {table}_no_{change}")
    return db
