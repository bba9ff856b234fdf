"""Line charts of the mechanisms' pages: SVG that follows the reader's light or dark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from swarm.observe.report.markup import Html, el

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640.0, 320.0, 54.0, 150.0, 34.0, 44.0
COLOURS = ("#3b7dd8", "#e07b39", "#2a9d6f", "#b455c9", "#d64560", "#8a8f1f")
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#333}.axis{stroke:#8888;fill:none}line.grid{stroke:#8883}"
    ".head{font-weight:600}@media(prefers-color-scheme:dark){text{fill:#ccc}}"
)


def chart(
    title: str, x: Sequence[float], series: Mapping[str, Sequence[float]], *,
    across: str, up: str, top: float, ticks: Mapping[str, float],
) -> Html:  # fmt: skip
    """Lines over ``x`` from 0 to ``top``; ``ticks`` name places on x; a line's name stands at its right end."""
    low, high = min(x), max(x)

    def at(value: float) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (value - low) / (high - low), 1)

    def height(value: float) -> float:
        return round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * min(max(value / top, 0.0), 1.0), 1)

    parts: list[Html] = [el("text", title, x=LEFT, y=18, class_="head")]
    for part in range(5):
        level = top * part / 4
        parts.append(el("line", x1=LEFT, x2=WIDTH - RIGHT, y1=height(level), y2=height(level), class_="grid"))
        parts.append(el("text", f"{level:.3g}", x=LEFT - 8, y=height(level) + 4, text_anchor="end"))
    for name, value in ticks.items():
        parts.append(el("text", name, x=at(value), y=HEIGHT - BOTTOM + 18, text_anchor="middle"))
    parts.append(el("text", across, x=(LEFT + WIDTH - RIGHT) / 2, y=HEIGHT - 8, text_anchor="middle"))
    parts.append(el("text", up, x=14, y=HEIGHT / 2, text_anchor="middle", transform=f"rotate(-90 14 {HEIGHT / 2:g})"))
    ends = sorted(series, key=lambda name: -height(series[name][-1]))
    place = HEIGHT
    for name in ends:  # from the lowest up, names at least 15 apart
        colour = COLOURS[list(series).index(name) % len(COLOURS)]
        points = " ".join(f"{at(a):g},{height(b):g}" for a, b in zip(x, series[name], strict=True))
        parts.append(el("polyline", points=points, fill="none", stroke=colour, stroke_width=2))
        place = min(height(series[name][-1]) + 4, place - 15)
        parts.append(el("text", name, x=WIDTH - RIGHT + 8, y=place, style=f"fill:{colour}"))
    return el(
        "svg", el("title", title), el("style", Html(STYLE)), *parts,
        xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH:g} {HEIGHT:g}", width="100%",
    )  # fmt: skip


def save(name: str, drawn: Html) -> None:
    """Into the folder of the pages."""
    (Path(__file__).parents[1] / f"{name}.svg").write_text(drawn + "\n", encoding="utf-8")
