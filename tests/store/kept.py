"""Journals that earlier versions of the program kept, as they left them.

``before_charts`` is of two campaigns on the embedded market, seed 11, after 30 hours, at a version whose state had
neither charts nor what they watch; ``before_tuning`` of a finished day, at a version that knew no hyperparameters.
"""

from __future__ import annotations

import lzma
from pathlib import Path

_HERE = Path(__file__).parent / "journals"
HOURS = {"before_charts": 30, "before_tuning": 25}
"""How many each has."""


def unpacked(name: str, folder: Path) -> Path:
    """The run folder of journal ``name``, its market's log beside it where there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    for packed, file in ((f"{name}.sqlite", "journal.sqlite"), (f"{name}.market.jsonl", "market.jsonl")):
        if (source := _HERE / f"{packed}.xz").exists():
            (folder / file).write_bytes(lzma.decompress(source.read_bytes()))
    return folder
