"""What the watch makes of hours that the real door wrote."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from swarm.effects.door import release_kill_switch, throw_kill_switch
from swarm.effects.proposals import Field
from swarm.observe.watch import Watch, digest, overspends
from swarm.spec.config import Notifications
from swarm.store.edits import record_edits
from swarm.store.journal import Journal
from tests.effects.doors import ask, budget, door, limits
from tests.observe.runs import BERLIN, CAMPAIGNS, DAYS, FROZEN, hours, play, submit

HOUR_S = 3600.0


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """The run of these tests."""
    return play(tmp_path)


def watch(journal: Journal, **settings: float) -> Watch:
    return Watch(journal, journal.path.parent, Notifications.model_validate(settings))


def heard(one: Watch, end: int, first: int = 0) -> list[tuple[str, int]]:
    """Kind and hour of all that is told."""
    return [(n.kind, n.tick) for tick in range(first, end) for n in one.hour(tick, tick * HOUR_S)]


def test_each_thing_is_told_when_it_begins(journal: Journal) -> None:
    """FREEZE once, the open write once it is old, a digest at the end of each day."""
    digests = [("digest", 24 * day + 23) for day in range(DAYS)]
    assert sorted([("freeze", FROZEN), ("unknown_outcome", 1), *digests]) == sorted(heard(watch(journal), 24 * DAYS))


def test_an_outcome_is_unknown_for_so_long_before_it_is_told(journal: Journal) -> None:
    """By the clock, not by market hours; settled and open again, it counts anew."""
    one = watch(journal, unknown_s=900.0)
    assert [] == one.hour(1, 0.0)
    assert [] == one.hour(1, 899.9)
    (told,) = one.hour(2, 900.0)
    assert ("unknown_outcome", (BERLIN.name,)) == (told.kind, told.campaigns)
    assert [] == one.hour(3, 5000.0)
    journal.settle(np.array([row[0] for row in journal.unsettled()]), np.zeros(1, dtype=np.int64))
    assert [] == one.hour(4, 9000.0)


def test_edits_of_others_are_told_by_campaign(journal: Journal) -> None:
    """In the hour in which they were seen."""
    rows = [(5, 0, channel, Field.BUDGET, -1, 1, 2, "eve", 7) for channel in (0, 1)]
    record_edits(journal, [*rows, (6, 1, 0, Field.BID, -1, 1, 2, "eve", 8)])
    found = [n for tick in range(10) for n in watch(journal).hour(tick, 0.0)]
    assert [(7, CAMPAIGNS[0].name), (8, CAMPAIGNS[1].name)] == [(n.tick, *n.campaigns) for n in found]
    assert f"{BERLIN.name}: 2 settings changed by others; `swarm drift` shows them" == found[0].text


def test_the_kill_switch_is_told_when_it_moves(journal: Journal) -> None:
    """Thrown and released, once each."""
    one, folder = watch(journal), journal.path.parent
    assert [] == one.hour(1, 0.0)
    throw_kill_switch(folder)
    assert ["kill switch thrown: nothing is written but pauses"] == [n.text for n in one.hour(2, 0.0)]
    assert [] == one.hour(3, 0.0)
    release_kill_switch(folder)
    assert ["kill switch released"] == [n.text for n in one.hour(4, 0.0)]


def test_cap_refusals_are_told_once_they_are_many(tmp_path: Path) -> None:
    """Three in a day, for one campaign: in the third hour, not in the fourth, and again after a day with fewer."""
    one = door(tmp_path)
    submit(one._journal, CAMPAIGNS[:1])
    for tick in (1, 2, 3, 4, 40, 41, 42):
        assert ask(one, budget(500), limits=limits(daily_nominal=100), tick=tick).refused == {"daily_nominal": 1}
        assert ask(one, budget(500), limits=limits(allowed=False), tick=tick).refused == {"channel": 1}
    hours(one._journal, 45)
    found = heard(watch(one._journal, cap_refusals=3), 45)
    assert [("cap_refusals", 3), ("cap_refusals", 42)] == [each for each in found if each[0] == "cap_refusals"]


def test_a_watch_made_in_mid_run_counts_the_same(tmp_path: Path) -> None:
    """The journal is its memory of refusals."""
    one = door(tmp_path)
    submit(one._journal, CAMPAIGNS[:1])
    for tick in (1, 2, 3):
        ask(one, budget(500), limits=limits(daily_nominal=100), tick=tick)
    hours(one._journal, 5)
    assert [("cap_refusals", 3)] == heard(watch(one._journal, cap_refusals=3), 5, first=3)
    assert [] == heard(watch(one._journal, cap_refusals=3), 5, first=4)


def test_the_digest_is_the_days_sum(journal: Journal) -> None:
    """Counted again from the journal's own rows."""
    record_edits(journal, [(30, 0, 0, Field.BUDGET, -1, 1, 2, "eve", 31)])
    told = digest(journal, 47)
    rows = [row for row in journal.intents() if 24 <= row[0] < 48]
    assert dict(Counter(row[13] for row in rows if row[13] != "refused")) == told.facts["moves"]
    assert dict(Counter(row[12] for row in rows if row[12])) == told.facts["refused"]
    assert {"STABLE": 6, "FREEZE": 18} == told.facts["mode_hours"]
    assert ({"EUR": 480.0}, 1) == (told.facts["spend"], told.facts["drift"])
    assert told.text.startswith("hours 24 to 47: spent 480.00 EUR; moves: ")


def test_a_passed_cap_is_an_overspend() -> None:
    """By one micro, for the campaign and cap that it is; at the cap it is none."""
    cap = BERLIN.caps_micros["daily_exposure"]
    at = np.array([cap, 0])
    assert [] == overspends(CAMPAIGNS, {"daily_exposure": at}, 5)
    (told,) = overspends(CAMPAIGNS, {"daily_exposure": at + np.array([1, 0]), "unset": at + 10**15}, 5)
    assert ("overspend", (BERLIN.name,), "pause") == (told.kind, told.campaigns, told.stops)
    assert (cap + 1, cap) == (told.facts["spent_micros"], told.facts["cap_micros"])
