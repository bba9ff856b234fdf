"""Who reads which element, trained: ``python -m docs.mechanisms.draw.multi_head``."""

from __future__ import annotations

import torch
from torch import Tensor

from docs.mechanisms.draw.sheet import label, save
from mechanisms.multi_head import MultiHeadAttention
from swarm.observe.report.markup import Html, el

ELEMENTS, STEPS, CELL = 3, 400, 34.0


def _trained() -> Tensor:
    """Weights [H, Nq, Nk] after learning to say, query by query, what element 0, 1 and 2 of a row of three hold."""
    layer = MultiHeadAttention.Config(width=16, key_width=8, value_width=8, heads=4, element_queries=ELEMENTS).build()
    rng = torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(layer.parameters(), lr=0.01)
    for _ in range(STEPS):
        x = torch.randn(64, ELEMENTS, 8, generator=rng)
        x[..., :ELEMENTS] = torch.eye(ELEMENTS)
        loss = (layer(None, x, x).output[..., 0] - x[..., 5]).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    weights = layer(None, x, x, need_weights=True).weights
    assert weights is not None
    return weights.detach().mean(0)


def _panel(table: Tensor, left: float, name: str) -> list[Html]:
    """One head's table: a row a query, a column an element, as dark as it reads."""
    parts = [label(left + 1.5 * CELL, 22, name, "middle")]
    for i, row in enumerate(table.tolist()):
        for j, weight in enumerate(row):
            at = {"x": left + j * CELL, "y": 34 + i * CELL, "width": CELL - 3, "height": CELL - 3}
            parts.append(el("rect", **at, class_="cell", fill_opacity=round(weight, 3)))
            parts.append(el("rect", **at, class_="edge"))
    return parts + [label(left + (j + 0.45) * CELL, 152, f"e{j + 1}", "middle") for j in range(ELEMENTS)]


def main() -> None:
    """Train and draw."""
    weights = _trained()
    parts = [label(8, 55 + i * CELL, f"query {i + 1}") for i in range(ELEMENTS)]
    for h, table in enumerate(weights):
        parts += _panel(table, 72 + 124 * h, f"head {h + 1}")
    parts += _panel(weights.mean(0), 72 + 124 * 4 + 14, "all heads")
    save("multi_head", 700, 166, "What each learned query reads of three elements, head by head", *parts)


if __name__ == "__main__":
    main()
