"""The paper that pictures of mechanisms are drawn on: one file each, by day and by night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarm.observe.report.charts import Frame, Line
from swarm.observe.report.markup import Html, el

_DAY = ("#2563c9", "#d1603d", "#2a9d6f", "#8a6fc9")
_NIGHT = ("#7aa8f5", "#f09a7c", "#62d3a4", "#bba6f0")


def _looks(colours: Sequence[str]) -> str:
    """Rules for what is drawn in the colours ``k0`` to ``k3``."""
    return "".join(
        f"polyline.k{i}{{stroke:{colour}}}text.k{i},circle.k{i},polygon.k{i}{{fill:{colour}}}"
        for i, colour in enumerate(colours)
    )


STYLE = Html(
    "text{font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#8884}.line{fill:none;stroke-width:2.5}"
    f"{_looks(_DAY)}.cell{{fill:{_DAY[0]}}}.edge{{fill:none;stroke:#8886}}.area{{fill-opacity:.13}}"
    ".end{text-anchor:end}.middle{text-anchor:middle}.name{font-weight:600}"
    f"@media(prefers-color-scheme:dark){{text{{fill:#ccc}}{_looks(_NIGHT)}.cell{{fill:{_NIGHT[0]}}}}}"
)


@dataclass(frozen=True, slots=True)
class Plane:
    """A rectangle of the picture in which numbers are drawn; ``x`` and ``y`` are the ranges it shows."""

    x: tuple[float, float]
    y: tuple[float, float]
    left: float
    top: float
    width: float
    height: float

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Where a point lies."""
        part_x, part_y = (x - self.x[0]) / (self.x[1] - self.x[0]), (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + part_x * self.width, self.top + (1 - part_y) * self.height

    def scale(self, xs: Sequence[float], ys: Sequence[float]) -> list[Html]:
        """Numbers below and at the left, with a thin line at each of ``ys``."""
        parts = [label(self.at(x, 0)[0], self.top + self.height + 20, f"{x:g}", "middle") for x in xs]
        for y in ys:
            height = self.at(0, y)[1]
            parts += [rule(self.left, height, self.left + self.width, height)]
            parts += [label(self.left - 8, height + 4, f"{y:g}", "end")]
        return parts


def label(x: float, y: float, words: str, look: str = "") -> Html:
    """Words at a place."""
    return el("text", words, x=round(x, 1), y=round(y, 1), class_=look or None)


def rule(x1: float, y1: float, x2: float, y2: float) -> Html:
    """A thin line behind the drawing."""
    return el("line", x1=round(x1, 1), y1=round(y1, 1), x2=round(x2, 1), y2=round(y2, 1), class_="grid")


def curve(points: Sequence[tuple[float, float]], look: str) -> Html:
    """A line through points."""
    return el("polyline", points=_joined(points), class_=f"line {look}")


def area(points: Sequence[tuple[float, float]], look: str) -> Html:
    """A thin wash of colour within points."""
    return el("polygon", points=_joined(points), class_=f"area {look}")


def dot(at: tuple[float, float], look: str, radius: float = 4.0) -> Html:
    """A point."""
    return el("circle", cx=round(at[0], 1), cy=round(at[1], 1), r=round(radius, 1), class_=look)


def _joined(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def save(name: str, width: float, height: float, title: str, *parts: Html) -> None:
    """Write the picture beside the pages."""
    drawn = el(
        "svg", el("title", title), el("style", STYLE), *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:g} {height:g}", role="img",
    )  # fmt: skip
    (Path(__file__).parents[1] / f"{name}.svg").write_text(drawn + "\n", encoding="utf-8")


def lines(name: str, given: Sequence[Line], *, labels: Sequence[str], title: str) -> None:
    """Write a chart of ``given``, one point a label, from 0 up."""
    frame = Frame(720.0, 320.0, max(max(line.values) for line in given), left=56.0, right=150.0)
    places = [frame.x((i + 0.5) / len(labels)) for i in range(len(labels))]
    marks = [label(x, 314, words, "middle") for x, words in zip(places, labels, strict=True)]
    drawn = [
        curve([(x, frame.y(value)) for x, value in zip(places, line.values, strict=True)], line.look) for line in given
    ]
    save(name, frame.width, frame.height, title, *_levels(frame), *drawn, *_names(frame, given), *marks)


def _levels(frame: Frame) -> Iterator[Html]:
    for part in (0.0, 0.5, 1.0):
        y = frame.y(part * frame.top_value)
        yield rule(frame.left, y, frame.width - frame.right, y)
        yield label(frame.left - 6, y + 4, f"{part * frame.top_value:.2g}", "end")


def _names(frame: Frame, given: Sequence[Line]) -> Iterator[Html]:
    """At the right end of each line, the lower ones moved up so that none lies on another."""
    free = frame.height
    for line in sorted(given, key=lambda line: line.values[-1]):
        free = min(frame.y(line.values[-1]) + 4, free - 16)
        yield label(frame.width - frame.right + 8, free, line.name, f"name {line.look}")
