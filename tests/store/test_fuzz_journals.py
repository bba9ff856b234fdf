"""A journal whose bits were flipped or whose end is missing gives one clear error, or works."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import strategies as st

from swarm.cli.main import cli
from swarm.effects.door import Door
from swarm.errors import SwarmError
from swarm.platforms.channels import FOUR
from swarm.store.journal import Journal
from tests.effects.doors import CREATIVES, began
from tests.fuzz import TIERS, each
from tests.observe.runs import BERLIN, CAMPAIGNS
from tests.store.damage import DAMAGE, Damage, put, whole_journal

CLEAR = (sqlite3.DatabaseError, ValueError, SwarmError)
"""What reading a damaged journal may raise."""


@pytest.fixture(scope="module")
def whole() -> bytes:
    """A small run's journal."""
    return whole_journal()


@TIERS
def test_a_damaged_journal_lets_nothing_pass_or_works(examples: int, whole: bytes, tmp_path: Path) -> None:
    """The door is rebuilt from it, or says why not."""
    path = tmp_path / "journal.sqlite"

    def check(damage: Damage) -> None:
        put(path, whole, damage)
        try:
            journal = Journal(path)
        except CLEAR:
            return
        try:
            door = Door(tmp_path, journal, FOUR, len(CAMPAIGNS), CREATIVES)
            door.unsettled()
            door.restore(began(np.full(len(CAMPAIGNS), 48)), 72)
        except CLEAR:
            pass
        finally:
            journal.close()

    each(DAMAGE, check, examples)


def assert_no_traceback(words: tuple[str, ...]) -> None:
    """A command has answered, or has said in a line why not."""
    answer = CliRunner().invoke(cli, list(words))
    assert answer.exception is None or isinstance(answer.exception, SystemExit | SwarmError), answer.exc_info


COMMANDS = (("explain", BERLIN.name), ("plan",), ("drift",), ("tune", "history"), ("rollback", "--hour", "30"))


@TIERS
def test_commands_on_a_damaged_journal_say_so_in_a_line_or_work(
    examples: int, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a traceback."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "swarm"
    folder.mkdir(parents=True)

    def check(example: tuple[Damage, tuple[str, ...]]) -> None:
        damage, words = example
        put(folder / "journal.sqlite", whole, damage)
        assert_no_traceback(words)

    each(st.tuples(DAMAGE, st.sampled_from(COMMANDS)), check, examples)


TYPED = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
"""What a shell can hand on."""
SPAN = TYPED | st.sampled_from(["3d", "12h", "2026-03-02", "2026-03-02T05", "99999d", "0001-01-01"])
HOUR = st.integers(-3, 10**20).map(str) | TYPED
WORDS = st.one_of(
    st.tuples(st.just("explain"), st.just(BERLIN.name) | TYPED, st.just("--since"), SPAN, st.just("--until"), SPAN),
    st.tuples(
        st.sampled_from(["approve", "apply", "reject", "rollback"]), TYPED | st.text("0123456789abcdef", min_size=8)
    ),
    st.tuples(st.just("rollback"), st.sampled_from(["--campaign", "--hour"]), HOUR | st.just(BERLIN.name)),
    st.tuples(st.just("replay"), TYPED, st.just("--from"), HOUR),
    st.tuples(st.just("audit"), st.sampled_from(["verify", "export"]), TYPED),
    st.tuples(st.sampled_from(["plan", "drift", "explain", "report"]), st.just("--folder"), TYPED),
    st.lists(TYPED, max_size=3).map(tuple),
)


@TIERS
def test_whatever_people_type_is_answered_in_a_line(
    examples: int, whole: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a traceback."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "swarm"
    folder.mkdir(parents=True)
    (folder / "journal.sqlite").write_bytes(whole)

    each(WORDS, assert_no_traceback, examples)
