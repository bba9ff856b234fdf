"""Logged hours decided again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmarks.inprocess import Swarm
from benchmarks.runtime import multiplied
from policies.tuner import LEAST_CAMPAIGNS
from policies.tuning import Tuning
from swarm.actors.scenario import Scenario
from swarm.brain import opening_hyper
from swarm.effects.door import effects_of
from swarm.effects.ledger import Ledger
from swarm.replay.again import Again, Decided
from swarm.replay.compare import Comparison, answers_differ
from swarm.replay.inputs import Inputs
from swarm.replay.log import DECIDED, Log
from swarm.replay.other import Sides, by_rival, by_settings, judged
from swarm.spec.campaign import Campaign
from swarm.store.edits import edits
from swarm.store.inputs import narrowed, widened
from swarm.store.journal import Journal
from swarm.store.plans import Verdict, decide, plans
from tests.effects.doors import budget
from tests.replay_runs import HELD, JOINS, PAUSED, STATE, copied, opened, played, tampered
from tests.store.kept import unpacked

_REFUSED_BY = DECIDED.index("refused_by")


@pytest.fixture(scope="module")
def scenario(examples: list[Campaign], tmp_path_factory: pytest.TempPathFactory) -> Scenario:
    """A run of five campaigns, one of which may not be written to; the last one joins in mid-run."""
    watched = examples[1].model_copy(update={"autonomy": examples[1].autonomy.model_copy(update={"mode": "observe"})})
    return played(tmp_path_factory.mktemp("replay"), [examples[0], watched, *examples[2:5]])


@pytest.fixture(scope="module")
def log(scenario: Scenario) -> Log:
    """Its journal."""
    return Log(opened(scenario.folder / "journal.sqlite"))


@pytest.fixture(scope="module")
def hours(log: Log, tmp_path_factory: pytest.TempPathFactory) -> list[Decided]:
    """All hours, decided again."""
    return list(Again(log, tmp_path_factory.mktemp("again"), 0).hours(log.end))


def test_the_same_policy_decides_the_same(log: Log, hours: list[Decided]) -> None:
    """Every proposal and verdict to the last bit, with a pause, a held mode and a campaign that joins in mid-run."""
    found = Comparison(log)
    for hour in hours:
        found.add(hour)
    assert found.same
    assert (log.end, None, 0.0) == (found.hours, found.first, found.largest)
    decided = [row for hour in hours for row in hour.again.values()]
    assert len(decided) > 1000
    assert {"", "autonomy"} <= {row[_REFUSED_BY] for row in decided}
    assert {"CAUTIOUS"} == {hour.again_mode[0] for hour in hours[HELD.start : HELD.stop]}
    assert {place[0] for hour in hours[:JOINS] for place in hour.again} < {place[0] for place in hours[JOINS].again}
    assert any(place[0] == 0 for place in hours[PAUSED.start].again)


def test_a_replay_may_begin_where_a_state_was_kept(log: Log, tmp_path: Path) -> None:
    """What was learnt before it is there: the hours after it come out as logged."""
    again = Again(log, tmp_path, STATE + 3)
    assert again.tick == STATE
    found = Comparison(log)
    for hour in again.hours(log.end):
        found.add(hour)
    assert found.same
    assert found.hours == log.end - STATE


def test_a_run_that_kept_inputs_from_some_hour_on_is_replayed_from_there(scenario: Scenario, tmp_path: Path) -> None:
    """As of a journal that an earlier version began: the hours before are not there, what they did still counts."""
    journal = Journal(copied(scenario, tmp_path))
    with journal.writing() as db:
        db.execute("DELETE FROM inputs WHERE tick < ?", (STATE,))
    log, folder = Log(journal), tmp_path / "again"
    folder.mkdir()
    found = Comparison(log)
    for hour in Again(log, folder, log.first).hours(STATE + 12):
        found.add(hour)
    assert (STATE, 12, True) == (log.first, found.hours, found.same)
    with pytest.raises(ValueError, match=f"can be replayed from market hour {STATE} on, not from 0"):
        Again(log, folder, 0)


def test_other_inputs_give_other_decisions(scenario: Scenario, tmp_path: Path) -> None:
    """A report that was changed in the journal shows, from its hour on and not before."""
    log = Log(opened(tampered(scenario, tmp_path, 40)))
    found = Comparison(log)
    folder = tmp_path / "again"
    folder.mkdir()
    for hour in Again(log, folder, 0).hours(48):
        found.add(hour)
        assert hour.tick >= 40 or found.same
    assert found.differing > 0
    assert found.first is not None
    assert found.first.logged != found.first.again


@pytest.mark.slow
def test_models_that_are_asked_again_agree(log: Log, tmp_path: Path) -> None:
    """Heads are learnt again and models asked again; answers and decisions are within 1e-5 of the logged ones."""
    again, found, largest = Again(log, tmp_path, 0, recompute=True), Comparison(log), 0.0
    for hour in again.hours(60):
        found.add(hour)
        largest = max(largest, answers_differ(log.journal, again.journal, hour.tick))
    assert len([use for _, use, _ in again.journal.answers() if use == "health_monitoring"]) > 20
    assert max(found.largest, largest) <= 1e-5


def test_inputs_come_back_as_they_were(log: Log, tmp_path: Path) -> None:
    """All numbers to the last bit; of cost the sum over creatives; a lesson's hyperparameters of each campaign."""
    before = log.inputs(45)
    hyper = opening_hyper(log.scenario.config)
    kept = replace(
        before, tuning=Tuning.start(hyper).grown(5), stale=("expert_routing",), away=frozenset({"agent/meta"})
    )
    journal = Journal(tmp_path / "journal.sqlite")
    kept.keep(journal, 3)
    again = Inputs.kept(journal, 3)
    assert again is not None
    assert again.tuning is not None
    assert again.tuning.hyper == hyper
    assert [again.stale, again.away, again.gate] == [kept.stale, kept.away, kept.gate]
    for one, other in zip(kept.reports, again.reports, strict=True):
        assert one is not None
        assert other is not None
        for f in fields(one):
            np.testing.assert_array_equal(getattr(one, f.name), getattr(other, f.name), strict=f.name != "tick")
    for name in ("today", "month", "lifetime"):
        np.testing.assert_array_equal(getattr(kept.spending, name), getattr(again.spending, name), strict=True)
    assert Inputs.kept(journal, 4) is None


@given(arrays.arrays(np.float64, st.integers(0, 6), elements=st.floats(-1e12, 1e12) | st.just(float("nan"))))
def test_narrower_numbers_are_the_same_numbers(values: Any) -> None:
    """Whole numbers, micros, and whatever is neither."""
    for each in (values, np.rint(values), np.rint(values) / 1e6):
        name, small = narrowed("x", each)
        assert small.nbytes <= each.nbytes
        np.testing.assert_array_equal(widened({name: small})["x"].astype(np.float64), each)


@given(arrays.arrays(np.int64, st.integers(0, 6), elements=st.integers(-(2**62), 2**62)))
def test_narrower_integers_are_the_same_integers(values: Any) -> None:
    """Of any size, below zero too."""
    name, small = narrowed("x", values)
    np.testing.assert_array_equal(widened({name: small})["x"].astype(np.int64), values)


@pytest.mark.parametrize("name", ["before_charts", "before_tuning"])
def test_a_journal_from_before_says_so(name: str, tmp_path: Path) -> None:
    """In one line, with the schema since which inputs are kept; the file stays as it is."""
    path = unpacked(name, tmp_path) / "journal.sqlite"
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"does not say what its hours were decided from.* schema \d") as error:
        Log(opened(path))
    assert "\n" not in str(error.value)
    assert before == path.read_bytes()


def test_the_logs_own_settings_are_worth_the_same(log: Log, hours: list[Decided], tmp_path: Path) -> None:
    """Settings that differ from nothing differ by nothing, exactly."""
    found = judged(log, _with(log, tmp_path, lambda now: now), JOINS)
    assert {0} == {each["differing"] for each in found["moved"].values()}
    value = found["value"]
    assert (0.0, 0.0, 0.0, 0.0) == (value["difference"], value["low"], value["high"], value["far"])
    assert value["spend"] == pytest.approx(1.0)
    assert value["logged"] > 0


@pytest.mark.slow
def test_dearer_bids_spend_more_and_equal_money_takes_it_back(log: Log, tmp_path: Path) -> None:
    """A tenth more on all bids: the money it costs is charged at the margin, so next to nothing is gained."""

    def dearer(now: Ledger) -> Ledger:
        now.bid = now.bid * 11 // 10
        return now

    value = judged(log, _with(log, tmp_path, dearer), JOINS)["value"]
    assert 1.1 < value["spend"] < 1.6
    assert abs(value["difference"]) < 0.05 * value["logged"]


def _with(log: Log, folder: Path, change: object) -> Iterator[Sides]:
    """The log's hours with its own settings changed."""
    again = Again(log, folder, 0)
    for hour in again.hours(log.end):
        yield hour, again.judge.in_force, change(again.judge.in_force.copy())  # type: ignore[operator]


@pytest.mark.slow
def test_other_settings_decide_otherwise(log: Log, tmp_path: Path) -> None:
    """Wider draws of creatives move their shares; the log's own settings move nothing that was let pass."""
    config = log.scenario.config
    wide = config.model_copy(update={"creative": config.creative.model_copy(update={"exploration": 4.0})})
    for name, other in (("same", config), ("wide", wide)):
        folder = tmp_path / name
        folder.mkdir()
        found = judged(log, by_settings(log, folder, other, JOINS, log.end), JOINS)
        assert (found["moved"]["weight"]["differing"] > 0) == (name == "wide")
        assert found["value"]["low"] <= found["value"]["difference"] <= found["value"]["high"]


@pytest.mark.slow
def test_equal_split_is_too_far_for_an_interval(examples: list[Campaign], tmp_path: Path) -> None:
    """It bids the same all day and moves no money; an estimate is given, and no interval that would claim too much."""
    scenario = played(tmp_path, examples[:2], days=1, late=0)
    log, folder = Log(opened(scenario.folder / "journal.sqlite")), tmp_path / "again"
    folder.mkdir()
    found = judged(log, by_rival(log, folder, "equal_split", 0, log.end), 0)
    assert found["moved"]["bid"]["differing"] > 0
    assert found["value"]["far"] > 0.05
    assert (None, None) == (found["value"]["low"], found["value"]["high"])


@pytest.mark.slow
def test_tuned_hyperparameters_are_those_of_the_log(examples: list[Campaign], tmp_path: Path) -> None:
    """With enough campaigns for a canary, whose candidates were drawn anew each day."""
    scenario = played(tmp_path, multiplied(examples, LEAST_CAMPAIGNS), late=0)
    log, folder = Log(opened(scenario.folder / "journal.sqlite")), tmp_path / "again"
    folder.mkdir()
    again, found = Again(log, folder, 0), Comparison(log)
    for hour in again.hours(log.end):
        found.add(hour)
    assert found.same
    assert again.brain.tuning.candidates


def test_a_rival_needs_a_run_from_its_beginning(log: Log, tmp_path: Path) -> None:
    """A campaign that joined in mid-run is more than it knows of, and so is a window that begins before it."""
    with pytest.raises(ValueError, match="joined"):
        next(by_rival(log, tmp_path, "equal_split", 0, log.end))
    with pytest.raises(ValueError, match=f"joined in market hour {JOINS}"):
        judged(log, iter(()), 0)


EDITED, DECIDED_AT = 31, range(9, 60, 10)
"""The hour before which eve sets a budget, and the hours before which people decide what waits."""


async def _interfere(swarm: Swarm, tick: int) -> None:
    """A person takes every third plan, rejects every third, and leaves the others; somebody else edits a budget."""
    waiting = [filed for filed in plans(swarm.journal) if filed.state(tick) == "open"] if tick in DECIDED_AT else []
    for number, filed in enumerate(waiting):
        verdict: Verdict = "applied" if number % 3 == 0 else "rejected"
        if number % 3 < 2:
            decide(swarm.journal, filed.digest, "ana", verdict, tick)
    if tick == EDITED:
        high, low = budget(70_000_000, channel=1), budget(3_000_000, channel=1)
        for row in (high, low):
            effects = effects_of(np.array([[0, *row]], dtype=np.int64).T)
            await swarm.market.edit(effects, "eve", tick)


def test_what_people_decided_and_others_edited_is_decided_again(examples: list[Campaign], tmp_path: Path) -> None:
    """Plans that were taken are in their hour's batch, and the ledger knows what others had set meanwhile."""
    (tmp_path / "run").mkdir()
    waits = [
        campaign.model_copy(update={"autonomy": campaign.autonomy.model_copy(update={"mode": mode})})
        for campaign, mode in zip(examples[:3], ("approve", "propose", "auto"), strict=True)
    ]
    scenario = played(tmp_path / "run", waits, late=0, then=_interfere)
    log = Log(opened(scenario.folder / "journal.sqlite"))
    assert {"written", "rejected"} <= {filed.state(log.end) for filed in plans(log.journal)}
    assert len(edits(log.journal)) == 2
    found = Comparison(log)
    (tmp_path / "again").mkdir()
    for hour in Again(log, tmp_path / "again", 0).hours(log.end):
        found.add(hour)
    assert found.same, found.first
