"""What people decide and are told, on a real Ray cluster: plans, notices, and the pause that works when all hangs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
from click.testing import CliRunner

from swarm.actors.launch import ask, launch
from swarm.actors.scenario import Scenario
from swarm.cli.main import cli
from swarm.effects.door import KILL_FILE
from swarm.effects.proposals import Field
from swarm.platforms.market_log import delivering
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from swarm.store.plans import plans
from tests.cluster.test_swarm import child, follow
from tests.observe.hooks import Receiver, receiver
from tests.store.samples import unprotected

pytestmark = pytest.mark.cluster
Make = Callable[[str, int], Scenario]
MORNING = 10


def asking(campaigns: list[Campaign], mode: str) -> list[Campaign]:
    """The first of ``campaigns`` in ``mode``, and two that act by themselves."""
    first = campaigns[0]
    return [first.model_copy(update={"autonomy": first.autonomy.model_copy(update={"mode": mode})}), *campaigns[1:3]]


def journal_of(scenario: Scenario) -> Journal:
    return Journal(scenario.folder / "journal.sqlite")


def said(scenario: Scenario, *words: str) -> Any:
    """A command's answer, on the folder of a swarm that is up."""
    answer = CliRunner().invoke(cli, [*words, "--folder", str(scenario.folder), "--json"])
    assert answer.exit_code == 0, answer.output
    return json.loads(answer.stdout)


def from_a_terminal(scenario: Scenario, *words: str) -> Any:
    """The same for a command that joins the cluster."""
    done = subprocess.run(
        [Path(sys.executable).parent / "swarm", *words, "--folder", scenario.folder, "--json"],
        env={**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def written(scenario: Scenario, campaign: int) -> list[tuple[Any, ...]]:
    """Hour, channel, field, creative and value of what was applied to a campaign, shares of creatives left out."""
    rows = [row for row in journal_of(scenario).intents() if row[1] == campaign and row[13] == "applied"]
    return [(row[0], *row[2:5], row[6]) for row in rows if row[3] != Field.WEIGHT]


def notices(scenario: Scenario) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (scenario.folder / "notices.jsonl").read_text().splitlines()]


def test_what_waits_for_a_person_is_written_once_approved(examples: list[Campaign], scenarios: Make) -> None:
    """Others go on alone; an approved plan is written in the next hour, exactly as it was shown, and once."""
    scenario = scenarios("approve", 2)
    coordinator = launch(scenario)
    ask(coordinator, "submit", asking(examples, "approve"))
    follow(coordinator, MORNING)
    assert written(scenario, 0) == []
    assert written(scenario, 1)
    waiting = said(scenario, "plan")["plans"]
    assert {examples[0].name} == {each["campaign"] for each in waiting}
    budget = next(each for each in waiting if each["moves"][0]["field"] == "budget")
    said(scenario, "approve", budget["digest"])
    follow(coordinator, MORNING + 1)
    (filed,) = [each for each in plans(journal_of(scenario)) if each.digest == budget["digest"]]
    assert filed.end == "written"
    columns = [getattr(filed.plan.asked, name).tolist() for name in ("channel", "field", "creative", "new")]
    assert sorted(row[1:] for row in written(scenario, 0)) == sorted(zip(*columns, strict=True))
    follow(coordinator, MORNING + 3)
    assert {row[0] for row in written(scenario, 0)} == {MORNING}


def test_what_is_proposed_is_never_written_by_itself(examples: list[Campaign], scenarios: Make) -> None:
    """Nothing but what a person applies."""
    scenario = scenarios("propose", 2)
    coordinator = launch(scenario)
    ask(coordinator, "submit", asking(examples, "propose"))
    follow(coordinator, MORNING)
    first = said(scenario, "plan")["plans"][0]
    said(scenario, "apply", first["digest"])
    follow(coordinator, MORNING + 4)
    assert {row[0] for row in written(scenario, 0)} == {MORNING}
    assert len(written(scenario, 0)) == len(first["moves"])


def hooked(scenario: Scenario, url: str, folder: Path) -> Scenario:
    """``scenario`` whose notices are posted to ``url``, which a file has."""
    (folder / "hook").write_text(url)
    told = scenario.config.notifications.model_copy(update={"webhook": f"file:{folder / 'hook'}"})
    return replace(scenario, config=scenario.config.model_copy(update={"notifications": told}))


def posted(receiver: Receiver, kind: str) -> dict[str, Any]:
    """The next notice of a kind."""
    while (body := receiver.next()[1])["kind"] != kind:
        pass
    return body


def test_people_are_told_of_a_freeze_and_of_the_day(examples: list[Campaign], scenarios: Make, tmp_path: Path) -> None:
    """In the file and at the webhook, each once, with the swarm's name."""
    with receiver("hook/secret") as heard:
        scenario = hooked(scenarios("told", 3), heard.url, tmp_path)
        coordinator = launch(scenario)
        ask(coordinator, "submit", examples[:3])
        follow(coordinator, 5)
        ask(coordinator, "hold", "FREEZE")
        follow(coordinator, 26)
        assert posted(heard, "freeze")["swarm"] == scenario.config.name
        assert posted(heard, "digest")["facts"]["hours"] == [0, 24]
    kinds = [each["kind"] for each in notices(scenario)]
    assert (kinds.count("freeze"), kinds.count("digest")) == (1, 1)


def test_an_altered_journal_throws_the_kill_switch(examples: list[Campaign], scenarios: Make, tmp_path: Path) -> None:
    """Found by the next life, which writes nothing but pauses from then on; the notice names the line."""
    with receiver("hook") as heard:
        scenario = hooked(scenarios("altered", 3), heard.url, tmp_path)
        coordinator = launch(scenario)
        ask(coordinator, "submit", examples[:3])
        follow(coordinator, MORNING)
        unprotected(journal_of(scenario)).execute("UPDATE intents SET new = new + 1 WHERE id = 3")
        os.kill(ask(coordinator, "ping"), signal.SIGKILL)
        coordinator = launch(scenario)
        told = posted(heard, "journal_altered")
        assert "intents 3" in told["text"]
        assert told["stops"] == "kill"
        assert (scenario.folder / KILL_FILE).exists()
        first = ask(coordinator, "status")["tick"] + 1
        follow(coordinator, first + 3)
    late = [row for row in journal_of(scenario).intents() if row[0] >= first and row[13] == "applied"]
    assert all(row[3] == Field.STATUS and row[6] == 0 for row in late)


def test_pause_all_works_while_the_dispatcher_hangs(examples: list[Campaign], scenarios: Make) -> None:
    """Everything that delivers is paused by the market itself, and the journal knows each pause."""
    scenario = scenarios("hangs", 2)
    coordinator = launch(scenario)
    ask(coordinator, "submit", examples)
    follow(coordinator, MORNING)
    before = delivering(scenario.folder / "market.jsonl")
    assert before
    hung = ask(child(scenario, "dispatcher"), "ping")
    os.kill(hung, signal.SIGSTOP)
    try:
        (told,) = from_a_terminal(scenario, "pause-all")
    finally:
        os.kill(hung, signal.SIGCONT)
    assert (told["done"], told["paused"], told["platform"]) == (True, len(before), "paused by the market's actor")
    assert delivering(scenario.folder / "market.jsonl") == []
    follow(coordinator, MORNING + 3)
    assert delivering(scenario.folder / "market.jsonl") == []
