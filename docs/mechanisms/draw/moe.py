"""How much of the gates' sum goes to the shared expert, by capacity and by how one-sided the router is."""

from __future__ import annotations

import torch

from docs.mechanisms.draw.axes import chart, save
from mechanisms.moe import MixtureOfExperts


def overflow(factor: float, lean: float) -> float:
    """Share of the gates of 200 queries that is not served, with logits of the first expert raised by ``lean``."""
    rng = torch.Generator().manual_seed(0)
    layer = MixtureOfExperts.Config(width=16, key_width=4, value_width=4, capacity_factor=factor).build().eval()
    query, key = torch.randn(1, 200, 16, generator=rng), torch.randn(1, 5, 4, generator=rng)
    query[..., 0] = 1.0
    with torch.no_grad():
        layer.router[0, 0] += lean
        extras = layer(query, key, key, need_weights=True).extras
    return 1 - float(extras["served"].sum() / extras["gates"].sum())


def main() -> None:
    """Draw it."""
    factors = [0.25 + 0.05 * step for step in range(36)]
    leans = {"even router": 0.0, "leaning by 1": 1.0, "leaning by 3": 3.0}
    lines = {name: [overflow(factor, lean) for factor in factors] for name, lean in leans.items()}
    title = "What overflows to the shared expert: 200 queries, 4 experts, top 2"
    ticks = {f"{each:g}": each for each in (0.25, 0.5, 1.0, 1.25, 1.5, 2.0)}
    save("moe", chart(title, factors, lines, across="capacity factor", up="share of gates", top=1.0, ticks=ticks))


if __name__ == "__main__":
    main()
