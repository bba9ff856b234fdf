"""Whatever is proposed, the door answers by name, and what it lets pass is whole and within the caps."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import strategies as st

from swarm.effects.door import Door
from swarm.platforms.channels import FOUR
from swarm.store.journal import Journal
from tests.effects.checker import BUDGET
from tests.effects.doors import ALWAYS, CREATIVES, Row, limits, proposals
from tests.effects.published import FACTOR, PLATFORMS
from tests.fuzz import TIERS, each

ROWS, CAP = 2, 1000
EDGES = (0, 1, -1, 2, 100, CAP, CAP + 1, 2**31, 2**53, 2**62 - 1, 2**62, 2**63 - 1, -(2**62), -(2**63))
VALUES = st.one_of(st.sampled_from(EDGES), st.integers(-(2**63), 2**63 - 1), st.integers(-5, 2 * CAP))
PLACES = st.one_of(st.integers(-1, 4), st.sampled_from([-(2**31), 2**31 - 1]))
BATCHES = st.lists(
    st.tuples(PLACES, PLACES, st.integers(-128, 127) | st.integers(0, 3), st.integers(-(2**15), 2**15 - 1) | st.integers(-1, 3), VALUES),
    max_size=8,
)  # fmt: skip


def check(batch: list[Row]) -> None:
    """Every row has one answer in the journal; what passes leaves the day's worst case within the cap."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(":memory:"))
        door = Door(Path(folder), journal, FOUR, ROWS, CREATIVES)
        given = limits(ROWS, daily_exposure=CAP, month_left=20, life_left=300)
        admission = door.open(proposals(batch), given, ALWAYS, 0)
        rows = journal.intents()
        journal.close()
    assert len(batch) == len(rows) + admission.unchanged
    assert len(admission.effects) == sum(not row[12] for row in rows)
    worst = [0] * ROWS
    for _, campaign, channel, field, _, _, new, *_, refused_by, _, _ in rows:
        if field == BUDGET and not refused_by:
            numerator, denominator = FACTOR[PLATFORMS[channel]]
            worst[campaign] += -(-new * numerator // denominator)
            assert new >= 0
    assert max(worst) <= CAP


@TIERS
def test_any_proposals(examples: int) -> None:
    """Any indices, fields and values, to the ends of their types."""
    each(BATCHES, check, examples)
