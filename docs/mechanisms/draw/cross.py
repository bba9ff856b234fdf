"""What a bridge learns, and how its gate opens meanwhile: ``python -m docs.mechanisms.draw.cross``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from docs.mechanisms.draw.sheet import curve, label, rule, save
from mechanisms.contrastive import info_nce
from mechanisms.cross import CrossAttention

STEPS, EVERY = 240, 6
LEFT, RIGHT, TOP, BOTTOM = 50.0, 520.0, 20.0, 280.0
RNG = torch.Generator().manual_seed(2)
KNOWN, TOLD, SOUGHT = (torch.randn(*shape, generator=RNG) / 4 for shape in ((8, 16), (8, 24), (16, 16)))


def _draw(items: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries that hold one half of an item, rows of another width that hold the other, and what is sought."""
    item = torch.randn(items, 16, generator=RNG)
    rows = (item[:, 8:] @ TOLD)[:, None] + 0.1 * torch.randn(items, 3, 24, generator=RNG)
    return (item[:, :8] @ KNOWN)[:, None], rows, item @ SOUGHT


def _found(answer: Tensor, target: Tensor) -> float:
    """Share of rows whose nearest target is their own."""
    likeness = torch.cosine_similarity(answer[:, None], target[None], dim=-1)
    return (likeness.argmax(1) == torch.arange(len(target))).double().mean().item()


def _curves() -> list[list[float]]:
    """Held-out retrieval with and without a bridge, and the gate, every few steps of training."""
    bridge = CrossAttention.Config(query_width=16, key_width=24, value_width=24, heads=2).build()
    bridged, alone = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
    optimiser = torch.optim.Adam([*bridge.parameters(), *bridged.parameters(), *alone.parameters()], lr=0.01)
    held = _draw(400)
    curves: list[list[float]] = [[], [], []]
    for step in range(STEPS + 1):
        if step % EVERY == 0:
            with torch.no_grad():
                across = bridged(bridge(held[0], held[1], held[1]).output[:, 0])
                now = (_found(across, held[2]), _found(alone(held[0][:, 0]), held[2]), bridge.gate.tanh().abs().item())
            for line, value in zip(curves, now, strict=True):
                line.append(value)
        query, rows, target = _draw(64)
        across = bridged(bridge(query, rows, rows).output[:, 0])
        loss = info_nce(across, target) + info_nce(alone(query[:, 0]), target)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return curves


def _y(share: float) -> float:
    return BOTTOM - (BOTTOM - TOP) * share


def main() -> None:
    """Train and draw."""
    parts = [rule(LEFT, _y(share), RIGHT, _y(share)) for share in (0, 0.25, 0.5, 0.75, 1)]
    parts += [label(LEFT - 8, _y(share) + 4, f"{share:g}", "end") for share in (0, 0.25, 0.5, 0.75, 1)]
    parts += [label(LEFT + (RIGHT - LEFT) * s / STEPS, BOTTOM + 20, str(s), "middle") for s in range(0, STEPS + 1, 60)]
    names = ("found, with bridge", "found, without", "gate, tanh |g|")
    for place, (name, line) in enumerate(zip(names, _curves(), strict=True)):
        points = [(LEFT + (RIGHT - LEFT) * i * EVERY / STEPS, _y(value)) for i, value in enumerate(line)]
        parts += [curve(points, f"k{place}"), label(RIGHT + 8, points[-1][1] + 4, name, f"k{place}")]
    save("cross", 680, 310, "Held-out retrieval among 400 by training step, and the gate of the bridge", *parts)


if __name__ == "__main__":
    main()
