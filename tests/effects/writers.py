"""A door before four accounts of the embedded market, some of them with faults."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from swarm.effects import writer
from swarm.effects.door import Admission
from swarm.effects.proposals import Field
from swarm.effects.writer import Outcomes, Written
from swarm.platforms.channels import FOUR
from swarm.platforms.embedded import EmbeddedAccount
from swarm.platforms.faults import Applied, Faulty
from swarm.platforms.market import Market
from swarm.platforms.protocol import Account
from swarm.store.journal import Journal
from tests.effects.doors import Row, ask, began, door, limits
from tests.platforms.worlds import listing, market

NAMES = tuple(channel.platform for channel in FOUR)
DEADLINE_S = 0.01
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where a journal costs no disk, for tests of many runs."""
SETTLES_H = 2
ROWS = 3


class Play:
    """``faults``: kinds of each faulty account; the others are as they should be. Writes are settled in hours."""

    def __init__(
        self, folder: Path, faults: Mapping[str, Sequence[str]], *, chance: float = 1.0, seed: int = 0,
        settles_h: int = SETTLES_H,
    ) -> None:  # fmt: skip
        self.folder, self.settles_h = folder, settles_h
        self.market = market([listing(i) for i in range(ROWS)], days=6)
        self.embedded = {name: self._account(name) for name in NAMES}
        self.faulty = {
            name: Faulty(self.embedded[name], np.random.default_rng([seed, i]), faults.get(name, ()), chance=chance)
            for i, name in enumerate(NAMES)
        }
        self.accounts = {name: Account(one, slice(i, i + 1)) for i, (name, one) in enumerate(self.faulty.items())}
        self.begin()

    def begin(self) -> None:
        """A new life of the door's process: it knows what is in the journal, and nothing else."""
        self.door = door(self.folder, ROWS)
        self.outcomes = Outcomes(self.door, np.full(len(NAMES), self.settles_h))

    def _account(self, name: str) -> EmbeddedAccount:
        at = NAMES.index(name)
        account = EmbeddedAccount(name, slice(at, at + 1), self._at, lambda *_: None, FOUR[at].over_delivery)
        account.capabilities = replace(account.capabilities, settles_h=self.settles_h)
        return account

    def _at(self, tick: int) -> Market:
        self.market.tick = max(self.market.tick, tick)  # the clock alone: nothing here rests on what is delivered
        return self.market

    async def settle(self, tick: int) -> int:
        """Decide what a reading in hour ``tick`` can decide; how many stay open."""
        open_ = self.door.unsettled()
        found = await writer.read(self.accounts, open_, tick, DEADLINE_S)
        return len(open_) - self.outcomes.settle(open_, found, tick)

    async def write(self, *rows: Row, tick: int) -> tuple[Admission, Written]:
        """An hour's batch."""
        admission = ask(self.door, *rows, limits=limits(ROWS), tick=tick)
        effects = admission.effects
        old = self.door.ledger.value(effects.field, effects.campaign, effects.channel, effects.creative)
        written = await writer.write(self.accounts, effects, old, tick, DEADLINE_S)
        self.outcomes.keep(admission, written, tick)
        return admission, written

    def hour(self, *rows: Row, tick: int) -> list[str]:
        """Settle, then write; the outcome of each write that the guards let pass."""

        async def both() -> list[str]:
            for one in self.faulty.values():
                await one.arrive(tick)
            await self.settle(tick)
            outcome: list[str] = (await self.write(*rows, tick=tick))[1].outcome.tolist()
            return outcome

        return asyncio.run(both())

    @property
    def applied(self) -> list[Applied]:
        """What took effect on any account."""
        return [each for one in self.faulty.values() for each in one.applied]

    def states(self) -> list[str]:
        """Of every intent, as another process sees it."""
        journal = Journal(self.folder / "journal.sqlite")
        found = [row[13] for row in journal.intents()]
        journal.close()
        return found

    def moved(self) -> set[int]:
        """Intents of which the journal says that they put another value in force."""
        journal = Journal(self.folder / "journal.sqlite")
        rows = list(enumerate(journal.intents(), start=1))
        journal.close()
        return {intent for intent, row in rows if row[13] == "applied" and row[5] != row[6]}

    def agrees(self) -> bool:
        """Whether the ledger, and a ledger rebuilt from the journal, say what is in force on the platforms."""
        other = door(self.folder, ROWS)
        other.restore(began(np.zeros(ROWS)), self.market.tick)
        now = self.market.settings
        return all(
            np.array_equal(getattr(now, name)[..., : getattr(one.ledger, name).shape[-1]], getattr(one.ledger, name))
            for one in (self.door, other)
            for name in ("budget", "bid", "status", "weight")
        )


def everywhere(value: int, *, field: Field = Field.BUDGET) -> list[Row]:
    """The same for every campaign on every channel."""
    return [(row, channel, field, -1, value) for row in range(ROWS) for channel in range(len(NAMES))]
