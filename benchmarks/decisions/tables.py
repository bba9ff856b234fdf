"""The figures of decisions as people read them."""

from __future__ import annotations

from collections.abc import Mapping

from rich.table import Table

from benchmarks.decisions.score import Score, lead, with_interval


def results_table(scores: Mapping[str, Mapping[str, Score]], ours: str = "swarm") -> Table:
    """A row for each scenario: ours, the best rival that keeps its targets, how far ahead, and the hard limits."""
    table = Table("scenario", "swarm", "best rival", "", "ahead by", "overspend", "target error", "kept", box=None)
    for name, found in scores.items():
        own, (best, ahead) = found[ours], lead(found, ours)
        table.add_row(
            name,
            _range(with_interval(own.ratio)),
            best,
            f"{found[best].ratio.mean():.3f}",
            _range(ahead),
            str(own.overspend_micros),
            f"{own.target_error:.3f}",
            f"{own.target_kept:.2f}",
        )
    return table


def _range(values: list[float]) -> str:
    mean, low, high = values
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"
