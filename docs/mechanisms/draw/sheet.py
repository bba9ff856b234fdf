"""The paper that pictures of mechanisms are drawn on: one file, by day and by night."""

from __future__ import annotations

from pathlib import Path

from swarm.observe.report.markup import Html, el

STYLE = Html(
    "text{font:13px system-ui,sans-serif;fill:#333}.grid{stroke:#8884}.line{fill:none;stroke-width:2.5}"
    "polyline.k0{stroke:#2563c9}polyline.k1{stroke:#d1603d}polyline.k2{stroke:#2a9d6f}polyline.k3{stroke:#8a6fc9}"
    "text.k0{fill:#2563c9}text.k1{fill:#d1603d}text.k2{fill:#2a9d6f}text.k3{fill:#8a6fc9}"
    ".cell{fill:#2563c9}.edge{fill:none;stroke:#8886}.end{text-anchor:end}.middle{text-anchor:middle}"
    "@media(prefers-color-scheme:dark){text{fill:#ccc}polyline.k0{stroke:#7aa8f5}polyline.k1{stroke:#f09a7c}polyline.k2{stroke:#62d3a4}"
    "polyline.k3{stroke:#bba6f0}text.k0{fill:#7aa8f5}text.k1{fill:#f09a7c}text.k2{fill:#62d3a4}text.k3{fill:#bba6f0}"
    ".cell{fill:#7aa8f5}}"
)


def label(x: float, y: float, words: str, look: str = "") -> Html:
    """Words at a place."""
    return el("text", words, x=round(x, 1), y=round(y, 1), class_=look or None)


def rule(x1: float, y1: float, x2: float, y2: float) -> Html:
    """A thin line behind the drawing."""
    return el("line", x1=round(x1, 1), y1=round(y1, 1), x2=round(x2, 1), y2=round(y2, 1), class_="grid")


def curve(points: list[tuple[float, float]], look: str) -> Html:
    """A line through points."""
    return el("polyline", points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points), class_=f"line {look}")


def save(name: str, width: float, height: float, title: str, *parts: Html) -> None:
    """Write the picture beside the pages."""
    drawn = el(
        "svg", el("title", title), el("style", STYLE), *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width:g} {height:g}", role="img",
    )  # fmt: skip
    (Path(__file__).parents[1] / f"{name}.svg").write_text(drawn + "\n", encoding="utf-8")
