"""One campaign's story from a journal that the real door wrote."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from swarm.alarms import Alarm
from swarm.effects.guards import GUARDS
from swarm.observe.explain import Event, ModeChange, Move, Notice, Split, Window, promise
from swarm.platforms.channels import FOUR
from swarm.store.journal import Journal
from tests.effects.doors import UNIT, ask, bid, door, limits
from tests.effects.test_guards import SCENES, _play
from tests.observe.runs import BERLIN, DAYS, FROZEN, PROOF, hours, play, story, submit


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return play(tmp_path)


def moves(events: list[Event]) -> list[Move]:
    return [event for event in events if isinstance(event, Move)]


def at(journal: Journal, tick: int) -> list[Event]:
    """What happened in one hour."""
    return story(journal, tick, tick + 1)


def test_every_intent_of_the_campaign_is_told_once(journal: Journal) -> None:
    """Nothing is left out, nothing is told twice, and nothing is another campaign's."""
    own = [number for number, row in enumerate(journal.intents(), start=1) if row[1] == 0]
    assert own == [move.intent for move in moves(story(journal))]
    assert len(own) < len(journal.intents())


def test_events_are_in_order_of_time(journal: Journal) -> None:
    """A change of mode stands before the moves that were made under it."""
    ticks = [event.tick for event in story(journal)]
    assert ticks == sorted(ticks)


def test_a_move_is_told_with_what_it_was_made_from(journal: Journal) -> None:
    """Local time, names, values, reason, mode and epoch are as the journal has them."""
    first, _, share, _ = moves(at(journal, 24))
    assert "2026-03-03T00:00:00+01:00" == first.time.isoformat()
    assert ("google_ads", "budget", "", 0, 100 * UNIT) == (
        first.channel, first.field, first.creative, first.old, first.new,
    )  # fmt: skip
    assert ("test", 0.0, 0.0, "STABLE", 1) == (
        first.reason, first.click_value, first.money_price, first.mode, first.epoch,
    )  # fmt: skip
    assert ("weight", BERLIN.creatives[1].id) == (share.field, share.creative)


@pytest.mark.parametrize(
    ("tick", "state", "read_back"),
    [
        pytest.param(25, "applied", UNIT + 25, id="applied"),
        pytest.param(29, "refused", None, id="refused"),
        pytest.param(31, "unverified", 2 * UNIT, id="unverified"),
        pytest.param(32, "void", 2 * UNIT, id="void"),
        pytest.param(24 * DAYS, "open", None, id="open"),
    ],
)
def test_what_became_of_a_write(journal: Journal, tick: int, state: str, read_back: int | None) -> None:
    """Each fate by its name, with what the platform showed."""
    first = moves(at(journal, tick))[0]
    assert (state, read_back) == (first.state, first.read_back)


@pytest.mark.parametrize("guard", SCENES)
def test_a_refusal_names_the_guard_and_its_promise(guard: str, tmp_path: Path) -> None:
    """Every guard of the door can be explained in words of its own."""
    _play(SCENES[guard], tmp_path)
    journal = Journal(tmp_path / "journal.sqlite")
    submit(journal)
    hours(journal, SCENES[guard].tick + 1)
    refused = {(move.state, move.refused_by) for move in moves(story(journal)) if move.refused_by}
    assert {("refused", guard)} == refused
    assert len(promise(guard)) > 10


def test_promises_are_the_first_sentences_of_the_guards() -> None:
    """The words come from the code, without shapes and line breaks; what is no guard any more has none."""
    assert (
        "Every value lies in its field's range: bids in the campaign's bounds, shares in [0, 1], budgets in theirs"
        == (promise("sane"))
    )
    assert "Most that a calendar month may cost" == promise("monthly")
    assert promise("known").startswith("whether there is such a setting")
    assert "" == promise("of old")
    assert len(GUARDS) == len({promise(name) for name in GUARDS})


def test_who_proposed_a_move(journal: Journal) -> None:
    """The platform's agent, or the person who took the swarm down."""
    assert "google_ads agent" == moves(at(journal, 24))[0].proposed_by
    assert "a person" == moves(at(journal, 48))[0].proposed_by


def test_reports_beside_a_move(journal: Journal) -> None:
    """A day of the channel's reports before the move, and a day after it, the move's own hour included."""
    first = moves(at(journal, 24))[0]
    assert Window(24, 240.0, 24.0, 12.0) == first.before
    assert Window(24, 480.0, 24.0, 12.0) == first.after


def test_reports_that_are_still_to_come_are_not_counted(journal: Journal) -> None:
    """Late platforms have said less: how many hours there are is told beside the sums."""
    last = moves(at(journal, 48))[0]
    assert Window(22, 440.0, 22.0, 11.0) == last.after
    assert Window(0, 0.0, 0.0, 0.0) == moves(at(journal, 24 * DAYS))[0].after


def test_reports_are_the_same_in_any_span(journal: Journal) -> None:
    """A move says the same whether the story begins with it or before."""
    whole = {move.intent: move for move in moves(story(journal))}
    assert all(whole[move.intent] == move for move in moves(story(journal, 25, 49)))


def test_a_change_of_mode(journal: Journal) -> None:
    """It comes with coherence and culprits, and says whether this campaign is one."""
    (change,) = [event for event in story(journal) if isinstance(event, ModeChange)]
    assert (FROZEN, "STABLE", "FREEZE", 0.1, (BERLIN.name,), True) == (
        change.tick, change.old, change.new, change.coherence, change.culprits, change.involved,
    )  # fmt: skip


def test_a_change_of_mode_says_which_charts_were_above_their_limits(journal: Journal) -> None:
    """In words, as the journal has them of that hour."""
    charts = [
        asdict(Alarm("conversions", "", 0.41, 14, 6.5, 6.17, {"google_ads": 0.12, "meta": 0.8})),
        asdict(Alarm("volume", "meta", 2.1, 1, 8.04, 6.17)),
    ]
    journal.tick(FROZEN, "2026-03-03T05:00:00+00:00", "FREEZE", 0.1, {"charts": charts})
    (change,) = [event for event in story(journal) if isinstance(event, ModeChange)]
    assert (
        "all channels: conversions 41 % of what clicks promised over the last 14 h (chart 6.5, limit 6.2); "
        "google_ads 12 %, meta 80 %",
        "meta: prices and volume 210 % of the hours before at the same bid (chart 8.0, limit 6.2)",
    ) == change.charts


def test_a_mode_that_a_person_held_is_told_as_that(journal: Journal) -> None:
    """A hold takes the place of the gate's change; pauses are told of this campaign alone, quarantines always."""
    journal.event(FROZEN, "hold", "FREEZE", "a person")
    journal.event(31, "pause", BERLIN.name, "a person")
    journal.event(31, "pause", "another", "a person")
    journal.event(32, "quarantine", "agent/meta", "died 6 times in 60 s")
    told = story(journal)
    assert [] == [event for event in told if isinstance(event, ModeChange)]
    assert [(FROZEN, "hold", "FREEZE"), (31, "pause", BERLIN.name), (32, "quarantine", "agent/meta")] == [
        (event.tick, event.what, event.subject) for event in told if isinstance(event, Notice)
    ]
    assert 1 == len([event for event in story(journal, 31, 32) if isinstance(event, Notice)])


@pytest.mark.parametrize(("floor", "told"), [("FREEZE", 0), ("CAUTIOUS", 1), ("STABLE", 1)])
def test_the_best_mode_that_quarantine_allows_is_no_change_of_the_gates(
    floor: str, told: int, journal: Journal
) -> None:
    """The quarantine is told instead; a worse mode than that is the gate's own again."""
    journal.tick(FROZEN, "2026-03-03T05:00:00+00:00", "FREEZE", 1.0, {"floor": floor})
    assert told == len([event for event in story(journal) if isinstance(event, ModeChange)])


def test_a_hold_does_not_hide_the_gates_own_change(journal: Journal) -> None:
    """In another hour, or to another mode, the gate still did what it did."""
    journal.event(FROZEN - 1, "hold", "FREEZE", "a person")
    journal.event(FROZEN, "hold", "CAUTIOUS", "a person")
    assert 1 == len([event for event in story(journal) if isinstance(event, ModeChange)])


def test_the_split_of_the_next_day(journal: Journal) -> None:
    """One at the last hour of each local day, as the journal's evidence has it."""
    splits = [event for event in story(journal) if isinstance(event, Split)]
    assert [23, 47, 71] == [split.tick for split in splits]
    assert {name: list(value) if isinstance(value, list) else value for name, value in PROOF.items()} == {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(splits[0]).items()
        if name in PROOF
    }


def test_channels_have_the_names_that_the_journal_keeps(journal: Journal) -> None:
    """A run on other channels than the four names its own, and waits for their reports."""
    late = [asdict(replace(channel, name=f"my {channel.name}", report_lag_h=5)) for channel in FOUR]
    journal.remember("channels", json.dumps(late))
    assert ("my google_ads", "google_ads agent") == (
        (first := moves(at(journal, 24))[0]).channel,
        first.proposed_by,
    )
    assert 18 == moves(at(journal, 48))[0].after.hours


def test_a_write_to_nowhere_is_told_as_well(tmp_path: Path) -> None:
    """The door keeps refusals of channels that do not exist; they have a number in place of a name."""
    ask(door(tmp_path), bid(1, channel=9), limits=limits())
    journal = Journal(tmp_path / "journal.sqlite")
    submit(journal)
    hours(journal, 1)
    (move,) = moves(story(journal))
    assert ("no. 9", "known", 0) == (move.channel, move.refused_by, move.before.hours)


def test_a_run_without_a_finished_hour_says_so(tmp_path: Path) -> None:
    """Before the first hour is over there are no times to tell."""
    with pytest.raises(ValueError, match="no market hour of this run is over yet"):
        story(Journal(tmp_path / "journal.sqlite"))
