"""What each hour was decided from, in the journal: one row an hour, and now and then the state before an hour.

A row holds facts as JSON and numbers as a compressed ``pack``; what they mean, ``swarm/replay/inputs.py`` knows.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swarm.store.journal import Journal, pack, unpack
from swarm.store.schema import INPUTS_SINCE

STATE_EVERY_H = 168
"""Market hours from one kept state to the next: a replay begins at one of them."""
_FAST = 1
Arrays = Mapping[str, NDArray[Any]]


def keep_inputs(journal: Journal, tick: int, facts: Mapping[str, Any], arrays: Arrays) -> None:
    """Keep what hour ``tick`` was decided from."""
    row = (tick, json.dumps(facts), zlib.compress(pack(arrays), _FAST))
    with journal.writing() as db:
        db.execute(
            "INSERT INTO inputs (tick, facts, arrays) VALUES (?, ?, ?)"
            " ON CONFLICT (tick) DO UPDATE SET facts = excluded.facts, arrays = excluded.arrays",
            row,
        )


def inputs_of(journal: Journal, tick: int) -> tuple[dict[str, Any], dict[str, NDArray[Any]]] | None:
    """Facts and arrays of hour ``tick``; None where it has none."""
    rows = _rows(journal, "SELECT facts, arrays FROM inputs WHERE tick = ?", (tick,))
    return (json.loads(rows[0][0]), unpack(zlib.decompress(rows[0][1]))) if rows else None


def hours_with_inputs(journal: Journal) -> tuple[int, int] | None:
    """The first hour that has inputs, and the hour after the last; None where no hour has any."""
    if journal.schema < INPUTS_SINCE:
        return None
    first, last = _rows(journal, "SELECT MIN(tick), MAX(tick) FROM inputs")[0]
    return None if first is None else (first, last + 1)


def keep_state(journal: Journal, tick: int) -> None:
    """Keep the newest state and heads once more, as those before hour ``tick``."""
    with journal.writing() as db:
        db.execute(
            "INSERT INTO states (tick, use_case, version, kept_tick, arrays)"
            " SELECT ?, use_case, version, tick, arrays FROM models WHERE 1 = 1"  # else ON would begin a join
            " ON CONFLICT (tick, use_case) DO NOTHING",
            (tick,),
        )


def state_before(journal: Journal, tick: int) -> tuple[int, list[tuple[str, int, int, dict[str, NDArray[Any]]]]]:
    """The newest hour up to ``tick`` with a kept state, and its heads: use case, version, hour, arrays; else -1."""
    found = _rows(journal, "SELECT COALESCE(MAX(tick), -1) FROM states WHERE tick <= ?", (tick,))[0][0]
    rows = _rows(journal, "SELECT use_case, version, kept_tick, arrays FROM states WHERE tick = ?", (found,))
    return int(found), [(name, version, kept, unpack(blob)) for name, version, kept, blob in rows]


def submitted(journal: Journal) -> list[int]:
    """The hour before which each campaign joined, by row."""
    return [row[0] for row in _rows(journal, "SELECT submitted_tick FROM campaigns ORDER BY row")]


def _rows(journal: Journal, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = journal._db.execute(statement, values).fetchall()
    return rows


def narrowed(name: str, array: NDArray[Any]) -> tuple[str, NDArray[Any]]:
    """``array`` in the smallest type that has all of its values exactly; micros are marked in the name."""
    if array.dtype == np.bool_ or not array.size:
        return name, array
    if array.dtype.kind in "iu":
        return name, array.astype(_smallest(array))
    for mark, scale in (("", 1.0), (_MICROS, 1e6)):
        whole = np.rint(array * scale)
        if np.isfinite(whole).all() and (np.abs(whole) < _EXACT).all() and (whole / scale == array).all():
            return name + mark, whole.astype(_smallest(whole))
    return name, array


def widened(arrays: Arrays) -> dict[str, NDArray[Any]]:
    """What ``narrowed`` made smaller; whole numbers stay whole."""
    return {
        name.removesuffix(_MICROS): array / 1e6 if name.endswith(_MICROS) else array for name, array in arrays.items()
    }


_MICROS, _EXACT = "/micros", 2.0**53
_SIGNED = tuple(np.dtype(f"int{bits}") for bits in (8, 16, 32, 64))


def _smallest(whole: NDArray[Any]) -> np.dtype[Any]:
    low, high = int(whole.min()), int(whole.max())
    if low >= 0:
        return np.min_scalar_type(high)
    return next(each for each in _SIGNED if np.iinfo(each).min <= low and high <= np.iinfo(each).max)
