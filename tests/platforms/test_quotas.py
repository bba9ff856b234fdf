"""The token bucket, the daily quota, and what is kept for pauses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.platforms.protocol import OverQuota, Rate
from swarm.platforms.quotas import UNLIMITED, Bucket, Room

HOUR_S, DAY_S = 3600.0, 86_400.0
RATE = Rate(per_s=0.01, burst=50, per_day=10_000)
START_S = 1_780_000_000.0 // DAY_S * DAY_S
"""A UTC midnight."""


@given(
    st.floats(0.001, 1.0), st.integers(1, 200), st.integers(1, 400),
    st.lists(st.tuples(st.floats(0.0, 7200.0), st.integers(0, 300)), min_size=1, max_size=60),
)  # fmt: skip
def test_no_span_of_time_gets_more_than_burst_and_rate_and_no_day_more_than_its_quota(
    per_s: float, burst: int, per_day: int, calls: list[tuple[float, int]]
) -> None:
    """Between any two calls, whatever was wished for: the published form of each platform's limit."""
    bucket, now_s, sent = Bucket(Rate(per_s, burst, per_day)), START_S, []
    for pause_s, wish in calls:
        now_s += pause_s
        count = max(min(wish, bucket.room(now_s)), 0)
        bucket.take(count, now_s)
        sent.append((now_s, count))
    for i in range(len(sent)):
        for j in range(i, len(sent)):
            total = sum(count for _, count in sent[i : j + 1])
            assert total <= burst + per_s * (sent[j][0] - sent[i][0]) + 1e-6
    days = {at // DAY_S for at, _ in sent}
    assert all(sum(count for at, count in sent if at // DAY_S == day) <= per_day for day in days)


def test_a_bucket_fills_with_time_and_no_further_than_its_size() -> None:
    """The rate a second, up to the burst."""
    bucket = Bucket(RATE)
    bucket.take(50, START_S)
    assert [0, 10, 50] == [bucket.room(START_S + s) for s in (0.0, 1000.0, DAY_S)]


def test_the_daily_quota_begins_anew_at_the_platforms_own_hour() -> None:
    """Eight hours after midnight where that is the platform's midnight."""
    bucket = Bucket(Rate(per_s=1.0, burst=100, per_day=60, reset_h=8))
    bucket.take(60, START_S)
    assert [0, 0, 60] == [bucket.room(START_S + h * HOUR_S) for h in (1, 7.99, 8)]


@pytest.mark.parametrize(("daily", "after_s"), [(False, 120.0), (True, 11 * HOUR_S)])
def test_after_the_platforms_own_no_nothing_is_sent_until_its_time(daily: bool, after_s: float) -> None:
    """Not even pauses, for they would be refused and cost more of it; also where no rate is known."""
    for bucket in (Bucket(RATE), Bucket(None)):
        bucket.refused(OverQuota(after_s, daily), START_S)
        assert 0 == bucket.room(START_S + after_s - 1.0)
        assert bucket.room(START_S + after_s) >= 50


def test_without_a_rate_there_is_no_limit() -> None:
    """The embedded market's own terms."""
    bucket = Bucket(None)
    bucket.take(10**6, START_S)
    assert (UNLIMITED, 0) == (bucket.room(START_S), bucket.kept())


def test_a_tenth_is_kept_for_pauses() -> None:
    """Of the burst, or of the day where that is less; rounded up."""
    assert 5 == Bucket(RATE).kept()
    assert 1 == Bucket(Rate(1.0, 50, 3)).kept()


def test_the_error_says_which_quota_and_when() -> None:
    """For the log."""
    assert "daily quota used up, retry after 3600 s" == str(OverQuota(3600.0, True))
    assert "short-term quota used up, retry after 60 s" == str(OverQuota(60.0))


def slowly(room: Room, channel: list[int], pausing: list[bool], alive: list[bool]) -> list[bool]:
    """The definition, one write after the other: pauses take what they need, others leave what is kept."""
    order = sorted(range(len(channel)), key=lambda i: not pausing[i])
    used, pauses = dict.fromkeys(range(len(room.left)), 0), dict.fromkeys(range(len(room.left)), 0)
    passed = [True] * len(channel)
    for i in order:
        if not alive[i]:
            continue
        account = int(room.account[channel[i]])
        kept = 0 if pausing[i] else max(int(room.kept[account]) - pauses[account], 0)
        passed[i] = used[account] < int(room.left[account]) - kept
        pauses[account] += pausing[i]
        used[account] += passed[i]
    return passed


@given(
    st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), max_size=40),
    st.lists(st.integers(0, 12), min_size=3, max_size=3), st.lists(st.integers(0, 4), min_size=3, max_size=3),
)  # fmt: skip
def test_room_is_given_to_pauses_first_and_then_in_order(
    writes: list[tuple[int, bool, bool]], left: list[int], kept: list[int]
) -> None:
    """Against the definition; two channels share an account."""
    room = Room(np.array([0, 1, 1, 2]), np.array(left), np.array(kept))
    channel, pausing, alive = [row[0] for row in writes], [row[1] for row in writes], [row[2] for row in writes]
    columns = np.array(channel, dtype=np.int32), np.array(pausing, dtype=bool), np.array(alive, dtype=bool)
    assert slowly(room, channel, pausing, alive) == room.fits(*columns).tolist()


def test_where_no_room_is_needed_all_fit() -> None:
    """Every channel as much as it likes."""
    channel = np.arange(4, dtype=np.int32)
    assert Room.none_needed(4).fits(channel, channel < 2, channel >= 0).all()
