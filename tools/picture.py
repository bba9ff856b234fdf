"""Draw a run's table as an SVG for the README: python tools/picture.py runs/demo.json docs/images/demo.svg."""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console

from swarm.cli.views import results

WIDTH = 132


def picture(run: Path) -> str:
    """The table of the run in ``run`` (written by `swarm run --json`) as an SVG that loads nothing from outside."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    found = json.loads(run.read_text())
    console.print(results({**found, "folder": f"runs/{Path(found['folder']).name}"}))
    return re.sub(r"@font-face \{.*?\}\s*", "", console.export_svg(title="make demo"), flags=re.DOTALL)


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(picture(Path(sys.argv[1])))
