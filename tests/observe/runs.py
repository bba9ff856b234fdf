"""A small run for tests, written by the real door: two campaigns, three days, something of everything.

Market hour 0 is the first campaign's midnight of 2 March 2026 in Berlin.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from swarm.effects.door import Door
from swarm.effects.proposals import Field, Proposals
from swarm.observe.explain import Event, clock_of, explain
from swarm.observe.span import HOUR
from swarm.platforms.channels import FOUR
from swarm.spec.campaign import Campaign, load_campaigns
from swarm.store.journal import Journal
from tests.effects.doors import ALWAYS, CREATIVES, UNIT, ask, bid, budget, limits, status, weight, write

EXAMPLES = Path(__file__).parents[2] / "configs" / "campaigns"
CAMPAIGNS = load_campaigns([EXAMPLES])[:2]
BERLIN = CAMPAIGNS[0]
START = datetime(2026, 3, 1, 23, tzinfo=UTC)
DAYS = 3
FROZEN = 30
"""The hour in which the mode changes."""
PROOF = {
    "price": 2.0,
    "marginal": {"google_ads": 2.0, "meta": 1.0},
    "at_minimum": ["meta"],
    "at_maximum": [],
    "gain_over_equal": 7.0,
    "gain_over_current": 0.5,
}


def submit(journal: Journal, campaigns: list[Campaign] = CAMPAIGNS) -> None:
    """Let the journal know its campaigns."""
    journal.submit((row, c.name, c.digest(), c.model_dump_json(by_alias=True), 0) for row, c in enumerate(campaigns))


def hours(journal: Journal, count: int) -> None:
    """Keep so many hours: STABLE, from ``FROZEN`` on in FREEZE, with a proof at the end of each day."""
    for tick in range(count):
        mode, coherence = ("STABLE", 1.0) if tick < FROZEN else ("FREEZE", 0.1)
        evidence: dict[str, Any] = {"culprits": [BERLIN.name] if tick == FROZEN else []}
        if tick % 24 == 23:
            evidence["allocation"] = {BERLIN.name: PROOF}
        journal.tick(tick, (START + tick * HOUR).isoformat(), mode, coherence, evidence)


def play(folder: Path) -> Journal:
    """All of it; the last write is open still."""
    journal = Journal(folder / "journal.sqlite")
    submit(journal)
    one = Door(folder, journal, FOUR, len(CAMPAIGNS), CREATIVES)
    write(one, budget(100 * UNIT), bid(UNIT), weight(250_000, 1), status(1), tick=24)
    write(one, bid(UNIT, campaign=1), tick=24)
    for hour in range(25, 29):
        write(one, bid(UNIT + hour), weight(250_000 + hour, 1), tick=hour)
    write(one, budget(150 * UNIT), limits=limits(len(CAMPAIGNS), max_step=0.2), tick=29)
    one.close(ask(one, bid(3 * UNIT), limits=_wide(), tick=31), np.array([2 * UNIT]))
    ask(one, bid(4 * UNIT), limits=_wide(), tick=32)
    one.settle(one.unsettled(), np.array([2 * UNIT]))
    down = Proposals.pauses(one.ledger.status, reason="down")
    assert {Field.STATUS} == set(down.field.tolist())
    one.close(one.open(down, _wide(), ALWAYS, 48), np.array([0]))
    ask(one, bid(5 * UNIT), limits=_wide(), tick=24 * DAYS)
    hours(journal, 24 * DAYS)
    journal.outcomes((tick, 0, 0, 10.0 if tick < 24 else 20.0, 1.0, 0.5) for tick in range(24 * DAYS - 2))
    return journal


def story(journal: Journal, first: int = 0, end: int = 10**6) -> list[Event]:
    """The first campaign's."""
    return explain(journal, 0, BERLIN, clock_of(journal, BERLIN), first, end)


def _wide() -> Any:
    return limits(len(CAMPAIGNS))
