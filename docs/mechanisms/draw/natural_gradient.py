"""Two ways down the same loss on the simplex of three shares: ``python -m docs.mechanisms.draw.natural_gradient``."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from docs.mechanisms.draw.sheet import Plane, area, curve, dot, label, save
from mechanisms.natural_gradient import NaturalGradient

PAY = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
STARTS = torch.tensor([[0.9, 0.095, 0.005], [0.6, 0.395, 0.005]], dtype=torch.float64)
PLANE = Plane(x=(0, 1), y=(0, 0.75**0.5), left=120, top=34, width=370, height=370 * 0.75**0.5)


def natural(shares: Tensor) -> Tensor:
    """A step measured in the distribution."""
    return NaturalGradient.Config(lr=0.1, trust_region=math.inf).build().shares(shares, -PAY)


def plain(shares: Tensor) -> Tensor:
    """A step of the same rate in the logits."""
    return torch.softmax(shares.log() + 0.1 * shares * (PAY - shares @ PAY), -1)


def _place(shares: Tensor) -> tuple[float, float]:
    _, right, top = shares.tolist()
    return PLANE.at(right + top / 2, top * 0.75**0.5)


def _path(start: Tensor, step: Callable[[Tensor], Tensor]) -> list[Tensor]:
    """Shares after every step until nine tenths are on the best."""
    path = [start]
    while path[-1][2] < 0.9:
        path.append(step(path[-1]))
    return path


def main() -> None:
    """Draw."""
    corners = [_place(corner) for corner in torch.eye(3)]
    parts = [area(corners, "k3")]
    for (x, y), pay, where in zip(corners, PAY.tolist(), ("end", "", "middle"), strict=True):
        aside, above = {"end": (-10, 0), "": (10, 0), "middle": (0, -12)}[where]
        parts.append(label(x + aside, y + above, f"pays {pay:g}", where))
    for place, (step, every) in enumerate({plain: 1000, natural: 10}.items()):
        look, paths = f"k{1 - place}", [_path(start, step) for start in STARTS]
        for path in paths:
            parts.append(curve([_place(p) for p in [*path[:: max(1, every // 10)], path[-1]]], look))
            parts += [dot(_place(p), look, 2.6) for p in path[::every]]
        first, second = sorted(len(path) - 1 for path in paths)
        words = f"{step.__name__}: {first:,} and {second:,} steps"
        parts.append(label(415, 70 + 22 * place, words, f"name {look}"))
    parts += [dot(_place(start), "cell", 5) for start in STARTS]
    save("natural_gradient", 680, 380, "Natural and plain gradient from shares of which the best is rare", *parts)


if __name__ == "__main__":
    main()
