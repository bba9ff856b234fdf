"""A chart as a file that looks well by day and by night."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swarm.observe.report.charts import Line, lines
from swarm.observe.report.markup import el

FOLDER = Path(__file__).parents[1]
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #555 } .end { text-anchor: end } .middle-at { text-anchor: middle }
.grid { stroke: #ccc } .line { fill: none; stroke-width: 2.2; stroke-linejoin: round } .name { font-weight: 600 }
.line.a { stroke: #2166ac } .name.a { fill: #2166ac } .line.b { stroke: #b2580a } .name.b { fill: #b2580a }
.line.c { stroke: #4d8a3a } .name.c { fill: #4d8a3a } .line.d { stroke: #8a4fa0 } .name.d { fill: #8a4fa0 }
@media (prefers-color-scheme: dark) {
text { fill: #aaa } .grid { stroke: #444 }
.line.a { stroke: #6fb1ee } .name.a { fill: #6fb1ee } .line.b { stroke: #f0a35e } .name.b { fill: #f0a35e }
.line.c { stroke: #8fd07a } .name.c { fill: #8fd07a } .line.d { stroke: #cf9be2 } .name.d { fill: #cf9be2 }
}
"""


def save(name: str, given: Sequence[Line], *, labels: Sequence[str], title: str) -> None:
    """Write ``given``, one point a label, as ``docs/mechanisms/<name>.svg``."""
    width, height = 720.0, 320.0
    body = lines(given, labels=labels, title=title, width=width, height=height)
    style, shape = el("style", _STYLE.replace("\n", " ")), f'xmlns="http://www.w3.org/2000/svg" width="{width:g}"'
    (FOLDER / f"{name}.svg").write_text(
        body.replace("<svg", f"<svg {shape}", 1).replace("</title>", f"</title>{style}", 1)
    )
