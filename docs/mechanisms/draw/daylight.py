"""A chart as a file that looks well by day and by night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from swarm.observe.report.charts import Frame, Line, picture
from swarm.observe.report.markup import Html, el

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
    frame = Frame(720.0, 320.0, max(max(line.values) for line in given), left=56.0, right=150.0)
    places = [frame.x((i + 0.5) / len(labels)) for i in range(len(labels))]
    marks = [el("text", label, x=x, y=314, class_="middle-at") for x, label in zip(places, labels, strict=True)]
    drawn = [_curve(frame, places, line) for line in given]
    parts = (el("style", _STYLE.replace("\n", " ")), *_levels(frame), *drawn, *_names(frame, given), *marks)
    body = picture(frame.width, frame.height, title, *parts)
    (FOLDER / f"{name}.svg").write_text(body.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg" width="720"', 1))


def _curve(frame: Frame, places: Sequence[float], line: Line) -> Html:
    points = " ".join(f"{x:g},{frame.y(value):g}" for x, value in zip(places, line.values, strict=True))
    return el("polyline", points=points, class_=f"line {line.look}")


def _levels(frame: Frame) -> Iterator[Html]:
    for part in (0.0, 0.5, 1.0):
        y = frame.y(part * frame.top_value)
        yield el("line", x1=frame.left, x2=frame.width - frame.right, y1=y, y2=y, class_="grid")
        yield el("text", f"{part * frame.top_value:.2g}", x=frame.left - 6, y=y + 4, class_="end")


def _names(frame: Frame, given: Sequence[Line]) -> Iterator[Html]:
    """At the right end of each line, the lower ones moved up so that none lies on another."""
    free = frame.height
    for line in sorted(given, key=lambda line: line.values[-1]):
        free = min(frame.y(line.values[-1]) + 4, free - 16)
        yield el("text", line.name, x=frame.width - frame.right + 8, y=round(free, 2), class_=f"name {line.look}")
