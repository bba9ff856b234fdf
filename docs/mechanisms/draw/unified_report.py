"""Percentiles of the six numbers while queries turn from chance to copies of the keys."""

from __future__ import annotations

import torch

from docs.mechanisms.draw.axes import chart, save
from mechanisms.unified_report import report


def main() -> None:
    """Draw it."""
    rng = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(15, width, generator=rng) for width in (6, 6, 4))
    parts = [step / 20 for step in range(21)]
    found = [report((1 - part) * query + part * 2 * key, key, value).findings for part in parts]
    lines = {name: [each[name].percentile for each in found] for name in found[0]}
    title = "Queries that turn to their own keys, among random turns of themselves"
    ticks = {"chance": 0.0, "half way": 0.5, "own key": 1.0}
    save("unified_report", chart(title, parts, lines, across="queries", up="percentile", top=1.0, ticks=ticks))


if __name__ == "__main__":
    main()
