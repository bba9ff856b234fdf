"""The mechanisms' figures and targets as people read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from benchmarks.case import Case
from benchmarks.measure import FIELDS, Figures


def figures_table(figures: Mapping[str, Figures]) -> Table:
    """A row for each mechanism; a dash where a figure has no meaning or was not measured."""
    table = Table("mechanism", *(field.replace("_", " ") for field in FIELDS), box=None)
    for name, found in figures.items():
        table.add_row(name, *(_short(found[field]) for field in FIELDS))
    return table


def targets_table(cases: Mapping[str, Case], figures: Mapping[str, Figures]) -> Table:
    """A row for each target whose figure was measured."""
    table = Table("mechanism", "figure", "target", "measured", "met", box=None)
    for name, case in cases.items():
        for figure, target, found, met in _targets(case, figures[name]):
            table.add_row(name, figure, target, _short(found), "yes" if met else "NO")
    return table


def _targets(case: Case, figures: Figures) -> Iterator[tuple[str, str, float, bool]]:
    for figure, limit in case.at_most.items():
        if (found := figures.get(figure)) is not None:
            yield figure, f"<= {limit:g}", found, found <= limit
    for peer in case.peers if "peers" in figures else ():
        for label, least in zip(("ratio_single", "ratio_sequence"), peer.at_least, strict=True):
            if least is not None:
                ratio = figures["peers"][peer.name][label]
                yield f"{peer.name} {label}", f">= {least:g}", ratio, ratio >= least


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
