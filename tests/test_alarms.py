"""What charts say that stand above their limits."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from policies.frames import Evidence, Floats
from policies.health import Charts, coherence, limit
from swarm.alarms import Alarm, alarms
from swarm.spec.config import Health

NAMES = ("google_ads", "meta")
ROWS, CLICKS, RATE, KEEP = 3, 40.0, 0.05, np.full(3, 0.994)
USUAL = np.full(2, CLICKS * RATE)
"""[C] conversions of an hour, of each campaign."""


def played(charts: Charts, item: Evidence, hours: list[tuple[Floats, Floats]]) -> tuple[Charts, Evidence, Floats]:
    """Some hours of conversions [C] of each campaign, and of what each channel sold [C]; the last coherence."""
    seen = np.ones(1)
    for got, sold in hours:
        clicks, fresh = np.full((ROWS, 2, 1), CLICKS), np.zeros((ROWS, 2, 5))
        conversions = np.broadcast_to(got[:, None], (ROWS, 2, 1))
        fresh[..., 0], fresh[..., 2] = 1.0, sold
        totals = item.totals + np.stack([clicks, clicks, conversions], axis=-1)
        item = replace(item, tick=item.tick + 1, totals=totals, pattern=KEEP[:, None, None] * item.pattern + fresh)
        rates, account = np.full((ROWS, 2, 1), RATE), np.zeros(ROWS, dtype=np.int64)
        charts, seen = charts.step(item, rates, account, keep=KEEP)
    return charts, item, seen


@pytest.fixture
def settled() -> tuple[Charts, Evidence]:
    """Two days as usual."""
    plane, cells = np.zeros((ROWS, 2)), np.zeros((ROWS, 2, 1))
    item = Evidence(
        tick=np.full(2, -1), day=np.zeros((ROWS, 2), dtype=np.int32), conversions=cells, matured_clicks=cells,
        clicks=cells, impressions=cells, spend_scale=plane, cost_share=plane, cost_per_click=plane, elasticity=plane,
        pattern=np.zeros((ROWS, 2, 5)), spent_today=plane, totals=np.zeros((ROWS, 2, 1, 3)), cost=plane,
        residual=np.full((ROWS, 4), np.nan),
    )  # fmt: skip
    return played(Charts.empty((ROWS, 2, 1)), item, [(USUAL, np.ones(2))] * 48)[:2]


def test_as_usual_there_are_none(settled: tuple[Charts, Evidence]) -> None:
    """Nothing is above its limit."""
    assert [] == alarms(settled[0], NAMES, Health())


def test_conversions_that_fail_on_one_channel(settled: tuple[Charts, Evidence]) -> None:
    """The chart is of the whole portfolio; its parts say where, and the hours since when."""
    charts, _, seen = played(*settled, [(USUAL * [0.0, 0.7], np.ones(2))] * 3)
    (alarm,) = alarms(charts, NAMES, Health())
    assert ("conversions", "", 3) == (alarm.chart, alarm.channel, alarm.hours)
    assert 0.35 == pytest.approx(alarm.ratio)
    assert {"google_ads": 0.0, "meta": pytest.approx(0.7)} == alarm.parts
    assert charts.tracking.level[0] == alarm.level > alarm.limit
    assert seen[0] < Health().stable
    assert "all channels: conversions 35 % of what clicks promised over the last 3 h" in str(alarm)
    assert str(alarm).endswith("; google_ads 0 %, meta 70 %")


def test_conversions_that_cease_are_above_the_limit_of_freeze(settled: tuple[Charts, Evidence]) -> None:
    """The limit that is told is that of the mode which they bring about."""
    charts, _, seen = played(*settled, [(0.0 * USUAL, np.ones(2))] * 2)
    (alarm,) = alarms(charts, NAMES, Health())
    assert limit(Health().freeze) == alarm.limit < alarm.level
    assert seen[0] < Health().freeze


def test_a_channel_that_sells_twice_as_much(settled: tuple[Charts, Evidence]) -> None:
    """Named with the factor; the other channel, which sold as always, is not."""
    (alarm,) = alarms(played(*settled, [(USUAL, np.array([1.0, 2.0]))])[0], NAMES, Health())
    assert ("volume", "meta", 1) == (alarm.chart, alarm.channel, alarm.hours)
    assert 2.0 == pytest.approx(alarm.ratio)
    assert str(alarm).startswith("meta: prices and volume 200 % of the hours before at the same bid (chart ")


def test_a_jump_is_told_in_its_own_hour_alone(settled: tuple[Charts, Evidence]) -> None:
    """When the channel says nothing new, there is nothing to be told."""
    charts, item, _ = played(*settled, [(USUAL, np.array([1.0, 2.0]))])
    still, _ = charts.step(item, np.full((ROWS, 2, 1), RATE), np.zeros(ROWS, dtype=np.int64), keep=np.ones(ROWS))
    assert [] == alarms(still, NAMES, Health())


def test_alarms_survive_json(settled: tuple[Charts, Evidence]) -> None:
    """The journal keeps them so, and `swarm explain` reads them."""
    found = alarms(played(*settled, [(0.3 * USUAL, np.array([0.4, 1.0]))] * 4)[0], NAMES, Health())
    assert found
    assert found == [Alarm(**each) for each in json.loads(json.dumps([asdict(alarm) for alarm in found]))]


@pytest.mark.parametrize("at", [0.05, 0.3, 0.5, 0.8, 0.95])
def test_a_limit_is_where_coherence_falls_below(at: float) -> None:
    """Both ways along one scale."""
    assert at == pytest.approx(float(coherence(np.exp(-limit(at)))))
