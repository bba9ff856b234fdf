"""Damage to a journal's file: flipped bits, a missing end."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import strategies as st

from tests.observe.runs import play

Damage = tuple[list[tuple[float, int]], float | None]
"""Bits that are flipped, by place in the file and in the byte; and how much of the file is left, None for all."""
DAMAGE: st.SearchStrategy[Damage] = st.tuples(
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 7)), max_size=6), st.none() | st.floats(0, 1)
)


def whole_journal() -> bytes:
    """A small run's."""
    with tempfile.TemporaryDirectory() as folder:
        play(Path(folder)).close()
        return (Path(folder) / "journal.sqlite").read_bytes()


def put(path: Path, whole: bytes, damage: Damage) -> None:
    """The journal at ``path``, as it is afterwards."""
    for rest in path.parent.glob(f"{path.name}*"):
        rest.unlink(missing_ok=True)  # a connection that is let go of takes its own with it
    file, (flips, end) = bytearray(whole), damage
    for place, bit in flips:
        file[int(place * (len(file) - 1))] ^= 1 << bit
    path.write_bytes(bytes(file if end is None else file[: int(end * len(file))]))
