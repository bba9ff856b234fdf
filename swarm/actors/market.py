"""The market as an actor: the outside world, with a memory of its own."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from typing import Any

import numpy as np
import ray

from policies.frames import Floats, Ints, Report
from swarm.actors.bounded import bounded
from swarm.actors.scenario import Scenario
from swarm.effects import writer
from swarm.effects.door import effects_of
from swarm.effects.writer import Found, Written
from swarm.errors import SwarmError
from swarm.observe.logging import configure_logging
from swarm.platforms.embedded import EmbeddedAccount
from swarm.platforms.market import Market as EmbeddedMarket
from swarm.platforms.protocol import Account, Capabilities, Effects, State
from swarm.platforms.sight import Sight, Watch
from swarm.spec.campaign import Campaign

_WAITS = 5
"""An account is waited for at most four times in a call: dry run, write, reading; one more for all the rest."""
_OTHERS = "a person"
"""Who set what in a line of the log that names nobody and stands for no intent."""


@bounded()
class Market:
    """Ray shell of the embedded market, and of the accounts in it.

    Guarantees
    ----------
    Durability: applied effects are on disk before ``write`` returns; a new life replays them from the seed.
    Atomicity: a batch is one line of the log, so that after a crash all accounts have it or none.
    Retries: every call names its market hour, so asking again changes nothing.
    Ordering: the market moves to the hour that is asked for and never back; no reading comes between a batch's writes.
    Failure: an account that fails, or is slow, leaves the others alone, and the answer says so.
    """

    def __init__(self, scenario: Scenario) -> None:
        """Replay what was applied in earlier lives."""
        self._log = configure_logging(scenario.config.name, "market", scenario.folder)
        self._scenario = scenario
        self._campaigns: list[Campaign] = []
        self._market: EmbeddedMarket
        self._path = scenario.folder / "market.jsonl"
        self._file = self._path.open("a", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_SH)  # whoever wants to write to the log without the market asks for it alone
        for line in self._lines():
            self._replay(line)
        self._deadline_s = scenario.config.runtime.call_deadline_s / _WAITS
        self._accounts = self._open()
        self._watch, self._turn = Watch(), asyncio.Lock()
        self._set: list[tuple[Effects, str]] = []

    def _open(self) -> Mapping[str, Account]:
        """The accounts, by platform."""
        channels = self._scenario.channels
        return {
            platform: Account(
                EmbeddedAccount(platform, own, self._at, self._record, channels[own.start].over_delivery), own
            )
            for platform, own in self._scenario.slices().items()
        }

    def __repr__(self) -> str:
        return f"Market({self._scenario.config.name})"

    async def ping(self) -> int:
        """The process id."""
        return os.getpid()

    async def admit(self, specs: list[Campaign], tick: int) -> None:
        """List campaigns; names that are listed are left as they are."""
        known = {campaign.name for campaign in self._campaigns}
        new = [spec for spec in specs if spec.name not in known]
        if new:
            self._write({"tick": tick, "admit": [spec.model_dump(mode="json", by_alias=True) for spec in new]})
            self._admit(new, tick)
            self._log.info("listed", campaigns=[spec.name for spec in new], tick=tick)

    async def capabilities(self) -> dict[str, Capabilities]:
        """What each platform does with money and what it can be asked."""
        return {name: account.platform.capabilities for name, account in self._accounts.items()}

    async def report(self, platform: str, tick: int) -> Report | None:
        """The newest hour that the platform reports at the beginning of market hour ``tick``."""
        return await self._accounts[platform].platform.read_metrics(tick)

    async def look(self, known: dict[str, int], tick: int) -> Sight:
        """What the accounts say of spending, learning and others' changes; ``known``: each one's last known change."""
        return await self._watch.look(self._accounts, len(self._campaigns), known, tick, self._deadline_s)

    async def states(self, tick: int) -> dict[str, State]:
        """Settings in force, of the accounts that can be read."""
        found = {}
        for name, account in self._accounts.items():
            with suppress(SwarmError, TimeoutError):
                async with asyncio.timeout(self._deadline_s):
                    found[name] = await account.platform.read_state(tick)
        return found

    async def write(self, effects: Effects, old: Ints, tick: int) -> Written:
        """Write at the beginning of market hour ``tick`` over the values ``old`` [n], and read back."""
        async with self._turn:
            self._catch_up(tick)
            before = deepcopy(self._market.settings)
            written = await writer.write(self._accounts, effects, old, tick, self._deadline_s)
            try:
                self._keep()
            except OSError:
                self._market.settings = before  # what is not on disk would be lost with this life
                raise
        return written

    async def read(self, effects: Effects, tick: int) -> Found:
        """What is in force, as far as the accounts can be read."""
        async with self._turn:
            return await writer.read(self._accounts, effects, tick, self._deadline_s)

    async def edit(self, effects: Effects, who: str, tick: int) -> None:
        """Somebody else sets absolute values: a person in a platform's own pages, or the platform itself."""
        async with self._turn:
            self._catch_up(tick)
            self._record(effects, who)
            self._keep()
            self._market.edit(effects, who)

    async def pause_all(self, tick: int) -> int:
        """Pause everything without the door; returns how many channels of campaigns were delivering."""
        async with self._turn:
            paused = [await account.platform.pause_all(tick) for account in self._accounts.values()]
            self._keep()
        return sum(paused)

    async def score(self, tick: int) -> dict[str, Floats | Ints]:
        """The truth, for figures alone: credited value and spend by day, spend by channel."""
        self._catch_up(tick)
        score = self._market.score
        return {"value": self._market.credited(), "spend": score.spend, "by_channel": score.by_channel}

    def _at(self, tick: int) -> EmbeddedMarket:
        self._catch_up(tick)
        return self._market

    def _catch_up(self, tick: int) -> None:
        while self._market.tick < tick:
            self._market.advance()

    def _admit(self, new: list[Campaign], tick: int) -> None:
        running = bool(self._campaigns)
        self._campaigns += new
        market: EmbeddedMarket = self._scenario.market(self._campaigns)
        if running:
            self._catch_up(tick)
            market.take_over(self._market)
        self._market = market

    def _replay(self, line: dict[str, Any]) -> None:
        if "admit" in line:
            self._admit([Campaign.model_validate(spec) for spec in line["admit"]], line["tick"])
            return
        self._catch_up(line["tick"])
        effects = effects_of(np.array(line["effects"], dtype=np.int64).reshape(6, -1))
        others = effects.intent < 0
        self._market.settings.apply(effects.take(~others))
        self._market.edit(effects.take(others), line.get("by", _OTHERS))

    def _record(self, effects: Effects, who: str) -> None:
        """Heard from the accounts; ``_keep`` makes a line of it."""
        self._set.append((effects, who))

    def _keep(self) -> None:
        """What was set since, on disk: the swarm's own in one line, others' in a line each."""
        heard, self._set = self._set, []
        own = [effects for effects, who in heard if not who]
        if own and len(batch := Effects.concat(own)):
            self._write({"tick": self._market.tick, "effects": _columns(batch)})
        for effects, who in heard:
            if who and len(effects):
                self._write({"tick": self._market.tick, "effects": _columns(effects), "by": who})

    def _lines(self) -> Iterator[dict[str, Any]]:
        """What is whole; a torn last line was never acknowledged, and goes, or the next one would run into it."""
        self._path.touch()
        whole, _, torn = self._path.read_bytes().rpartition(b"\n")
        os.truncate(self._path, self._path.stat().st_size - len(torn))
        yield from map(json.loads, whole.splitlines())

    def _write(self, line: dict[str, Any]) -> None:
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


def _columns(effects: Effects) -> list[list[int]]:
    """As ``effects_of`` reads them."""
    columns = (effects.intent, effects.campaign, effects.channel, effects.field, effects.creative, effects.value)
    return [column.tolist() for column in columns]


MarketActor = ray.remote(Market)
