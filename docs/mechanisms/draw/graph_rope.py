"""How near two equal events seem, by the time between them: python -m docs.mechanisms.draw.graph_rope."""

from __future__ import annotations

import torch
from torch import Tensor

from docs.mechanisms.draw.sheet import lines
from mechanisms.graph_rope import GraphRopeAttention
from mechanisms.rotary import rates
from swarm.observe.report.charts import Line

_MARKS = [("1 s", 1.0), ("10 s", 10.0), ("1 min", 60.0), ("10 min", 600.0), ("1 h", 3600.0), ("6 h", 21_600.0),
          ("1 d", 86_400.0), ("1 w", 604_800.0), ("30 d", 2_592_000.0), ("90 d", 7_776_000.0)]  # fmt: skip


def nearness(elapsed: Tensor, rate: Tensor) -> Tensor:
    """<R(t) q, R(s) q> / <q, q> of a row of equally long pairs; a mean over a tenth to either side of each time."""
    around = elapsed[:, None, None] * torch.linspace(0.9, 1.1, 401, dtype=torch.float64)[:, None]
    return (around * rate).cos().mean((1, 2))


def main() -> None:
    """Draw both banks, and the bank with its decay."""
    config = GraphRopeAttention.Config(width=256)
    elapsed = torch.tensor([seconds for _, seconds in _MARKS], dtype=torch.float64)
    bank = nearness(elapsed, rates(32, config.shortest_s, config.longest_s))
    usual = nearness(elapsed, rates(32, 1.0, 10_000.0)).clamp(min=0)
    decay = torch.exp(-elapsed / config.decay_s)
    given = [
        Line("seconds to 90 days", bank.tolist(), "k0"),
        Line("base 10,000", usual.tolist(), "k1"),
        Line("decay at the start", decay.tolist(), "k2"),
    ]
    lines(
        "graph_rope", given, labels=[name for name, _ in _MARKS], title="Score of an event with itself, by elapsed time"
    )


if __name__ == "__main__":
    main()
