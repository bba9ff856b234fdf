"""The faulty platform does what each kind of fault says, and its log tells what took effect."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from swarm.effects.door import effects_of
from swarm.effects.proposals import Field
from swarm.errors import Failed, SwarmError, TimedOut
from swarm.platforms.channels import FOUR
from swarm.platforms.embedded import EmbeddedAccount
from swarm.platforms.faults import Faulty, fault_kinds
from swarm.platforms.market import Market
from swarm.platforms.protocol import Effects, OverQuota, Refused
from tests.platforms.worlds import listing, market

SETTLES_H = 2


def faulty(*kinds: str, seed: int = 0, settles_h: int = SETTLES_H) -> tuple[Faulty, Market]:
    """Google Ads on the embedded market, with faults at every write."""
    world = market([listing(0), listing(1)])

    def at(tick: int) -> Market:
        world.tick = max(world.tick, tick)
        return world

    account = EmbeddedAccount("google_ads", slice(0, 1), at, lambda *_: None, FOUR[0].over_delivery)
    account.capabilities = replace(account.capabilities, settles_h=settles_h)
    return Faulty(account, np.random.default_rng(seed), kinds), world


def bids(*values: int, first: int = 1) -> Effects:
    """A bid for each campaign, the intents counted from ``first``."""
    rows = [(first + i, i, 0, Field.BID, -1, value) for i, value in enumerate(values)]
    return effects_of(np.array(rows, dtype=np.int64).T)


def told(one: Faulty, effects: Effects, tick: int = 0) -> str:
    """What the caller hears: the refusals, or the error's name."""

    async def call() -> str:
        try:
            return repr((await asyncio.wait_for(one.apply(effects, tick), 0.02)).refused.tolist())
        except (SwarmError, TimeoutError) as error:
            return type(error).__name__

    return asyncio.run(call())


def read(one: Faulty, effects: Effects, tick: int) -> list[int]:
    """What a reading shows."""
    return [int(value) for value in asyncio.run(one.read_back(effects, tick))]


@pytest.mark.parametrize(
    ("kind", "heard", "applied", "in_force"),
    [
        ("reply_lost", "TimedOut", 2, [5, 6]),
        ("applied_late", "TimedOut", 0, [0, 0]),
        ("replied_twice", "['', '']", 2, [5, 6]),
        ("stale_read", "['', '']", 2, [5, 6]),
        ("slow", "TimeoutError", 2, [5, 6]),
        ("quota", "OverQuota", 0, [0, 0]),
        ("daily_quota", "OverQuota", 0, [0, 0]),
        ("no_effect", "['', '']", 0, [0, 0]),
        ("turned_back", "['', '']", 2, [0, 0]),
        ("expired_token", "Refused", 0, [0, 0]),
    ],
)
def test_what_the_caller_hears_and_what_is_so(kind: str, heard: str, applied: int, in_force: list[int]) -> None:
    """The two differ: that is what makes a fault."""
    one, world = faulty(kind)
    assert heard == told(one, bids(5, 6))
    assert applied == len(one.applied)
    assert in_force == world.settings.bid[:, 0].tolist()


def test_what_is_late_comes_within_the_platforms_hours_and_once() -> None:
    """At the first call after its time, and never again."""
    for seed in range(8):
        one, _ = faulty("applied_late", seed=seed)
        told(one, bids(5, 6))
        one.heal()
        for tick in range(1, SETTLES_H + 3):
            asyncio.run(one.arrive(tick))
        assert [5, 6] == read(one, bids(5, 6), SETTLES_H)
        assert [1, 2] == [each.intent for each in one.applied]
        assert 1 <= one.applied[0].tick <= SETTLES_H


def test_a_partial_write_makes_some_and_tells_which_or_only_that_not_all_were() -> None:
    """Over many seeds both answers come, and where it tells, it tells the truth."""
    heard = set()
    for seed in range(30):
        one, world = faulty("partial", seed=seed)
        answer = told(one, bids(5, 6))
        in_force = [5, 6] == world.settings.bid[:, 0].tolist()
        heard.add(answer)
        assert (answer == "['', '']") <= in_force
        assert {each.intent for each in one.applied} == {1 + i for i, v in enumerate(world.settings.bid[:, 0]) if v}
    assert {"Failed", "['', '']", "['', 'internal error']", "['internal error', '']"} <= heard


def test_a_stale_reading_is_as_old_as_the_platform_says_and_no_older() -> None:
    """Until its hours have passed it shows what was before."""
    one, _ = faulty("stale_read")
    told(one, bids(5, 6))
    shown = [read(one, bids(5, 6), tick) for tick in range(SETTLES_H + 1)]
    assert [[0, 0]] * SETTLES_H + [[5, 6]] == shown


def test_a_second_reply_comes_in_place_of_the_next_one() -> None:
    """It names the intents that it answers."""
    one, _ = faulty("replied_twice")
    told(one, bids(5, 6))
    one.heal()
    assert [1, 2] == asyncio.run(one.apply(bids(7, 8, first=3), 1)).intent.tolist()
    assert [5, 6] == asyncio.run(one.apply(bids(5, 6, first=5), 2)).intent.tolist()
    assert [1, 2, 3, 4, 5, 6] == [each.intent for each in one.applied]


def test_a_used_up_day_lasts_to_midnight_and_counts_what_is_asked_in_vain() -> None:
    """And then the account works again."""
    one, _ = faulty("daily_quota")
    assert "OverQuota" == told(one, bids(5), tick=20)
    one.heal()
    with pytest.raises(OverQuota, match="daily quota used up, retry after 3600 s"):
        asyncio.run(one.apply(bids(5, first=2), 23))
    assert 1 == one.in_vain
    assert "['']" == told(one, bids(5, first=3), tick=24)


def test_without_a_token_nothing_can_be_read_either() -> None:
    """For some hours."""
    one, _ = faulty("expired_token")
    told(one, bids(5))
    one.heal()
    with pytest.raises(Refused, match="the token has expired"):
        read(one, bids(5), 0)
    assert [0] == read(one, bids(5), 3)


def test_a_platform_that_turns_settings_back_says_so_in_its_log() -> None:
    """Who, when, from what to what."""
    one, _ = faulty("turned_back")
    told(one, bids(5, 6), tick=2)
    changes = asyncio.run(one.changes_since(0, 2))
    assert [("the platform", 2, 5, 0), ("the platform", 2, 6, 0)] == list(
        zip(changes.who.tolist(), changes.tick.tolist(), changes.old.tolist(), changes.new.tolist(), strict=True)
    )


def test_the_same_seed_has_the_same_faults() -> None:
    """Whatever the kinds, so that a failing run can be run again."""

    def heard(seed: int) -> list[str]:
        one, _ = faulty(*fault_kinds, seed=seed)
        return [told(one, bids(tick, tick + 1, first=2 * tick), tick) for tick in range(1, 12)]

    assert heard(4) == heard(4)
    assert heard(4) != heard(5)


def test_without_faults_it_is_the_platform_within() -> None:
    """Every call goes through."""
    one, world = faulty()
    assert "['', '']" == told(one, bids(5, 6))
    assert [(0, 1), (0, 2)] == one.received
    assert 0 == asyncio.run(one.pause_all(0))
    assert world.settings.bid[:, 0].tolist() == asyncio.run(one.read_state(0)).bid[:, 0].tolist()
    assert asyncio.run(one.spending(0)).as_of.tolist() == [[-1], [-1]]
    assert asyncio.run(one.read_metrics(0)) is None


def test_an_unknown_fault_is_refused_and_the_nearest_named() -> None:
    """When it is made, and when it is told to fail."""
    with pytest.raises(ValueError, match=r"unknown fault 'reply_lots'.*reply_lost"):
        faulty("reply_lots")
    with pytest.raises(ValueError, match="unknown fault"):
        faulty()[0].fail("everything")


def test_errors_are_the_runtimes_own() -> None:
    """Whoever calls need know no platform's."""
    assert issubclass(OverQuota, Refused)
    assert all(issubclass(each, SwarmError) for each in (Refused, TimedOut, Failed))
