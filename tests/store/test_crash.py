"""A process is killed after each write to the store: what it acknowledged is there, and nothing by halves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from swarm.store.chain import verify
from swarm.store.crash import VARIABLE
from swarm.store.journal import Journal
from tests.store.samples import Place

SCRIPT = """
import sys
import numpy as np
from swarm.store.journal import Journal
from tests.store.samples import row

def done(step):
    print(step, flush=True)

journal = Journal(sys.argv[1])
done("open")
journal.submit([(0, "spring", "d", "{}", 0)])
done("submit")
ids = journal.intend([row(0), row(0, refused_by="step"), row(0)])
done("intend")
journal.settle(ids[[0, 2]], np.array([5, 3]))
done("settle")
journal.event(0, "hold", "FREEZE", "a person")
done("event")
with journal.writing():
    journal.remember("clock", "1")
    journal.tick(0, "2026-01-01T00:00:00", "STABLE", 1.0, {})
    journal.intend([row(1)])
done("hour")
"""
STEPS = ("open", "submit", "intend", "settle", "event", "hour")
ROOT = Path(__file__).parents[2]


def run(place: Place, writes: int) -> tuple[int, list[str]]:
    """The exit status, and the steps that were acknowledged, of a process that dies after so many writes."""
    path = os.pathsep.join(map(str, [ROOT, *filter(None, sys.path)]))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place)], capture_output=True, text=True, timeout=60,
        env={**os.environ, VARIABLE: str(writes), "PYTHONPATH": path},
    )  # fmt: skip
    return done.returncode, done.stdout.split()


def kept(place: Place) -> list[str]:
    """The steps that are in the journal; each of them whole, or the test fails."""
    journal = Journal(place)  # as the next life opens it: recovery needs nothing else
    assert verify(journal) is None
    hour = (journal.recall("clock"), journal.last_tick(), len(journal.intents()) == 4)
    assert hour in [(None, -1, False), ("1", 0, True)]
    states = [row[-2] for row in journal.intents()[:3]]
    assert states in [[], ["intended", "refused", "intended"], ["applied", "refused", "unverified"]]
    found = {
        "open": True,
        "submit": bool(journal.campaigns()),
        "intend": bool(states),
        "settle": "applied" in states,
        "event": bool(journal.events(0, 9)),
        "hour": hour[2],
    }
    journal.close()
    return [step for step in STEPS if found[step]]


@pytest.mark.slow
def test_a_crash_after_any_write_loses_nothing_that_was_acknowledged(place: Place) -> None:
    """From the first statement that makes the tables to the last commit, one process for each.

    What was acknowledged is there; at most one step more is, for a process may die between the commit and the word.
    """
    status, writes, seen = -9, 0, set()
    while status != 0:
        writes += 1
        fresh = _another(place, writes)
        status, told = run(fresh, writes)
        assert status in (0, -9)
        found = kept(fresh)
        assert found[: len(told)] == told
        assert len(found) <= max(len(told), 1) + 1
        seen.add(len(told))
    assert list(STEPS) == told
    assert set(range(len(STEPS) + 1)) == seen
    assert writes > 30


@pytest.mark.parametrize("writes", [4, 7, 10])
def test_a_crash_in_mid_run(place: Place, writes: int) -> None:
    """Three of them, for every day, on a journal that was there before."""
    Journal(place).close()
    status, told = run(place, writes)
    assert -9 == status
    found = kept(place)
    assert found[: len(told)] == told
    assert 0 < len(told) < len(STEPS)


def _another(place: Place, number: int) -> Place:
    """A place that nothing has been written to."""
    return f"{place}_{number}" if isinstance(place, str) else place.with_name(f"{number}.sqlite")
