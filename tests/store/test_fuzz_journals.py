"""A journal whose bits were flipped or whose end is missing gives one clear error, or works."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import strategies as st

from swarm.cli import explain, report, tune
from swarm.effects.door import Door
from swarm.errors import SwarmError
from swarm.platforms.channels import FOUR
from swarm.store.journal import Journal
from tests.effects.doors import CREATIVES, began
from tests.fuzz import TIERS, each
from tests.observe.runs import BERLIN, CAMPAIGNS, play

CLEAR = (sqlite3.DatabaseError, ValueError, SwarmError)
"""What reading a damaged journal may raise."""


@pytest.fixture(scope="module")
def whole() -> Iterator[bytes]:
    """A small run's journal."""
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder)).close()
        yield (Path(folder) / "journal.sqlite").read_bytes()


Damage = tuple[list[tuple[float, int]], float | None]
"""Bits that are flipped, by place in the file and in the byte; and how much of the file is left, None for all."""
DAMAGE: st.SearchStrategy[Damage] = st.tuples(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), max_size=6), st.none() | st.floats(0, 1)
)


def damaged(whole: bytes, damage: Damage) -> bytes:
    """The file afterwards."""
    file, (flips, end) = bytearray(whole), damage
    for place, bit in flips:
        file[int(place * (len(file) - 1))] ^= 1 << bit
    return bytes(file if end is None else file[: int(end * len(file))])


@TIERS
def test_a_damaged_journal_lets_nothing_pass_or_works(examples: int, whole: bytes, tmp_path: Path) -> None:
    """The door is rebuilt from it, or says why not."""
    path = tmp_path / "journal.sqlite"

    def check(damage: Damage) -> None:
        for rest in tmp_path.glob("journal.sqlite*"):
            rest.unlink()
        path.write_bytes(damaged(whole, damage))
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


@TIERS
def test_commands_tell_of_damage_in_one_line(examples: int, whole: bytes, tmp_path: Path) -> None:
    """What people read a run with ends with an error of its own, never with a traceback."""

    def check(drawn: tuple[Damage, tuple[click.Command, tuple[str, ...]]]) -> None:
        damage, (command, words) = drawn
        (tmp_path / "journal.sqlite").write_bytes(damaged(whole, damage))
        result = CliRunner().invoke(command, [*words, "--folder", str(tmp_path)])
        error = result.exception
        assert error is None or isinstance(error, (SystemExit, *CLEAR)), repr(error)

    commands = st.sampled_from([(explain.command, (BERLIN.name,)), (tune.history, ()), (report.command, ())])
    each(st.tuples(DAMAGE, commands), check, examples)
