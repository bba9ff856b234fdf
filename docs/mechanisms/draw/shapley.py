"""How the error of sampled credit falls with questions: python -m docs.mechanisms.draw.shapley."""

from __future__ import annotations

import torch
from torch import Tensor

from docs.mechanisms.draw.sheet import lines
from mechanisms.shapley import exact, sampled
from swarm.observe.report.charts import Line

_PLAYERS = 12
_PAIRS = [2, 4, 8, 16, 32, 64, 128, 256]


def worth(coalitions: Tensor) -> Tensor:
    """A chance of conversion: each touch moves its logit, neighbours overlap."""
    there = coalitions.double()
    return torch.sigmoid(
        there @ torch.linspace(0.0, 0.8, _PLAYERS).double() - (there[:, 1:] * there[:, :-1]).sum(-1) / 4
    )


def main() -> None:
    """Draw the real error and the standard error that goes with each answer, both as root mean squares."""
    truth, rng = exact(worth, _PLAYERS).credit, torch.Generator().manual_seed(3)
    real, told = [], []
    for pairs in _PAIRS:
        answers = [sampled(worth, _PLAYERS, pairs=pairs, rng=rng) for _ in range(200)]
        real.append(torch.stack([each.credit - truth for each in answers]).square().mean().sqrt().item())
        told.append(torch.stack([each.error for each in answers]).square().mean().sqrt().item())
    given = [Line("real error", real, "k0"), Line("error it tells", told, "k1")]
    lines(
        "shapley", given, labels=[str(pairs) for pairs in _PAIRS], title="Error of sampled credit, by pairs of orders"
    )


if __name__ == "__main__":
    main()
