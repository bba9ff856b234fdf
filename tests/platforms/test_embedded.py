"""The embedded market's accounts, and what all accounts report together when some cannot be read."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import numpy as np
import pytest

from swarm.effects.door import effects_of
from swarm.effects.proposals import Field
from swarm.platforms.channels import FOUR
from swarm.platforms.embedded import EmbeddedAccount
from swarm.platforms.faults import Faulty
from swarm.platforms.market import Market
from swarm.platforms.protocol import Account, Changes, Effects
from swarm.platforms.sight import Sight, Watch
from tests.platforms.worlds import launch, listing, market

NAMES = tuple(channel.platform for channel in FOUR)
ROWS = 2
DEADLINE_S = 0.05


@dataclass
class Accounts:
    """Of a market in which everything was launched."""

    market: Market
    heard: list[tuple[int, str]]
    """How many settings were set, and by whom."""

    def at(self, tick: int) -> Market:
        """The market, moved on."""
        while self.market.tick < tick:
            self.market.advance()
        return self.market

    def record(self, effects: Effects, who: str) -> None:
        """Hear of a write."""
        self.heard.append((len(effects), who))

    def of(self, name: str) -> EmbeddedAccount:
        """One platform's."""
        column = NAMES.index(name)
        return EmbeddedAccount(name, slice(column, column + 1), self.at, self.record, FOUR[column].over_delivery)


@pytest.fixture
def accounts() -> Accounts:
    """Two campaigns whose days begin together."""
    return Accounts(launch(market([listing(i, zone="UTC") for i in range(ROWS)], days=9)), [])


def writes(*rows: tuple[int, int, Field, int], intent: int = -1) -> Effects:
    """Campaign, channel, field and value of each write."""
    return effects_of(np.array([(intent, r, c, f, -1, v) for r, c, f, v in rows], dtype=np.int64).T)


def told(changes: Changes) -> list[tuple[str, int, int, int, int, int]]:
    """Who, when, which campaign and channel, from what to what."""
    columns = (changes.who, changes.tick, changes.campaign, changes.channel, changes.old, changes.new)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def test_others_edits_are_in_force_and_in_the_platforms_log(accounts: Accounts) -> None:
    """Who, when, old and new value; what was so already is no change; each platform tells of its own."""
    one, now = accounts.of("meta"), accounts.market.settings
    before = int(now.budget[1, 1])
    rows = (1, 1, Field.BUDGET, 77), (0, 1, Field.BID, int(now.bid[0, 1]))
    asyncio.run(one.edit(writes(*rows), "a person", 3))
    asyncio.run(one.edit(writes((1, 1, Field.BUDGET, 78)), "the platform", 4))
    changes = asyncio.run(one.changes_since(0, 4))
    assert [("a person", 3, 1, 1, before, 77), ("the platform", 4, 1, 1, 77, 78)] == told(changes)
    assert [("the platform", 4, 1, 1, 77, 78)] == told(asyncio.run(one.changes_since(1, 4)))
    assert [] == told(asyncio.run(accounts.of("google_ads").changes_since(0, 4)))
    assert 78 == now.budget[1, 1]
    assert [(2, "a person"), (1, "the platform")] == accounts.heard


def test_the_swarms_own_writes_are_no_change_by_others(accounts: Accounts) -> None:
    """They are told to whoever keeps the log, and what is unfit is not set."""
    one = accounts.of("tiktok")
    batch = writes((0, 2, Field.BUDGET, 5), (1, 2, Field.STATUS, 3), intent=9)
    assert ["", "no such status"] == asyncio.run(one.validate(batch, 0)).tolist()
    assert accounts.heard == []
    assert ["", "no such status"] == asyncio.run(one.apply(batch, 0)).refused.tolist()
    assert [5, 1] == asyncio.run(one.read_back(batch, 0)).tolist()
    assert [(1, "")] == accounts.heard
    assert 0 == len(asyncio.run(one.changes_since(0, 0)))


def test_a_platform_is_paused_by_itself(accounts: Accounts) -> None:
    """It counts as somebody else's edit, for no intent stands behind it."""
    one = accounts.of("meta")
    assert [ROWS, 0] == [asyncio.run(one.pause_all(2)) for _ in range(2)]
    assert [0, 1, 0] == [int(accounts.market.settings.status[0, c]) - (c > 1) for c in (1, 0, 2)]
    assert {"pause-all"} == set(asyncio.run(one.changes_since(0, 2)).who.tolist())


def test_a_platform_learns_after_a_launch_and_after_a_significant_edit(accounts: Accounts) -> None:
    """Until it has seen enough; a small edit leaves it as it was."""
    one, market = accounts.of("meta"), accounts.market
    assert asyncio.run(one.read_state(0)).learning.all()
    hours = 24 * 7
    accounts.at(hours)
    assert not asyncio.run(one.read_state(hours)).learning.any()
    market.settings.bid[0, 1] = int(market.settings.bid[0, 1] * 1.1)
    market.settings.bid[1, 1] = int(market.settings.bid[1, 1] * 1.5)
    accounts.at(hours + 1)
    assert [[False], [True]] == asyncio.run(one.read_state(hours + 1)).learning.tolist()


def test_what_is_closed_does_not_learn(accounts: Accounts) -> None:
    """A channel without a budget has no phase."""
    accounts.market.settings.budget[0] = 0
    assert [[False], [True]] == asyncio.run(accounts.of("meta").read_state(0)).learning.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_each_account_reports_its_own_part(name: str, accounts: Accounts) -> None:
    """The parts of the month and of all time are those of its channels, and so is the report."""
    one, column, tick = accounts.of(name), NAMES.index(name), 30
    spending, whole = asyncio.run(one.spending(tick)), accounts.at(tick).spending()
    assert whole.today[:, [column]].tolist() == spending.today.tolist()
    assert whole.as_of[:, [column]].tolist() == spending.as_of.tolist()
    assert accounts.market.score.by_channel[:, column].tolist() == spending.lifetime.tolist() == spending.month.tolist()
    report = asyncio.run(one.read_metrics(tick))
    assert report is not None
    assert (ROWS, 1) == report.bid.shape
    assert tick - 1 - FOUR[column].report_lag_h == report.tick == spending.as_of[0, 0]


def look(watch: Watch, accounts: dict[str, Account], tick: int, known: dict[str, int] | None = None) -> Sight:
    """At all of them."""
    return asyncio.run(watch.look(accounts, ROWS, known or {}, tick, DEADLINE_S))


def test_all_accounts_together_are_the_market(accounts: Accounts) -> None:
    """Columns side by side, months and lifetimes added up."""
    every = {name: Account(accounts.of(name), slice(c, c + 1)) for c, name in enumerate(NAMES)}
    sight, whole = look(Watch(), every, 30), accounts.at(30).spending()
    for part in ("today", "month", "lifetime", "as_of"):
        assert getattr(whole, part).tolist() == getattr(sight.spending, part).tolist()
    assert accounts.market.learning().tolist() == sight.learning.tolist()
    assert () == sight.blind


def test_an_account_that_cannot_be_read_is_as_it_was_last(accounts: Accounts) -> None:
    """The others are read as ever, and how old its part is stands beside it."""
    broken = Faulty(accounts.of("meta"), np.random.default_rng(0), ["expired_token"])
    every = {name: Account(accounts.of(name), slice(c, c + 1)) for c, name in enumerate(NAMES)}
    every["meta"] = Account(broken, slice(1, 2))
    watch = Watch()
    first = look(watch, every, 20)
    with pytest.raises(Exception, match="the token has expired"):
        asyncio.run(broken.apply(writes((0, 1, Field.BID, 5), intent=1), 20))
    second = look(watch, every, 20)
    assert ("meta",) == second.blind
    accounts.at(21)
    blind = look(watch, every, 20)
    assert first.spending.as_of[:, 1].tolist() == blind.spending.as_of[:, 1].tolist()
    assert (first.spending.as_of[:, 0] + 1).tolist() == blind.spending.as_of[:, 0].tolist()


def test_an_account_that_was_never_read_has_reported_nothing(accounts: Accounts) -> None:
    """So the door takes its word for no raise."""
    broken = Faulty(accounts.of("google_ads"), np.random.default_rng(0), ["expired_token"])
    with pytest.raises(Exception, match="the token has expired"):
        asyncio.run(broken.apply(writes((0, 0, Field.BID, 5), intent=1), 20))
    every = {"google_ads": Account(broken, slice(0, 1)), "meta": Account(accounts.of("meta"), slice(1, 2))}
    sight = look(Watch(), every, 20)
    assert [-1, -1] == sight.spending.as_of[:, 0].tolist()
    assert [18, 18] == sight.spending.as_of[:, 1].tolist()


def test_changes_are_told_from_the_last_known_one_on(accounts: Accounts) -> None:
    """Each account by its own count."""
    every = {name: Account(accounts.of(name), slice(c, c + 1)) for c, name in enumerate(NAMES)}
    for value, name in enumerate(("meta", "tiktok", "meta"), start=1):
        column = NAMES.index(name)
        asyncio.run(accounts.of(name).edit(writes((0, column, Field.BID, value)), "a person", 1))
    assert [1, 3, 2] == look(Watch(), every, 1).changes.new.tolist()
    assert [3] == look(Watch(), every, 1, {"meta": 1, "tiktok": 2}).changes.new.tolist()
