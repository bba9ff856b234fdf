"""How far apart two points are by how far out they lie: ``python -m docs.mechanisms.draw.mixed_curvature``."""

from __future__ import annotations

import torch

from docs.mechanisms.draw.sheet import Plane, curve, dot, label, save
from mechanisms import stereographic

PLANE = Plane(x=(0, 2.5), y=(0, 5), left=44, top=20, width=440, height=280)
FACTORS = {"hyperbolic, k = -1": -1.0, "flat, k = 0": 0.0, "spherical, k = 1": 1.0}
TURN = torch.pi / 2


def main() -> None:
    """Draw the distance of two points whose ways from the origin part at a right angle."""
    radius = torch.linspace(0, 2.5, 101, dtype=torch.float64)[:, None]
    one, other = radius * torch.tensor([1.0, 0.0]), radius * torch.tensor([0.0, 1.0])
    parts = PLANE.scale([0, 0.5, 1, 1.5, 2, 2.5], [0, 1, 2, 3, 4, 5])
    for place, (name, curvature) in enumerate(FACTORS.items()):
        k = torch.tensor([curvature], dtype=torch.float64)
        distance = stereographic.distance(stereographic.exp0(one, k), stereographic.exp0(other, k), k)
        points = [PLANE.at(r, d) for r, d in zip(radius[:, 0].tolist(), distance.tolist(), strict=True)]
        parts += [curve(points, f"k{place}"), label(points[-1][0] + 8, points[-1][1] + 4, name, f"name k{place}")]
    quarter = PLANE.at(TURN, TURN)
    parts += [
        dot(quarter, "k2"),
        label(quarter[0], quarter[1] + 56, "a quarter turn out, a quarter turn apart", "middle"),
    ]
    save(
        "mixed_curvature",
        660,
        340,
        "Distance of two points at a right angle, by how far out they lie",
        *parts,
    )


if __name__ == "__main__":
    main()
