"""What comes of writes on platforms with faults: at most one effect an intent, and a journal that says what is so."""

from __future__ import annotations

import asyncio
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarm.effects.proposals import Field
from swarm.errors import TimedOut
from swarm.platforms.faults import LONGEST_H, fault_kinds
from swarm.platforms.protocol import OverQuota, Refused
from tests.effects.doors import UNIT, Row, began, bid, budget, status
from tests.effects.writers import MEMORY, NAMES, ROWS, SETTLES_H, Play, everywhere

MIXES = st.lists(st.sampled_from(fault_kinds), min_size=2, max_size=6, unique=True)
FEW = settings(max_examples=8)
HOURS = 6
QUIET_H = 2 * SETTLES_H + LONGEST_H
"""In which every token is renewed, everything late has come, and what is then read is decided, after a crash too."""


def batches(rng: np.random.Generator, count: int) -> list[Row]:
    """Random settings, one a place."""
    rows = {}
    for _ in range(count):
        field = rng.choice([Field.BUDGET, Field.BID, Field.WEIGHT, Field.STATUS])
        creative = int(rng.integers(3)) if field == Field.WEIGHT else -1
        value = int(rng.integers(2)) if field == Field.STATUS else int(rng.integers(1, 20)) * UNIT // 20
        place = (int(rng.integers(ROWS)), int(rng.integers(len(NAMES))), field, creative)
        rows[place] = (*place, value)
    return list(rows.values())


def lived(play: Play, rng: np.random.Generator, *, crashes: bool) -> None:
    """Some hours of writes, then hours in which only what is open is read, until nothing is."""
    for tick in range(HOURS):
        play.hour(*batches(rng, 6), tick=tick)
        if crashes and rng.random() < 0.3:
            play.begin()
            asyncio.run(play.settle(tick))
            play.door.restore(began(np.zeros(ROWS)), tick)
    for one in play.faulty.values():
        one.heal()
    for tick in range(HOURS, HOURS + QUIET_H):
        play.hour(tick=tick)


def assert_promises(play: Play) -> None:
    """Each intent was sent once at most, took effect once at most, and what is in force is known."""
    assert max(Counter(each.intent for each in play.applied).values(), default=0) <= 1
    received = [intent for one in play.faulty.values() for _, intent in one.received]
    assert len(received) == len(set(received))
    assert "intended" not in play.states()
    assert play.agrees()
    assert play.moved() <= {each.intent for each in play.applied}


@pytest.mark.parametrize("kind", fault_kinds)
@given(seed=st.integers(0, 10_000))
@FEW
def test_under_each_fault_an_intent_has_at_most_one_effect(kind: str, seed: int) -> None:
    """The fault strikes two of four accounts now and then; afterwards the journal says what is in force."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        play = Play(Path(folder), {"meta": [kind], "linkedin": [kind]}, chance=0.6, seed=seed)
        lived(play, np.random.default_rng(seed), crashes=False)
        assert_promises(play)


@pytest.mark.parametrize("crashes", [False, True], ids=["", "with crashes"])
@given(kinds=MIXES, seed=st.integers(0, 10_000))
@settings(max_examples=20)
def test_under_mixed_faults_an_intent_has_at_most_one_effect(crashes: bool, kinds: list[str], seed: int) -> None:
    """All accounts meet them, the door's process dies between hours, and nothing is written twice."""
    assert_mixed(kinds, seed, crashes=crashes)


@pytest.mark.slow
@given(kinds=MIXES, seed=st.integers(0, 10**9))
@settings(max_examples=500)
def test_under_mixed_faults_an_intent_has_at_most_one_effect_many_times(kinds: list[str], seed: int) -> None:
    """The same, with crashes, at length."""
    assert_mixed(kinds, seed, crashes=True)


def assert_mixed(kinds: list[str], seed: int, *, crashes: bool) -> None:
    """The promises, where every account has faults of all ``kinds``."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
        play = Play(Path(folder), dict.fromkeys(NAMES, kinds), chance=0.7, seed=seed)
        lived(play, np.random.default_rng(seed), crashes=crashes)
        assert_promises(play)


@pytest.mark.parametrize(
    ("kind", "outcome", "effects"),
    [
        ("reply_lost", "unknown", 1),
        ("applied_late", "unknown", 0),
        ("replied_twice", "applied", 1),
        ("stale_read", "unknown", 1),
        ("slow", "unknown", 1),
        ("quota", "void", 0),
        ("daily_quota", "void", 0),
        ("no_effect", "unknown", 0),
        ("turned_back", "unknown", 1),
        ("expired_token", "void", 0),
    ],
)
def test_what_is_known_after_the_call(kind: str, outcome: str, effects: int, tmp_path: Path) -> None:
    """Void only where it is certain; a success that does not show stays open while readings may be old."""
    play = Play(tmp_path, {"meta": [kind]})
    assert [outcome] == play.hour(budget(5 * UNIT, channel=1), tick=0)
    assert effects == len(play.applied)


@pytest.mark.parametrize(
    ("kind", "state"),
    [
        ("reply_lost", "applied"),
        ("applied_late", "applied"),
        ("stale_read", "applied"),
        ("slow", "applied"),
        ("no_effect", "unverified"),
        ("turned_back", "unverified"),
    ],
)
def test_what_is_open_is_decided_by_reading(kind: str, state: str, tmp_path: Path) -> None:
    """Not later than the platform's own hours after the write, and it is never sent again."""
    play = Play(tmp_path, {"meta": [kind]})
    play.hour(budget(5 * UNIT, channel=1), tick=0)
    play.faulty["meta"].heal()
    for tick in range(1, SETTLES_H + 1):
        play.hour(tick=tick)
    assert [state] == play.states()
    assert play.agrees()
    assert 1 == len(play.faulty["meta"].received)


def test_where_everything_shows_at_once_a_success_without_effect_is_unverified_at_once(tmp_path: Path) -> None:
    """The embedded market's own terms: calls one after the other, answered from one memory."""
    play = Play(tmp_path, {"meta": ["no_effect"]}, settles_h=0)
    assert ["unverified"] == play.hour(budget(5 * UNIT, channel=1), tick=0)
    assert ["unverified"] == play.states()


@pytest.mark.parametrize("kind", fault_kinds)
def test_one_accounts_failure_leaves_the_others_alone(kind: str, tmp_path: Path) -> None:
    """Whatever happens to one, all writes of the three others are applied in the same call."""
    play = Play(tmp_path, {"tiktok": [kind]})
    admission, written = asyncio.run(play.write(*everywhere(5 * UNIT), tick=0))
    others = admission.effects.channel != NAMES.index("tiktok")
    assert {"applied"} == set(written.outcome[others].tolist())
    assert set(written.failed) <= {"tiktok"}
    assert 3 * ROWS == int((play.market.settings.budget == 5 * UNIT)[:, [0, 1, 3]].sum())


@pytest.mark.parametrize(
    ("kind", "error"),
    [("slow", TimedOut), ("reply_lost", TimedOut), ("daily_quota", OverQuota), ("expired_token", Refused)],
)
def test_the_failure_is_told(kind: str, error: type[Exception], tmp_path: Path) -> None:
    """By account, for the log and for the quota."""
    play = Play(tmp_path, {"tiktok": [kind]})
    _, written = asyncio.run(play.write(*everywhere(5 * UNIT), tick=0))
    assert ["tiktok"] == list(written.failed)
    assert isinstance(written.failed["tiktok"], error)


def test_a_reply_to_another_call_is_not_believed(tmp_path: Path) -> None:
    """The second answer to an earlier call comes in place of this one's, which so is unknown until it is read."""
    play = Play(tmp_path, {"meta": ["replied_twice"]})
    assert ["applied"] == play.hour(budget(5 * UNIT, channel=1), tick=0)
    play.faulty["meta"].heal()
    assert ["unknown"] == play.hour(bid(UNIT, channel=1), tick=1)
    play.hour(tick=2)
    assert ["applied", "applied"] == play.states()


def test_an_open_write_keeps_its_campaign_shut_but_for_pauses(tmp_path: Path) -> None:
    """Other campaigns go on, on the same account."""
    play = Play(tmp_path, {})
    play.hour(status(1), status(1, campaign=1), tick=0)
    play.faulty["google_ads"].fail("applied_late")
    assert ["unknown"] == play.hour(budget(9 * UNIT), tick=1)
    play.faulty["google_ads"].heal()
    admission, written = asyncio.run(play.write(bid(UNIT), status(0), bid(UNIT, campaign=1), tick=1))
    assert {"settled": 1} == dict(admission.refused)
    assert ["applied", "applied"] == written.outcome.tolist()


@pytest.mark.parametrize("name", NAMES)
def test_a_write_that_the_platform_would_refuse_is_void_and_never_sent(name: str, tmp_path: Path) -> None:
    """Our own check stands in where a platform has no dry run."""
    play, channel = Play(tmp_path, {}), NAMES.index(name)
    one = play.embedded[name]
    one.capabilities = replace(one.capabilities, unit=UNIT // 100, least_budget=2 * UNIT)
    rows = (bid(123, channel=channel), budget(UNIT, channel=channel), bid(UNIT, campaign=1, channel=channel))
    assert ["void", "void", "applied"] == play.hour(*rows, tick=0)
    assert ["void", "void", "applied"] == play.states()
    assert [(0, 3)] == play.faulty[name].received


def test_after_a_crash_a_late_write_is_waited_for_anew(tmp_path: Path) -> None:
    """Nobody knows any more when it was sent, so the platform's hours are counted from the new life."""
    play = Play(tmp_path, {"meta": ["no_effect"]})
    play.hour(budget(5 * UNIT, channel=1), tick=0)
    play.begin()
    play.faulty["meta"].heal()
    states = []
    for tick in range(5, 5 + SETTLES_H + 1):
        play.hour(tick=tick)
        states += play.states()
    assert ["intended"] * SETTLES_H + ["void"] == states
