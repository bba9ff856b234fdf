"""Journals of earlier versions, gone on from on a real Ray cluster."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from swarm.actors.launch import ask, find, launch
from swarm.actors.scenario import Scenario
from swarm.errors import Failed, Gone, JournalError
from swarm.store.journal import Journal
from tests.cluster.test_swarm import follow
from tests.store.kept import HOURS, unpacked

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]


def test_a_journal_from_before_the_charts_is_gone_on_from(scenarios: Make) -> None:
    """The hours go on, the log says what began anew, and nothing is called for want of a past."""
    scenario, begun = scenarios("charts", 3), HOURS["before_charts"]
    unpacked("before_charts", scenario.folder)
    coordinator = launch(scenario)
    assert begun == ask(coordinator, "status")["tick"]
    assert begun + 12 == follow(coordinator, begun + 12)["tick"]
    modes = Journal(scenario.folder / "journal.sqlite", read_only=True).modes()
    assert {"STABLE"} == {mode for tick, mode, _ in modes if tick >= begun}
    (log,) = (scenario.folder / "logs").glob("coordinator*")
    assert "begins_anew" in log.read_text()


def test_a_journal_from_before_the_tuning_starts_nothing(scenarios: Make) -> None:
    """The message says what to do; no actor is made, and the journal is left as it is."""
    scenario = scenarios("tuning", 3)
    path = unpacked("before_tuning", scenario.folder) / "journal.sqlite"
    before = path.read_bytes()
    with pytest.raises(Failed, match=r"kept by another version.*no 'tuning_hyper' in it.*start in another folder"):
        launch(scenario)
    with pytest.raises(Gone):
        find(scenario.config.name)
    assert before == path.read_bytes()


def test_what_is_no_journal_starts_nothing(scenarios: Make) -> None:
    """A file of another kind is said to be one."""
    scenario = scenarios("other", 3)
    (scenario.folder / "journal.sqlite").write_text("not a database, but longer than its header would be" * 9)
    with pytest.raises(JournalError, match=r"journal\.sqlite: file is not a database"):
        launch(scenario)
