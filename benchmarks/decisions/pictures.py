"""Each scenario's value over hindsight as a picture: a dot and its interval for every policy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.decisions.score import Score, with_interval
from swarm.observe.report.markup import Html, el

_ROW, _LEFT, _WIDTH = 22, 200, 420
_STYLE = Html(
    "text{font:13px system-ui,sans-serif;fill:#333}line{stroke:#8886}.rival{stroke:#d1603d;fill:#d1603d}"
    ".ours{stroke:#2563c9;fill:#2563c9}@media(prefers-color-scheme:dark){text{fill:#ccc}}"
)


def draw_pictures(scores: Mapping[str, Mapping[str, Score]], folder: Path) -> None:
    """``folder``/NAME.svg for each scenario."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, found in scores.items():
        (folder / f"{name}.svg").write_text(str(picture(name, found)))


def picture(name: str, found: Mapping[str, Score]) -> Html:
    """One scenario, best policy on top; 1 is the hindsight optimum, beyond it is what breaks cost targets."""
    ordered = sorted(found, key=lambda policy: -float(found[policy].ratio.mean()))
    height = _ROW * (len(ordered) + 2)
    rows = [part for i, policy in enumerate(ordered) for part in _row(i + 1, policy, found[policy])]
    scale = [part for tenth in range(0, 11, 2) for part in _mark(tenth / 10, height)]
    title = f"{name}: value over the hindsight optimum, mean and 95 % interval over seeds"
    highest = max(1.0, *(with_interval(each.ratio)[2] for each in found.values()))
    view = f"0 0 {_LEFT + _WIDTH * highest + 30:.0f} {height + 10}"
    parts = (el("title", title), el("style", _STYLE), *scale, *rows)
    return el("svg", *parts, xmlns="http://www.w3.org/2000/svg", viewBox=view, role="img")


def _row(i: int, policy: str, own: Score) -> list[Html]:
    mean, low, high = (_LEFT + _WIDTH * value for value in with_interval(own.ratio))
    y, look = i * _ROW, "ours" if policy == "swarm" else "rival"
    return [
        el("text", policy, x=_LEFT - 10, y=y + 4, text_anchor="end"),
        el("line", x1=round(low, 1), x2=round(high, 1), y1=y, y2=y, class_=look, stroke_width=2),
        el("circle", cx=round(mean, 1), cy=y, r=4, class_=look),
    ]


def _mark(value: float, height: int) -> list[Html]:
    x = _LEFT + _WIDTH * value
    return [
        el("line", x1=x, x2=x, y1=_ROW / 2, y2=height - _ROW),
        el("text", f"{value:g}", x=x, y=height - 4, text_anchor="middle"),
    ]
