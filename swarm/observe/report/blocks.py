"""What sections are made of: headings, figures, tables, legends."""

from __future__ import annotations

from collections.abc import Sequence

from swarm.observe.report.markup import Html, el


def section(anchor: str, over: str, heading: str, *parts: object) -> Html:
    """A part of the page: what it is about, one line that says what to see, and the rest."""
    return el("section", el("p", over, class_="over"), el("h2", heading), *parts, id=anchor)


def note(*words: object) -> Html:
    """How to read what stands beside it."""
    return el("p", *words, class_="note")


def says(*words: object) -> Html:
    """What a reader must not miss."""
    return el("p", *words, class_="says", role="note")


def figure(name: str, words: object, chart: Html) -> Html:
    """A chart with its name and its numbers."""
    return el("figure", el("figcaption", el("h3", name), words), chart)


def table(head: Sequence[object], rows: Sequence[Sequence[Html]], *, label: str, right: Sequence[int] = ()) -> Html:
    """A table that scrolls in a box of its own; ``right`` are the columns of numbers, rows are made by ``cell``."""
    heads = [el("th", text, class_="n" if i in right else None, scope="col") for i, text in enumerate(head)]
    body = [el("tr", *row) for row in rows]
    inner = el("table", el("thead", el("tr", *heads)), el("tbody", *body))
    return el("div", inner, class_="scroll", role="region", aria_label=label, tabindex="0")


def cell(*parts: object, look: str | None = None) -> Html:
    """A cell of a table."""
    return el("td", *parts, class_=look)


def group(name: str, width: int) -> Html:
    """A heading over some of a table's rows, ``width`` columns wide."""
    return el("th", name, colspan=width, scope="rowgroup", class_="group")


def number(*parts: object) -> Html:
    """A cell that holds a number."""
    return cell(*parts, look="n")


def legend(marks: Sequence[tuple[Html, str]]) -> Html:
    """What the marks of a chart stand for: each a piece of SVG of 22 by 12."""
    items = [el("li", el("svg", mark, viewBox="0 0 22 12", aria_hidden="true"), name) for mark, name in marks]
    return el("ul", *items, class_="legend")


def swatch(look: str) -> Html:
    """A filled mark."""
    return el("rect", x=3, y=0, width=14, height=12, rx=2, class_=look)


def stroke(look: str) -> Html:
    """A mark that is a line."""
    return el("line", x1=0, x2=22, y1=6, y2=6, class_=look)
