"""What survives the coordinator, and journals of other versions, without Ray."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from policies.clock import USUAL_SEASON, Traffic
from policies.evidence import Memory, evidence
from policies.frames import Evidence
from policies.health import Mode
from swarm.actors.checkpoint import Checkpoint, Kept
from swarm.actors.scenario import Scenario
from swarm.brain import Brain
from swarm.errors import Failed
from swarm.platforms.channels import FOUR
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from tests.conftest import scenario_of
from tests.observe.runs import submit
from tests.store.kept import HOURS, unpacked


def fresh(scenario: Scenario) -> Brain:
    return Brain(scenario.config, FOUR, Traffic(HOUR_OF_WEEK))


def load(folder: Path) -> tuple[Brain, Kept]:
    """A new life that goes on from the journal in ``folder``."""
    scenario = scenario_of("kept", 3, folder)
    brain = fresh(scenario)
    return brain, Checkpoint(Journal(folder / "journal.sqlite", read_only=True)).load(brain, scenario)


def kept(folder: Path, campaigns: list[Campaign]) -> tuple[Journal, Brain]:
    """A journal in which a brain with ``campaigns`` was kept, with empty memories."""
    scenario, journal = scenario_of("kept", 3, folder), Journal(folder / "journal.sqlite")
    brain = fresh(scenario)
    brain.admit(campaigns, scenario.calendar(campaigns), scenario.budgets(campaigns))
    submit(journal, campaigns)
    memories = {name: Memory.empty(brain.portfolio.columns(each)) for name, each in scenario.slices().items()}
    Checkpoint(journal).save(brain, memories, 5)
    return journal, brain


def dropped(journal: Journal, model: str, *names: str) -> None:
    """Let what was kept under ``model`` lack ``names``."""
    version, arrays = journal.models()[model]
    journal.model(model, version, 5, {name: array for name, array in arrays.items() if name not in names})


def test_what_was_kept_comes_back(tmp_path: Path, examples: list[Campaign]) -> None:
    """All of it, but for the epoch, which moves on; nothing begins anew."""
    _, before = kept(tmp_path, examples)
    after, found = load(tmp_path)
    assert ((), before.epoch + 1) == (found.anew, after.epoch)
    np.testing.assert_equal({**after.state(), "epoch": 0}, {**before.state(), "epoch": 0})


def test_what_attention_said_comes_back(tmp_path: Path, examples: list[Campaign]) -> None:
    """Features, without which a new life would learn no lesson at midnight, health and its signals."""
    journal, brain = kept(tmp_path, examples)
    (rows, _, creatives), attention = brain.portfolio.shape, brain.attention
    attention.creative_features = np.arange(rows * creatives * 2.0).reshape(rows, creatives, 2)
    attention.coherence, attention.blame = 0.7, np.arange(float(rows))
    attention.signals = {"structure": 0.1, "change": 0.2, "surprise": 0.3}
    Checkpoint(journal).save(brain, {}, 5)
    after = load(tmp_path)[0].attention
    assert (0.7, attention.signals) == (after.coherence, after.signals)
    for name in ("creative_features", "blame"):
        np.testing.assert_array_equal(getattr(attention, name), getattr(after, name))


def test_campaigns_that_joined_after_the_last_hour_are_taken_on_as_new(
    tmp_path: Path, examples: list[Campaign]
) -> None:
    """Submitted, and the coordinator died before the hour was over: the old keep what they had, all have room."""
    journal, _ = kept(tmp_path, examples[:3])
    arrays = {**journal.models()["state/brain"][1]}
    arrays["cells"] = arrays["cells"] + 0.25
    journal.model("state/brain", 1, 5, arrays)
    submit(journal, examples)
    brain, found = load(tmp_path)
    assert (8, ()) == (len(brain.campaigns), found.anew)
    assert brain.portfolio.shape == brain.cells.shape
    assert [0.25, 0.0] == [brain.cells[:3, :, :2].min(), brain.cells[3:].max()]
    assert {8} == {len(brain.state()[name]) for name in ("season", "shares", "tuning_assigned")}


def test_a_journal_from_before_the_charts_is_gone_on_from(tmp_path: Path) -> None:
    """Prices, splits, mode and memories are as they were kept; the charts begin anew, and are named."""
    journal = Journal(unpacked("before_charts", tmp_path) / "journal.sqlite")
    state, newest = journal.models()["state/brain"][1], HOURS["before_charts"] - 2
    brain, found = load(tmp_path)
    assert found.anew == ("turns", "tracking", "levels")
    own = brain.state()
    for name in ("price", "split", "rotation", "cells", "season", "mode", "tuning_hyper"):
        np.testing.assert_array_equal(own[name], state[name])
    assert {newest - channel.report_lag_h for channel in FOUR} == {memory.tick for memory in found.memories.values()}


def test_charts_that_begin_in_mid_run_call_nothing(tmp_path: Path) -> None:
    """The past is no news to them: the first hour that they see moves neither sum nor level."""
    unpacked("before_charts", tmp_path)
    brain, found = load(tmp_path)
    parts = [evidence(memory, memory, None, np.ones(2)) for memory in found.memories.values()]
    for _ in range(3):
        brain._chart(Evidence.concat(parts))
    assert (1.0, []) == (brain._charted, brain.alarms())
    assert not brain._charts.tracking.disputed.any()


@pytest.mark.parametrize(
    ("model", "names", "anew"),
    [
        ("state/brain", ("season",), ("season",)),
        ("state/brain", ("turns",), ("turns",)),
        ("state/brain", ("levels_jump",), ("levels",)),
        ("state/brain", ("tracking_since", "tracking_hours"), ("tracking",)),
        ("state/meta", ("pattern",), ("meta's pattern",)),
    ],
)
def test_what_has_an_honest_start_begins_anew(
    model: str, names: tuple[str, ...], anew: tuple[str, ...], tmp_path: Path, examples: list[Campaign]
) -> None:
    """A chart begins whole, for half of one means nothing; the rest is as it was kept."""
    journal, _ = kept(tmp_path, examples)
    dropped(journal, model, *names)
    brain, found = load(tmp_path)
    assert anew == found.anew
    assert {USUAL_SEASON} == set(brain.state()["season"].tolist())
    assert Mode.STABLE == brain.gate.mode


@pytest.mark.parametrize("name", [f.name for f in fields(Memory) if f.name != "pattern"])
def test_a_memory_that_lacks_anything_else_is_refused(name: str, tmp_path: Path, examples: list[Campaign]) -> None:
    """Money that was spent and clicks that wait cannot be made up."""
    journal, _ = kept(tmp_path, examples)
    dropped(journal, "state/tiktok", name)
    with pytest.raises(Failed, match=rf"no '{name}' in it"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["price", "cells", "mode", "epoch", "paused", "tuning_hyper"])
def test_a_state_that_lacks_anything_else_is_refused(name: str, tmp_path: Path, examples: list[Campaign]) -> None:
    """The message names the journal, what is wrong with it, and what to do."""
    journal, _ = kept(tmp_path, examples)
    dropped(journal, "state/brain", name)
    with pytest.raises(Failed, match=rf"journal.sqlite was kept by another.*no '{name}' in it.*start in another"):
        load(tmp_path)


def test_arrays_of_another_shape_are_refused(tmp_path: Path, examples: list[Campaign]) -> None:
    """They would be found out in the middle of an hour."""
    journal, _ = kept(tmp_path, examples)
    arrays = {**journal.models()["state/brain"][1]}
    journal.model("state/brain", 1, 5, {**arrays, "cells": arrays["cells"][..., :1]})
    with pytest.raises(Failed, match=r"'cells' is \[8, 4, 1\], here \[8, 4, "):
        load(tmp_path)


def test_a_journal_from_before_the_tuning_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    """The version that kept it can go on from it still."""
    path = unpacked("before_tuning", tmp_path) / "journal.sqlite"
    before = path.read_bytes()
    with pytest.raises(Failed, match=r"no 'tuning_hyper' in it, nor are 4 others"):
        load(tmp_path)
    assert before == path.read_bytes()
