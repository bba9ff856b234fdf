"""Coherence against the worst score, for three tails."""

from __future__ import annotations

import torch

from docs.mechanisms.draw.axes import chart, save
from mechanisms.coherence import coherence


def main() -> None:
    """Draw it."""
    scores = torch.linspace(0, 12, 121)
    lines = {f"{dof} degrees of freedom": coherence(scores[:, None], dof=dof).tolist() for dof in (4, 8, 30)}
    title = "What a score of so many spreads above the usual is worth"
    ticks = {str(each): float(each) for each in range(0, 13, 2)}
    save(
        "coherence",
        chart(title, scores.tolist(), lines, across="score of one signal", up="coherence", top=1.0, ticks=ticks),
    )


if __name__ == "__main__":
    main()
