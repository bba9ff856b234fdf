"""Which point of a cloud goes to which of the nearest one: ``python -m docs.mechanisms.draw.sliced_wasserstein``."""

from __future__ import annotations

import torch
from torch import Tensor

from docs.mechanisms.draw.sheet import Plane, dot, label, save
from mechanisms.sliced_wasserstein import SlicedWassersteinAttention
from swarm.observe.report.markup import el

PLANE = Plane(x=(-3.6, 5.4), y=(-2.4, 2.6), left=10, top=10, width=660, height=366)
RNG = torch.Generator().manual_seed(4)
MIDDLES, POINTS = torch.tensor([[2.2, 1.2], [3.3, -0.9], [-0.6, -1.6]]), 12


def _clouds() -> tuple[Tensor, Tensor, Tensor]:
    """A cloud of 9 points, three of 12, and unequal weights of the nine, which sum to 1."""
    query = torch.randn(1, 9, 2, generator=RNG) * torch.tensor([0.4, 0.7]) + torch.tensor([-2.2, 0.6])
    keys = torch.randn(1, 3, POINTS, 2, generator=RNG) * 0.45 + MIDDLES[:, None]
    weights = torch.rand(1, 9, generator=RNG) + 0.3
    return query, keys, weights / weights.sum()


def main() -> None:
    """Draw the clouds, how far each is, and the plan to the nearest, each way as thick as what goes along it."""
    query, keys, weights = _clouds()
    layer = SlicedWassersteinAttention.Config(width=2).build()
    with torch.no_grad():
        found = layer(query, keys, torch.eye(3)[None], query_weights=weights, need_weights=True)
    best, read = int(found.extras["best"]), found.weights
    assert read is not None
    parts = []
    for i, row in enumerate(found.extras["plan"][0].tolist()):
        for j, mass in enumerate(row):
            if mass > 0:
                (x1, y1), (x2, y2) = PLANE.at(*query[0, i].tolist()), PLANE.at(*keys[0, best, j].tolist())
                ends = {"x1": round(x1, 1), "y1": round(y1, 1), "x2": round(x2, 1), "y2": round(y2, 1)}
                parts.append(el("line", **ends, class_="edge", stroke_width=round(60 * mass, 2)))
    for at, mass in zip(query[0].tolist(), weights[0].tolist(), strict=True):
        parts.append(dot(PLANE.at(*at), "k0", radius=24 * mass**0.5))
    for c, cloud in enumerate(keys[0].tolist()):
        look = "k1" if c == best else "k3"
        parts += [dot(PLANE.at(*at), look, radius=24 * POINTS**-0.5) for at in cloud]
        x, y = PLANE.at(max(at[0] for at in cloud), sum(at[1] for at in cloud) / POINTS)
        parts.append(label(x + 14, y, f"distance {found.extras['distance'][0, c]:.2f}", f"name {look}"))
        parts.append(label(x + 14, y + 18, f"weight {read[0, 0, c]:.2f}", look))
    save("sliced_wasserstein", 700, 386, "A weighted cloud, three candidates, and the plan to the nearest", *parts)


if __name__ == "__main__":
    main()
