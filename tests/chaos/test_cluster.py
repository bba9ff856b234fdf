"""Kill -9 of a whole Ray cluster, and `swarm up` on a new one: the journal brings everything back."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from benchmarks.head import Head
from benchmarks.kills import strays
from swarm.actors.scenario import Scenario
from swarm.cli.cluster import EARLIEST_ZONE, FOR_EVER_H
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign
from swarm.spec.config import SwarmConfig
from swarm.spec.money import MICROS
from swarm.store.journal import Journal
from tests.conftest import EXAMPLES

pytestmark = pytest.mark.cluster
DEADLINE_S = 120.0
HOUR_S = "0.2"


@pytest.fixture
def heads(tmp_path: Path) -> Iterator[Callable[[], Head]]:
    """Starts clusters that share a home, and so a run folder; what is left of them is killed."""
    with ExitStack() as ends:

        def start() -> Head:
            folder = ends.enter_context(tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True))
            head = Head(tmp_path, folder, dashboard=False)
            ends.callback(head.kill)
            return head

        yield start


def until(what: Callable[[], Any]) -> None:
    """Return when it is so."""
    deadline = time.monotonic() + DEADLINE_S
    while not what():
        assert time.monotonic() < deadline


def up(head: Head) -> Journal:
    """`swarm up`; the journal that it goes on from."""
    folder = head.swarm("up", "--tick-seconds", HOUR_S)["folder"]
    return Journal(Path(folder) / "journal.sqlite", read_only=True)


def stop_between_intent_and_outcome(head: Head, journal: Journal) -> None:
    """Stop the market at a moment when writes are on their way to it."""
    market = head.process("Market")
    while True:
        until(journal.unsettled)
        os.kill(market, signal.SIGSTOP)
        if journal.unsettled():
            return
        os.kill(market, signal.SIGCONT)


def assert_days_are_within_their_caps(journal: Journal, campaigns: list[Campaign]) -> None:
    """No campaign spent more on a local day than its owner allowed."""
    config = SwarmConfig()
    scenario = Scenario(config, journal.path.parent, FOUR, config.run.start, FOR_EVER_H // 24, anchor=EARLIEST_ZONE)
    calendar = scenario.calendar(campaigns)
    for row, campaign in enumerate(campaigns):
        spent: defaultdict[int, float] = defaultdict(float)
        for tick, _, spend, *_ in journal.reported(row, 0, journal.last_tick() + 1):
            spent[int(calendar.at(tick).day[row])] += spend
        assert 0 < max(spent.values()) <= campaign.caps_micros["daily_exposure"] / MICROS


@pytest.mark.slow
def test_up_brings_back_everything_after_the_whole_cluster_was_killed(
    heads: Callable[[], Head], examples: list[Campaign]
) -> None:
    """Killed with writes on their way: campaigns, hold, pause and hyperparameters stand, and no write is lost."""
    first = heads()
    journal = up(first)
    first.swarm("submit", str(EXAMPLES))
    until(lambda: journal.last_tick() >= 26)
    first.swarm("pause", examples[1].name)
    first.swarm("mode hold", "CAUTIOUS")
    stop_between_intent_and_outcome(first, journal)
    before = first.swarm("status")
    hypers, counts = journal.hypers(), journal.counts()
    first.kill()
    assert journal.unsettled()

    second = heads()
    up(second)
    until(lambda: journal.last_tick() >= before["tick"] + 3)
    after = second.swarm("status")
    second.kill()
    for name in ("mode", "held", "paused", "hyper_version"):
        assert (name, after[name]) == (name, before[name])
    assert (after["mode"], after["held"], after["paused"]) == ("CAUTIOUS", True, [examples[1].name])
    assert [row["name"] for row in after["campaigns"]] == [row["name"] for row in before["campaigns"]]
    assert journal.hypers()[: len(hypers)] == hypers
    assert journal.counts()["applied"] > counts["applied"]
    assert_days_are_within_their_caps(journal, examples)
    third = heads()
    up(third)
    until(lambda: not journal.unsettled())
    third.swarm("down")
    assert strays(journal.path.parent) == (0, 0)
