"""The swarm on Ray against the same policy in one process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks.same import compared, decided_again, same
from swarm.actors.scenario import Scenario
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal, pack, unpack

pytestmark = [pytest.mark.cluster, pytest.mark.slow]


def test_one_process_decides_as_the_swarm_did(
    examples: list[Campaign], scenarios: Callable[[str, int], Scenario]
) -> None:
    """Every write, refusal, report, mode and spent micro is the same; from another answer they are not."""
    scenario, campaigns = scenarios("same", 3), examples[:5]
    found = same(scenario, campaigns)
    assert {0} == {each["differing"] for each in found.values()}
    assert min(found[name]["rows"] for name in ("writes", "hours", "reports")) > 70
    assert found["spend"]["micros"] > 0
    _reverse_scores(scenario)
    folder = scenario.folder / "reversed"
    folder.mkdir()
    kept = Journal(scenario.folder / "journal.sqlite", read_only=True)
    own, _ = decided_again(replace(scenario, folder=folder), campaigns, kept)
    assert compared(kept, own, len(campaigns))["writes"]["differing"] > 0


def _reverse_scores(scenario: Scenario) -> None:
    """Give each creative the score of another in all that the journal kept."""
    with sqlite3.connect(scenario.folder / "journal.sqlite") as db:
        rows = db.execute("SELECT rowid, arrays FROM answers WHERE use_case = 'creative_scoring'").fetchall()
        for row, blob in rows:
            arrays = unpack(blob)
            changed = pack({**arrays, "output": arrays["output"][::-1]})
            db.execute("UPDATE answers SET arrays = ? WHERE rowid = ?", (changed, row))
    db.close()
