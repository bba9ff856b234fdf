"""The market and the dispatcher as objects of one process: lost replies, others' edits, what survives a life."""

from __future__ import annotations

import asyncio
import fcntl
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from benchmarks.inprocess import Local
from swarm.actors.dispatcher import Dispatcher
from swarm.actors.market import Market
from swarm.actors.scenario import Scenario
from swarm.effects.door import effects_of
from swarm.effects.proposals import Field
from swarm.platforms.faults import Faulty
from swarm.platforms.protocol import Account, Effects, Rate
from swarm.spec.campaign import Campaign
from swarm.store.journal import Journal
from tests.conftest import scenario_of
from tests.effects.doors import Row, bid, budget, lease, proposals, status, weight

UNIT = 1_000_000
STATE = 13


def effects(*rows: tuple[int, int, int, Field, int], creative: int = -1) -> Effects:
    """Intent, campaign, channel, field and value of each write."""
    return effects_of(np.array([(i, r, c, f, creative, v) for i, r, c, f, v in rows], dtype=np.int64).T)


def lines(folder: Path) -> list[dict[str, Any]]:
    """Of the market's own log."""
    return [json.loads(line) for line in (folder / "market.jsonl").read_text().splitlines()]


@pytest.fixture
def scenario(tmp_path: Path) -> Scenario:
    """A day of the embedded market."""
    return scenario_of("alone", 1, tmp_path)


def test_a_batch_of_all_accounts_is_one_line(scenario: Scenario, examples: list[Campaign]) -> None:
    """So that after a crash all of them have it or none; a new life has the same settings."""
    batch = effects(*((1 + c, 0, c, Field.BUDGET, 5 + c) for c in range(4)))

    async def story() -> list[list[int]]:
        market = Market(scenario)
        await market.admit(examples, 0)
        written = await market.write(batch, np.zeros(4, dtype=np.int64), 2)
        assert ["applied"] * 4 == written.outcome.tolist()
        return [(await one.read(batch, 2)).value.tolist() for one in (market, Market(scenario))]

    assert [[5, 6, 7, 8]] * 2 == asyncio.run(story())
    assert [4] == [len(line["effects"][0]) for line in lines(scenario.folder) if "effects" in line]


def test_others_edits_survive_with_their_names(scenario: Scenario, examples: list[Campaign]) -> None:
    """In a new life the log tells of them as before, and of the switch that needs nobody."""

    async def story() -> list[list[tuple[str, int]]]:
        market, seen = Market(scenario), []
        await market.admit(examples, 0)
        await market.write(effects((1, 0, 1, Field.STATUS, 1)), np.zeros(1, dtype=np.int64), 0)
        await market.edit(effects((-1, 0, 0, Field.BID, 9)), "Eva", 1)
        assert 1 == await market.pause_all(2)
        for one in (market, Market(scenario)):
            changes = (await one.look({}, 3)).changes
            seen.append(list(zip(changes.who.tolist(), changes.tick.tolist(), strict=True)))
        return seen

    assert [[("Eva", 1), ("pause-all", 2)]] * 2 == asyncio.run(story())


def test_a_line_without_a_name_and_without_an_intent_is_a_persons(scenario: Scenario, examples: list[Campaign]) -> None:
    """Whoever writes to the log while no market runs need not say more."""

    async def story() -> list[str]:
        await Market(scenario).admit(examples, 0)
        with (scenario.folder / "market.jsonl").open("a") as file:
            file.write(json.dumps({"tick": 0, "effects": [[-1], [0], [0], [1], [-1], [9]]}) + "\n")
        who: list[str] = (await Market(scenario).look({}, 0)).changes.who.tolist()
        return who

    assert ["a person"] == asyncio.run(story())


def test_while_a_market_lives_nobody_has_its_log_alone(scenario: Scenario) -> None:
    """Whoever wants to pause everything without it can tell whether it is there."""
    market = Market(scenario)
    with (scenario.folder / "market.jsonl").open("a") as file:
        with pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        market._file.close()
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_what_cannot_be_kept_is_not_in_force(scenario: Scenario, examples: list[Campaign]) -> None:
    """A full disk: the write fails, and what is read is what a new life would have."""

    async def story() -> list[int]:
        market, write = Market(scenario), effects((1, 0, 0, Field.BUDGET, 5))
        await market.admit(examples, 0)
        with (
            patch("os.fsync", side_effect=OSError(28, "No space left on device")),
            pytest.raises(OSError, match="No space"),
        ):
            await market.write(write, np.zeros(1, dtype=np.int64), 0)
        found: list[int] = (await market.read(write, 0)).value.tolist()
        return found

    assert [0] == asyncio.run(story())


class Stage:
    """A dispatcher before a market whose account ``platform`` has faults, in one process."""

    def __init__(self, scenario: Scenario, campaigns: Sequence[Campaign], platform: str, *kinds: str) -> None:
        self.scenario, self.campaigns = scenario, list(campaigns)
        self.market = Market(scenario)
        whole = self.market._accounts[platform]
        self.faulty = Faulty(whole.platform, np.random.default_rng(0), kinds)  # type: ignore[arg-type]
        self.market._accounts[platform] = Account(self.faulty, whole.channels)  # type: ignore[index]
        self.market._deadline_s = 0.05

    async def begin(self, tick: int = 0) -> None:
        """A new dispatcher."""
        self.dispatcher = Dispatcher(self.scenario)
        with patch("ray.get_actor", lambda *_, **__: Local(self.market)):
            await self.market.admit(self.campaigns, 0)
            await self.dispatcher.admit(self.campaigns, tick)

    async def hour(self, *rows: Row, tick: int) -> dict[str, int]:
        """One hour's batch."""
        await self.dispatcher.standing(tick)
        return await self.dispatcher.write(proposals(rows), lease(), tick)

    def states(self) -> list[str]:
        """Of every intent."""
        return [row[STATE] for row in Journal(self.scenario.folder / "journal.sqlite").intents()]


@pytest.mark.parametrize("kind", ["slow", "reply_lost"])
def test_a_lost_reply_is_settled_by_reading_in_the_next_hour(
    kind: str, scenario: Scenario, examples: list[Campaign]
) -> None:
    """It is counted as unknown, the other accounts' writes are applied, and nothing is sent again."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta", kind)
        await stage.begin()
        result = await stage.hour(budget(5 * UNIT), budget(5 * UNIT, channel=1), tick=0)
        assert {"applied": 1, "unknown": 1} == {name: result[name] for name in ("applied", "unknown")}
        assert ["applied", "intended"] == stage.states()
        stage.faulty.heal()
        await stage.hour(tick=1)
        assert ["applied", "applied"] == stage.states()
        assert [2] == [intent for _, intent in stage.faulty.received]

    asyncio.run(story())


def test_an_expired_token_is_void_and_the_account_goes_on_when_it_is_renewed(
    scenario: Scenario, examples: list[Campaign]
) -> None:
    """Certain that nothing happened, so nothing stays open, and a later hour writes it with an intent of its own."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta", "expired_token")
        await stage.begin()
        assert 1 == (await stage.hour(budget(5 * UNIT), budget(5 * UNIT, channel=1), tick=0))["void"]
        stage.faulty.heal()
        await stage.hour(budget(5 * UNIT, channel=1), tick=4)
        assert ["applied", "void", "applied"] == stage.states()

    asyncio.run(story())


def test_others_edits_are_taken_into_the_ledger_once_and_what_is_read_counts(
    scenario: Scenario, examples: list[Campaign]
) -> None:
    """A budget that a person raised and lowered again counts at its highest for the day."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta")
        await stage.begin()
        await stage.hour(budget(20 * UNIT), status(1), tick=0)
        for value in (30 * UNIT, 10 * UNIT):
            await stage.market.edit(effects((-1, 0, 0, Field.BUDGET, value)), "Eva", 1)
        await stage.hour(tick=1)
        ledger = stage.dispatcher._door.ledger  # type: ignore[union-attr]
        assert (10 * UNIT, 30 * UNIT) == (ledger.budget[0, 0], ledger.highest[0, 0])
        await stage.hour(budget(9 * UNIT), tick=2)
        await stage.hour(bid(UNIT), tick=3)
        assert 9 * UNIT == ledger.budget[0, 0]

    asyncio.run(story())


def test_a_new_dispatcher_reads_what_is_in_force(scenario: Scenario, examples: list[Campaign]) -> None:
    """An edit that the last one saw is in no intent, and the new one has it all the same; it is told of once."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta")
        await stage.begin()
        rows = [budget(20 * UNIT), budget(20 * UNIT, channel=1), status(1), weight(400_000, 1)]
        await stage.hour(*rows, tick=0)
        await stage.market.edit(effects((-1, 0, 0, Field.BUDGET, 30 * UNIT)), "Eva", 1)
        await stage.market.edit(effects((-1, 0, 1, Field.WEIGHT, 7), creative=0), "Eva", 1)
        await stage.hour(tick=1)
        known = stage.dispatcher._door.ledger  # type: ignore[union-attr]
        await stage.begin(tick=1)
        ledger = stage.dispatcher._door.ledger  # type: ignore[union-attr]
        for name in ("budget", "bid", "status", "weight", "highest"):
            assert getattr(known, name).tolist() == getattr(ledger, name).tolist()
        assert (30 * UNIT, 7) == (ledger.budget[0, 0], ledger.weight[0, 1, 0])
        assert {"google_ads": 1, "meta": 2, "tiktok": 0, "linkedin": 0} == stage.dispatcher._known

    asyncio.run(story())


def test_a_new_dispatcher_leaves_alone_what_is_open(scenario: Scenario, examples: list[Campaign]) -> None:
    """A reading of a moment decides nothing about a write that may still come."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta", "no_effect")
        whole = stage.faulty._platform
        whole.capabilities = replace(whole.capabilities, settles_h=2)  # type: ignore[misc]
        await stage.begin()
        await stage.hour(budget(20 * UNIT, channel=1), tick=0)
        await stage.market.edit(effects((-1, 0, 1, Field.BUDGET, 5 * UNIT)), "Eva", 1)
        await stage.begin(tick=1)
        assert ["intended"] == stage.states()
        assert 0 == stage.dispatcher._door.ledger.budget[0, 1]  # type: ignore[union-attr]

    asyncio.run(story())


def test_a_days_quota_that_is_used_up_is_left_alone_until_it_begins_anew(
    scenario: Scenario, examples: list[Campaign]
) -> None:
    """Refused before an intent is made, pauses too, and not asked for in vain; the other accounts go on."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta", "daily_quota")
        await stage.begin()
        await stage.hour(status(1), status(1, channel=1), tick=1)
        stage.faulty.heal()
        for tick in range(2, 24):
            result = await stage.hour(bid(UNIT // 2 + tick), bid(UNIT // 2 + tick, channel=1), tick=tick)
            assert {"applied": 1, "quota": 1} == {name: result.get(name, 0) for name in ("applied", "quota")}, tick
        assert 1 == (await stage.hour(bid(UNIT // 2, channel=1), tick=24))["applied"]
        assert 0 == stage.faulty.in_vain

    asyncio.run(story())


def test_writes_over_the_rate_wait_and_pauses_have_a_part_of_their_own(
    scenario: Scenario, examples: list[Campaign]
) -> None:
    """A bucket of ten, refilled by two an hour: nine writes pass, and then one pause."""

    async def story() -> None:
        stage = Stage(scenario, examples, "meta")
        whole = stage.faulty._platform
        rate = Rate(per_s=2 / 3600, burst=10, per_day=1000)
        whole.capabilities = replace(whole.capabilities, rate=rate)  # type: ignore[misc]
        await stage.begin()
        weights: list[Row] = [(row, 1, Field.WEIGHT, slot, 1000) for row in range(4) for slot in range(3)]
        first = await stage.hour(status(1, channel=1), *weights, tick=0)
        assert (9, 4) == (first["applied"], first["quota"])
        second = await stage.hour(*weights[8:], status(0, channel=1), tick=1)
        assert (3, 2) == (second["applied"], second["quota"])
        assert stage.market._market.settings.status[0, 1] == 0

    asyncio.run(story())
