"""Coherence before and after a planted break, 100 rows whose states are compared with their moving average."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from docs.mechanisms.draw.axes import chart, save
from mechanisms.health_signals import SIGNALS
from mechanisms.topology_gated import TopologyGatedAttention

PAST, BEFORE, AFTER, ROWS = 160, 12, 12, 100


def stream(plant: Callable[[Tensor, int], Tensor]) -> list[float]:
    """Median coherence over 20 runs of each window from ``BEFORE`` the break to ``AFTER`` it."""
    layer, rng = TopologyGatedAttention.Config().build(), torch.Generator().manual_seed(0)
    reference, rows = 0.42 * torch.randn(20, ROWS, 12, generator=rng), []
    for window in range(PAST + BEFORE + AFTER):
        states, missed = (torch.randn(20, ROWS, width, generator=rng) for width in (12, 4))
        since = window - PAST - BEFORE
        states = plant(states, since + 1) if since >= 0 else states
        found = layer.measure(states, reference, missed)
        rows.append(torch.stack([found[name] for name in SIGNALS], dim=-1))
        reference = 0.7 * reference + 0.3 * states
    signals = torch.stack(rows)
    usual = signals[:PAST]
    scores = (signals[PAST:] - usual.mean(0)) / usual.std(0)
    return layer.coherence(scores).median(dim=1).values.tolist()


def main() -> None:
    """Draw it."""
    side = torch.where(torch.arange(ROWS)[:, None] % 2 == 0, 1.2, -1.2) * torch.eye(12)[0]
    plants: dict[str, Callable[[Tensor, int], Tensor]] = {
        "nothing": lambda states, _: states,
        "all scatter by 1.25": lambda states, _: 1.25 * states,
        "two groups part": lambda states, _: states + side,
        "drift of 0.4 a window": lambda states, since: states + 0.4 * since * torch.eye(12)[0],
    }
    lines = {name: stream(plant) for name, plant in plants.items()}
    windows = [float(at) for at in range(-BEFORE, AFTER)]
    ticks = {"-10": -10.0, "break": 0.0, "10": 10.0}
    title = "Coherence of 100 rows before and after a break"
    save("topology_gated", chart(title, windows, lines, across="window", up="coherence", top=1.0, ticks=ticks))


if __name__ == "__main__":
    main()
