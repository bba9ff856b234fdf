"""Charts say what the numbers say: laws that hold for every picture."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarm.observe.report import charts
from swarm.observe.report.charts import Line
from swarm.observe.report.style import STYLE

Element = ElementTree.Element
amounts = st.floats(0.0, 1e7)
days = st.lists(amounts, min_size=1, max_size=40)
shares = st.lists(
    st.tuples(st.sampled_from(["STABLE", "CAUTIOUS", "FREEZE"]), st.none() | st.floats(0.0, 1.0)), max_size=999
)


def points(line: Element) -> list[tuple[float, float]]:
    """A line's corners."""
    return [(float(x), float(y)) for x, y in (pair.split(",") for pair in line.get("points", "").split())]


def places(picture: Element) -> Iterator[tuple[float, float]]:
    """Every corner of everything that is drawn."""
    for each in picture.iter():
        if each.tag == "polyline":
            yield from points(each)
        elif each.tag == "rect":
            x, y, width, height = (float(each.get(name, "nan")) for name in ("x", "y", "width", "height"))
            yield from ((x, y), (x + width, y + height))
        elif each.tag == "line":
            yield from ((float(each.get(f"x{end}", "nan")), float(each.get(f"y{end}", "nan"))) for end in "12")
        elif each.tag in ("circle", "text"):
            across, down = ("cx", "cy") if each.tag == "circle" else ("x", "y")
            yield float(each.get(across, "nan")), float(each.get(down, "nan"))


def inside(picture: Element) -> bool:
    """Whether all of it lies in its view box; rounding to hundredths is forgiven."""
    _, _, width, height = map(float, picture.get("viewBox", "").split())
    return all(-0.02 <= x <= width + 0.02 and -0.02 <= y <= height + 0.02 for x, y in places(picture))


def columns(layers: list[list[float]], plan: list[float], cap: float | None) -> Element:
    names = [str(day) for day in range(len(plan))]
    looks = [charts.layer(place) for place in range(len(layers))]
    return ElementTree.fromstring(
        charts.columns(layers, plan, looks=looks, labels=names, tips=names, title="t", width=352, height=168, cap=cap)
    )


def lines(*values: list[float], width: float = 352.0) -> Element:
    given = [Line(f"line {i}", each, "swarm") for i, each in enumerate(values)]
    names = [str(day) for day in range(len(values[0]))]
    return ElementTree.fromstring(charts.lines(given, labels=names, title="t", width=width, height=200))


def coherence(hours: Sequence[tuple[str, float | None]], width: float = 352.0) -> Element:
    levels = [("stable", 0.8), ("freeze", 0.3)]
    return ElementTree.fromstring(charts.coherence(hours, levels, marks=[(0.0, "a")], title="t", width=width))


@given(st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=40), amounts)
def test_columns_lie_inside_their_picture(table: list[tuple[float, float, float]], cap: float) -> None:
    """Whatever is spent, planned or allowed, zero included."""
    first, second, plan = map(list, zip(*table, strict=True))
    assert inside(columns([first, second], plan, cap))


@given(st.lists(st.floats(1.0, 1e6), min_size=1, max_size=20))
def test_columns_are_as_high_as_their_values(values: list[float]) -> None:
    """One scale for all days: height over value is the same everywhere."""
    picture = columns([values], [0.0] * len(values), None)
    heights = [float(bar.get("height", "nan")) for bar in picture.iter("rect")]
    scale = max(heights) / max(values)
    assert heights == pytest.approx([scale * value for value in values], abs=0.02)


def test_layers_stand_on_one_another() -> None:
    """The second begins where the first ends; a layer without money is not drawn."""
    first, second = columns([[30.0], [0.0], [10.0]], [50.0], None).iter("rect")
    bottom_of_second = float(second.get("y", "nan")) + float(second.get("height", "nan"))
    assert float(first.get("y", "nan")) == pytest.approx(bottom_of_second, abs=0.02)
    assert ("k0", "k2") == (first.get("class"), second.get("class"))


def test_plan_and_cap_are_marked_at_their_values() -> None:
    """A day that spends its plan ends at the mark, one that spends its cap at the line."""
    picture = columns([[50.0, 80.0]], [50.0, 50.0], 80.0)
    bars = [float(bar.get("y", "nan")) for bar in picture.iter("rect")]
    marks = {each.get("class"): float(each.get("y1", "nan")) for each in picture.iter("line")}
    assert bars == [marks["plan"], marks["cap"]]


@given(days, days)
def test_lines_lie_inside_their_picture(one: list[float], other: list[float]) -> None:
    """With their names and their labels."""
    count = min(len(one), len(other))
    assert inside(lines(one[:count], other[:count]))


@given(st.lists(amounts, min_size=1, max_size=40))
def test_a_sum_that_grows_is_a_line_that_rises(added: list[float]) -> None:
    """From 0 at the left edge, never down and never back."""
    sums = [sum(added[: day + 1]) for day in range(len(added))]
    (line,) = lines(sums).iter("polyline")
    corners = points(line)
    assert len(corners) == 1 + len(added)
    assert all(a[0] < b[0] and a[1] >= b[1] for a, b in pairwise(corners))


@given(st.lists(amounts, min_size=2, max_size=5))
def test_names_of_lines_do_not_lie_on_one_another(ends: list[float]) -> None:
    """Lines that end close to each other have their names one above the other."""
    picture = lines(*([end] for end in ends))
    names = sorted(float(each.get("y", "nan")) for each in picture.iter("text") if "name" in (each.get("class") or ""))
    assert all(below - above >= 14.98 for above, below in pairwise(names))
    assert inside(picture)


@given(shares, st.sampled_from([352.0, 1080.0]))
def test_coherence_lies_inside_its_picture(hours: list[tuple[str, float | None]], width: float) -> None:
    """Any modes and any values, none known among them."""
    assert inside(coherence(hours, width))


def test_a_short_dip_is_drawn_however_long_the_run() -> None:
    """A year in 230 pixels: the one bad hour is the lowest point, and no more points are drawn than there is room."""
    hours: list[tuple[str, float | None]] = [("STABLE", 1.0)] * 8760
    hours[5001] = ("STABLE", 0.1)
    (line,) = coherence(hours).iter("polyline")
    heights = sorted((y for _, y in points(line)), reverse=True)
    assert heights[0] > heights[1] + 50
    assert len(heights) < 352


def test_hours_without_health_are_drawn_as_bad() -> None:
    """Missing health counts as bad for the gate, and looks so."""
    (line,) = coherence([("FREEZE", None), ("FREEZE", 0.0), ("STABLE", 1.0)]).iter("polyline")
    missing, zero, good = (y for _, y in points(line))
    assert missing == zero > good


def test_bands_cover_every_hour_once() -> None:
    """Each mode's stretch begins where the one before ends."""
    picture = coherence([("STABLE", 1.0)] * 5 + [("FREEZE", 0.1)] * 2 + [("CAUTIOUS", 0.5)] * 3)
    bands = [(float(b.get("x", "nan")), float(b.get("width", "nan")), b.get("class")) for b in picture.iter("rect")]
    assert ["band stable", "band freeze", "band cautious"] == [look for _, _, look in bands]
    assert all(x + width == pytest.approx(after[0], abs=0.03) for (x, width, _), after in pairwise(bands))
    assert [5, 2, 3] == pytest.approx([10 * width / sum(w for _, w, _ in bands) for _, width, _ in bands], abs=0.01)


@given(st.lists(amounts, min_size=1, max_size=12))
def test_a_split_is_cut_in_proportion(parts: list[float]) -> None:
    """All of the bar is used, if there is anything to show, and nothing beyond it."""
    picture = ElementTree.fromstring(charts.split(parts, title="t", width=200.0))
    widths = [float(bar.get("width", "nan")) for bar in picture.iter("rect")]
    assert inside(picture)
    assert sum(widths) == pytest.approx(200.0 if sum(parts) else 0.0, abs=0.01 * len(parts) + 1e-6)


@given(st.none() | st.floats(0.0, 100.0), st.floats(0.0, 3.0), st.none() | st.floats(0.0, 100.0))
def test_dots_stay_on_their_scale(expected: float | None, spread: float, got: float | None) -> None:
    """What is beyond the scale lies on its edge."""
    assert inside(ElementTree.fromstring(charts.dots(expected, spread, got, title="t")))


def test_dots_are_in_order_of_their_values() -> None:
    """Better is further to the right, and equal lies on equal."""
    picture = ElementTree.fromstring(charts.dots(0.5, 0.1, 1.0, title="t"))
    expected, got = (float(dot.get("cx", "nan")) for dot in picture.iter("circle"))
    middle = next(float(each.get("x1", "nan")) for each in picture.iter("line") if each.get("class") == "middle")
    assert expected < got == middle


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=30))
def test_steps_lie_inside_their_picture(values: list[float]) -> None:
    """A single version included."""
    at = [place / len(values) for place in range(len(values))]
    assert inside(ElementTree.fromstring(charts.steps(values, at, title="t")))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ground", ["paper", "card"])
@pytest.mark.parametrize("words", ["ink", "soft", "accent", "good", "warn", "bad", "best", "rival", "rival2"])
def test_words_stand_out_from_their_ground(words: str, ground: str, scheme: int) -> None:
    """At least 4.5 to 1, what the Web Content Accessibility Guidelines ask of text."""
    colours = [dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in STYLE.split("@media (prefers-color")]
    light, dark = sorted((_luminance(colours[scheme][name]) for name in (words, ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def _luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
