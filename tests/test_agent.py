"""A specialist's proposals and the door's guards agree on how far a step goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from policies.clock import Traffic
from policies.frames import Plan
from policies.health import Mode
from swarm import portfolio
from swarm.agent import Agent, InForce, Steps
from swarm.effects.door import Door
from swarm.effects.lease import Lease
from swarm.effects.limits import NO_CAP, Limits
from swarm.effects.proposals import Field, Proposals
from swarm.platforms.calendar import Calendar
from swarm.platforms.channels import FOUR
from swarm.platforms.phases import significant
from swarm.platforms.traffic import HOUR_OF_WEEK
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.store.journal import Journal

EXAMPLES = Path(__file__).parents[1] / "configs" / "campaigns"
STEP, BID_STEP = 0.5, 0.3


@pytest.fixture(scope="module")
def campaigns() -> list[Campaign]:
    return load_campaigns([EXAMPLES])


def _limits(campaigns: list[Campaign]) -> Limits:
    """The campaigns' own, but for caps and steps."""
    calendar = Calendar(date(2026, 3, 2), [c.time_zone for c in campaigns])
    known = portfolio.limits_at(portfolio.limits(campaigns, FOUR), campaigns, FOUR, calendar, 0)
    wide = np.full(len(campaigns), NO_CAP // 2**12)
    step, bid = np.full(len(campaigns), STEP), np.full(len(campaigns), BID_STEP)
    return replace(
        known, daily_exposure=wide, daily_nominal=wide, monthly=wide, lifetime=wide, budget_max=wide,
        max_step=step, max_bid_step=bid, max_day_change=np.full(len(campaigns), 10.0),
    )  # fmt: skip


def _launch(campaigns: list[Campaign], rng: np.random.Generator) -> Proposals:
    """First budgets and bids of all channels; odd numbers of micros on purpose."""
    low, high = np.array([c.bid_bounds_micros for c in campaigns]).T
    rows, channels = (index.ravel() for index in np.indices((len(campaigns), len(FOUR))))
    bids = np.array([rng.integers(low[r], high[r] + 1) for r in rows])
    parts = [(Field.BUDGET, rng.integers(1, 10**9, len(rows))), (Field.BID, bids), (Field.STATUS, np.ones(len(rows)))]
    count, nothing = len(rows), np.zeros(len(rows))
    return Proposals.concat(
        [
            Proposals(
                rows.astype(np.int32), channels.astype(np.int32), np.full(count, field, np.int8),
                np.full(count, -1, np.int16), new.astype(np.int64), np.full(count, "launch"), nothing, nothing,
            )
            for field, new in parts
        ]
    )  # fmt: skip


def _plan(shape: tuple[int, int, int], rng: np.random.Generator) -> Plan:
    rows, channels, creatives = shape
    return Plan(
        price=rng.uniform(0.01, 10.0, rows),
        click_value=rng.uniform(0.001, 1.0, (rows, channels)),
        budget=rng.uniform(0.0, 2000.0, (rows, channels)),
        rebudget=np.ones(rows, dtype=np.bool_),
        rotation=rng.dirichlet(np.ones(creatives), (rows, channels)),
        deliver=np.ones(rows, dtype=np.bool_),
    )


@given(seed=st.integers(0, 2**32 - 1), mode=st.sampled_from([Mode.STABLE, Mode.CAUTIOUS]))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_door_lets_a_specialists_steps_pass(
    seed: int, mode: Mode, campaigns: list[Campaign], tmp_path: Path
) -> None:
    """Up or down, from odd micros, whole or half: no proposal is refused for its step, all are whole units, and none is
    an edit that a platform would learn anew after, but where a whole unit is that much, or a budget buys clicks."""
    rng, known, limits = np.random.default_rng(seed), portfolio.portfolio(campaigns, FOUR), _limits(campaigns)
    door = Door(tmp_path, Journal(tmp_path / f"{rng.integers(2**63)}.sqlite"), FOUR, *known.shape[::2])
    start = Lease(1, Mode.STABLE, True, 1, 10)
    launched = door.open(_launch(campaigns, rng), limits, start, 0)
    door.close(launched, launched.effects.value)
    agent = Agent("all", slice(0, len(FOUR)))
    hour = np.zeros(len(campaigns), dtype=np.int32)
    traffic, keep = Traffic(HOUR_OF_WEEK), np.ones(known.shape[0])
    seen = agent.observe(known, None, hour, np.ones(known.shape), traffic=traffic, keep=keep, trust=True)
    ledger, count = door.ledger, len(campaigns)
    now = InForce(ledger.budget, ledger.bid, ledger.weight, ledger.status, ledger.highest)
    unit = portfolio.steps(campaigns).unit
    steps = Steps(np.full(count, STEP), np.full(count, BID_STEP), np.zeros(count), unit)
    lease = replace(start, mode=mode)
    asked: Any = agent.propose(known, seen, _plan(known.shape, rng), now, steps, lease, rng)
    assert len(asked) > count
    assert "step" not in door.open(asked, limits, lease, 0).refused
    money = asked.take(np.isin(asked.field, (Field.BUDGET, Field.BID)))
    assert not (money.new % unit[money.campaign]).any()
    old, a_unit = ledger.value(money.field, money.campaign, money.channel, money.creative), unit[money.campaign]
    nearly = np.where(money.new > old, money.new - a_unit, money.new + a_unit)
    edit = (old > 0) & (money.new > 0) & (np.abs(money.new - old) > a_unit)
    learns = (known.unit_value[money.campaign] > 0) | (money.field == Field.BID)
    assert not (significant(old, nearly, known.significant_edit[money.channel]) & edit & learns).any()


def test_each_currency_has_its_own_smallest_amount(campaigns: list[Campaign]) -> None:
    """A yen, a cent, a fils."""
    named = {c.currency: unit for c, unit in zip(campaigns, portfolio.steps(campaigns).unit.tolist(), strict=True)}
    assert (named["JPY"], named["USD"], named["EUR"]) == (1_000_000, 10_000, 10_000)
    kuwaiti = campaigns[0].model_copy(update={"currency": "KWD"})
    assert portfolio.steps([kuwaiti]).unit.tolist() == [1_000]
