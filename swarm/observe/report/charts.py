"""Charts as inline SVG, drawn by pure functions: the same numbers, the same picture.

Colours are classes (``k0``, ``plan``, ...), so that one style sheet serves day, night and paper.
Letters: C layers, D days.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import exp, log

from swarm.observe.report.markup import Html, el
from swarm.observe.report.words import short, ticks

_AIR = 1.08
"""Height of a chart over its highest value."""
_DOTS_PX = 240.0
_LABEL_PX = 54.0
"""Least distance between two labels below a chart."""


@dataclass(frozen=True, slots=True)
class Frame:
    """The part of a picture in which values are drawn; pixels of its view box."""

    width: float
    height: float
    top_value: float
    """The value at the upper edge; 0 is at the lower one."""
    left: float = 40.0
    right: float = 8.0
    top: float = 10.0
    bottom: float = 24.0

    @property
    def inner(self) -> float:
        """Width of the part."""
        return self.width - self.left - self.right

    def x(self, part: float) -> float:
        """Where ``part`` of the width, 0 to 1, lies."""
        return round(self.left + part * self.inner, 2)

    def y(self, value: float) -> float:
        """Where a value lies."""
        span = self.height - self.top - self.bottom
        return round(self.height - self.bottom - span * value / (self.top_value or 1.0), 2)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart."""

    name: str
    values: Sequence[float]
    look: str
    """Its class."""


def picture(width: float, height: float, title: str, *parts: object) -> Html:
    """An image with a text that says what it shows."""
    return el("svg", el("title", title), *parts, viewBox=f"0 0 {width:g} {height:g}", role="img", class_="chart")


def columns(
    layers: Sequence[Sequence[float]], plan: Sequence[float], *, looks: Sequence[str], labels: Sequence[str],
    tips: Sequence[str], title: str, width: float, height: float, cap: float | None = None,
) -> Html:  # fmt: skip
    """A column a day, ``layers`` [C][D] on top of one another, a mark where the day's plan is, a line at the cap."""
    totals = [sum(column) for column in zip(*layers, strict=True)]
    frame = Frame(width, height, _AIR * max([cap or 0.0, *totals, *plan]))
    step = 1 / max(len(totals), 1)
    thick = min(0.7 * step * frame.inner, 40.0)
    drawn: list[Html] = []
    for day, aim in enumerate(plan):
        middle = frame.x((day + 0.5) * step)
        parts = _column(frame, middle, thick, [layer[day] for layer in layers], looks)
        drawn.append(el("g", el("title", tips[day]), *parts))
        if aim > 0:
            drawn.append(_level(frame, aim, "plan", middle - 0.66 * thick, middle + 0.66 * thick))
    if cap is not None:
        drawn.append(_level(frame, cap, "cap", frame.left, width - frame.right))
    return picture(width, height, title, _grid(frame), *drawn, _days(frame, labels))


def _column(frame: Frame, middle: float, thick: float, values: Sequence[float], looks: Sequence[str]) -> Iterator[Html]:
    """A bar for each value, from the lowest up."""
    below = 0.0
    for value, look in zip(values, looks, strict=True):
        if value > 0:
            low, high = frame.y(below), frame.y(below + value)
            yield el(
                "rect", x=round(middle - thick / 2, 2), y=high, width=round(thick, 2), height=round(low - high, 2),
                class_=look,
            )  # fmt: skip
        below += value


def lines(
    given: Sequence[Line], *, labels: Sequence[str], title: str, width: float, height: float, named: bool = True
) -> Html:
    """Lines from 0 at the left edge, one point at the end of each day; ``named`` at their right ends."""
    top = _AIR * max((max(line.values, default=0.0) for line in given), default=0.0)
    frame = Frame(width, height, top, right=126.0 if named else 8.0)
    drawn = [_line(frame, line) for line in given]
    ends = _apart([frame.y(line.values[-1]) for line in given], 15.0, frame.top, frame.y(0.0)) if named else []
    names = [
        el("text", line.name, x=frame.x(1) + 8, y=round(y + 4, 2), class_=f"name {line.look}")
        for line, y in zip(given, ends, strict=False)
    ]
    return picture(width, height, title, _grid(frame), *drawn, *names, _days(frame, labels))


def coherence(
    hours: Sequence[tuple[str, float | None]], levels: Sequence[tuple[str, float]], *,
    marks: Sequence[tuple[float, str]], title: str, width: float, height: float = 220.0,
) -> Html:  # fmt: skip
    """Coherence from 0 to 1 by hour over bands of the mode; ``levels`` are drawn across, with their names.

    ``marks``: where, from 0 to 1, a label stands below. Of hours that share a pixel the lowest is drawn: dips are what
    is looked for.
    """
    frame = Frame(width, height, 1.0, left=34.0, right=86.0)
    count = max(len(hours), 1)
    bands = [
        el(
            "rect", x=frame.x(first / count), y=frame.top, width=round((end - first) / count * frame.inner, 2),
            height=frame.y(0.0) - frame.top, class_=f"band {mode.lower()}",
        )
        for mode, first, end in runs([mode for mode, _ in hours])
    ]  # fmt: skip
    across = [_threshold(frame, name, value) for name, value in levels]
    points = [(frame.x((at + 0.5) / count), frame.y(value)) for at, value in _lowest([c for _, c in hours], frame)]
    line = el("polyline", points=" ".join(f"{x:g},{y:g}" for x, y in points), class_="line coherence")
    return picture(width, height, title, *bands, *across, line, _scale(frame, [0.0, 1.0]), _marks(frame, marks))


def dots(expected: float | None, spread: float, got: float | None, *, title: str) -> Html:
    """What was expected, with one standard deviation, and what came, on the scale of ``dots_scale``."""
    parts = [el("line", x1=_odds(each), x2=_odds(each), y1=0, y2=24, class_="grid") for each in (0.25, 0.5, 2.0)]
    parts.append(el("line", x1=_odds(1.0), x2=_odds(1.0), y1=0, y2=24, class_="middle"))
    if expected is not None:
        low, high = _odds(expected * exp(-spread)), _odds(expected * exp(spread))
        parts += [
            el("line", x1=low, x2=high, y1=12, y2=12, class_="whisker"),
            el("circle", cx=_odds(expected), cy=12, r=5.5, class_="expected"),
        ]
    if got is not None:
        parts.append(el("circle", cx=_odds(got), cy=12, r=3.5, class_="got"))
    return picture(_DOTS_PX, 24, title, *parts)


def dots_scale() -> Html:
    """What stands over a column of ``dots``: a quarter, a half, the same and twice of the mean."""
    marks = [(0.25, "×¼"), (0.5, "×½"), (1.0, "×1"), (2.0, "×2")]
    words = [el("text", name, x=_odds(factor), y=12, class_="tick middle-at") for factor, name in marks]
    return picture(_DOTS_PX, 16, "scale from a quarter to twice", *words)


def _odds(factor: float) -> float:
    """Where a multiple lies: on a log scale, at the edge where it is beyond it."""
    at = log(min(max(factor, 0.25), 2.0) / 0.25) / log(8.0)
    return round(12 + at * (_DOTS_PX - 24), 2)


def split(parts: Sequence[float], *, title: str, width: float = 220.0, height: float = 14.0) -> Html:
    """One bar of the whole width, cut into shares of the sum."""
    total, at, drawn = sum(parts) or 1.0, 0.0, []
    for place, part in enumerate(parts):
        size = width * part / total
        if size > 0:
            drawn.append(el("rect", x=round(at, 2), y=0, width=round(size, 2), height=height, class_=layer(place)))
        at += size
    return picture(width, height, title, *drawn)


def steps(
    values: Sequence[float], at: Sequence[float], *, title: str, width: float = 352.0, height: float = 84.0
) -> Html:
    """A value that holds until the next; ``at`` from 0 to 1 is when each began."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0

    def y(value: float) -> float:
        return round(height - 10 - (height - 20) * (value - low) / span, 2) if high > low else height / 2

    ends = [*at[1:], 1.0]
    points = [
        f"{4 + part * (width - 8):.1f},{y(value):g}"
        for value, first, end in zip(values, at, ends, strict=True)
        for part in (first, end)
    ]
    return picture(width, height, title, el("polyline", points=" ".join(points), class_="line swarm"))


def layer(place: int) -> str:
    """The look of a platform by its place; there are eight."""
    return f"k{place % 8}"


def runs(names: Sequence[str]) -> list[tuple[str, int, int]]:
    """Stretches of the same name: the name, its first place, the place after its last.

    >>> runs(["a", "a", "b"])
    [('a', 0, 2), ('b', 2, 3)]
    """
    edges = [place for place in range(1, len(names)) if names[place] != names[place - 1]]
    return [(names[a], a, b) for a, b in zip([0, *edges], [*edges, len(names)], strict=True) if b > a]


def _lowest(values: Sequence[float | None], frame: Frame) -> list[tuple[float, float]]:
    """Place and value of the lowest of each bucket; hours without a value count as 0."""
    size = max(1, int(len(values) / frame.inner) + 1) if len(values) > frame.inner else 1
    known = [0.0 if value is None else value for value in values]
    starts = range(0, len(known), size)
    return [min(((place, known[place]) for place in range(s, min(s + size, len(known)))), key=_second) for s in starts]


def _second(pair: tuple[float, float]) -> float:
    return pair[1]


def _level(frame: Frame, value: float, look: str, x1: float, x2: float) -> Html:
    return el("line", x1=round(x1, 2), x2=round(x2, 2), y1=frame.y(value), y2=frame.y(value), class_=look)


def _threshold(frame: Frame, name: str, value: float) -> Html:
    line = _level(frame, value, "threshold", frame.left, frame.width - frame.right)
    words = el("text", name, x=frame.width - frame.right + 6, y=frame.y(value) + 4, class_="tick")
    return el("g", line, words)


def _line(frame: Frame, line: Line) -> Html:
    count = max(len(line.values), 1)
    points = [(0.0, 0.0), *(((day + 1) / count, value) for day, value in enumerate(line.values))]
    drawn = " ".join(f"{frame.x(part):g},{frame.y(value):g}" for part, value in points)
    return el("polyline", points=drawn, class_=f"line {line.look}")


def _apart(places: Sequence[float], least: float, top: float, bottom: float) -> list[float]:
    """``places`` at least ``least`` apart, so that names do not lie on one another: moved up, at the top edge down."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for i in reversed(order):
        moved[i] = min(moved[i], bottom)
        bottom = moved[i] - least
    for i in order:
        moved[i] = max(moved[i], top)
        top = moved[i] + least
    return moved


def _grid(frame: Frame) -> Html:
    return _scale(frame, ticks(frame.top_value))


def _scale(frame: Frame, values: Sequence[float]) -> Html:
    parts = []
    for value in values:
        parts.append(_level(frame, value, "grid", frame.left, frame.width - frame.right))
        parts.append(el("text", short(value), x=frame.left - 6, y=frame.y(value) + 4, class_="tick end"))
    return el("g", *parts)


def _days(frame: Frame, labels: Sequence[str]) -> Html:
    """``labels``, one a day, each in the middle of its day."""
    return _marks(frame, [((day + 0.5) / len(labels), label) for day, label in enumerate(labels)])


def _marks(frame: Frame, marks: Sequence[tuple[float, str]]) -> Html:
    """As many of ``marks``, a place from 0 to 1 and its label, as there is room for."""
    room = max(int(frame.inner / _LABEL_PX), 1)
    every = max(-(-len(marks) // room), 1)
    return el(
        "g",
        *(
            el("text", label, x=frame.x(part), y=frame.height - 6, class_="tick middle-at")
            for part, label in marks[::every]
        ),
    )
