"""The embedded market's own log as a file: who holds it, what delivers by it, and pauses appended to it.

The process that runs the market holds the file by a shared lock, which ends with the process. Whoever gets it alone may
append: the market takes what it reads there for its past.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from swarm.effects.proposals import Field

Cell = tuple[int, int]
"""Campaign and channel."""


def hold_if_free(path: Path) -> TextIO | None:
    """The log, to append to, held until it is closed; None where a market holds it."""
    file = path.open("a", encoding="utf-8")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file


def delivering(path: Path) -> list[Cell]:
    """What delivers, by the newest status of each campaign and channel."""
    status: dict[Cell, int] = {}
    for _, effects in _effects(path):
        _, campaign, channel, field, _, value = effects
        at = field == Field.STATUS
        cells = zip(campaign[at].tolist(), channel[at].tolist(), strict=True)
        status.update(zip(cells, value[at].tolist(), strict=True))
    return sorted(cell for cell, on in status.items() if on)


def append_pauses(file: TextIO, path: Path, cells: list[Cell], ids: list[int], who: str, tick: int) -> None:
    """Pause ``cells`` in market hour ``tick``, or in the log's last one if that is later; durable when this returns.

    The log is held as ``file``. ``ids``: the intents of the pauses; where it is empty they are ``who``'s own.
    """
    torn = path.read_bytes().rpartition(b"\n")[2]
    os.truncate(path, path.stat().st_size - len(torn))  # never acknowledged; the market drops it too
    last = max((tick for tick, _ in _effects(path)), default=0)
    campaigns, channels = (list(part) for part in zip(*cells, strict=True))
    count = len(cells)
    columns = [ids or [-1] * count, campaigns, channels, [int(Field.STATUS)] * count, [-1] * count, [0] * count]
    file.write(json.dumps({"tick": max(tick, last), "effects": columns, **({} if ids else {"by": who})}) + "\n")
    file.flush()
    os.fsync(file.fileno())


def _effects(path: Path) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Market hour and [6, n] table of every batch that was applied, in order; a torn last line is left out."""
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    for text in whole.splitlines():
        line: dict[str, Any] = json.loads(text)
        if "effects" in line:
            yield line["tick"], np.array(line["effects"], dtype=np.int64).reshape(6, -1)
