"""How far the credit that attribution gives is from what switching a channel off would show.

    python -m benchmarks.attribution

On the held-out markets of ``policies.models.train``, with the shipped weights. A market's shares by channel are
compared with the true ones: how much fewer conversions there would be without each channel, as a share of all such
losses. The error is the part of the credit that stands with the wrong channel (half the sum of absolute differences).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from policies.models import weights
from policies.models.attribution import AttributionModel
from policies.models.task import Sample
from policies.models.train import HELD_OUT, tensors
from swarm.platforms.samples.attribution import draw

Floats = NDArray[np.float64]


def shares(credit: NDArray[Any], sample: Sample) -> Floats:
    """[C] what each channel has of all credit [B, L]."""
    by_channel = np.einsum("bl,blc->c", np.maximum(credit, 0.0), sample.inputs["key"])
    return np.asarray(by_channel / max(by_channel.sum(), 1e-12))


def errors(model: AttributionModel, sample: Sample) -> dict[str, float]:
    """Error of each way to share credit out in one market."""
    true = sample.target["lift"].sum(axis=0)
    inputs, there = tensors(sample.inputs), sample.inputs["mask"].astype(np.float64)
    converted = sample.target["converted"][:, None]
    ways = {
        "credit by removal": model.answer(**inputs).extras["credit"].numpy(),
        "last click": model.simple(**inputs).extras["credit"].numpy() * converted,
        "equal shares of the touches": there / there.sum(axis=1, keepdims=True) * converted,
    }
    return {name: float(0.5 * np.abs(shares(way, sample) - true / true.sum()).sum()) for name, way in ways.items()}


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    model = AttributionModel().eval()
    weights.load(model, "attribution")
    with torch.inference_mode():
        found = [errors(model, draw(seed)) for seed in HELD_OUT]
    rng, made = np.random.default_rng(0), Table("credit", "in the wrong place (95 %)", title=f"source: {model.source}")
    for name in found[0]:
        each = np.array([one[name] for one in found])
        low, high = np.quantile(each[rng.integers(len(each), size=(10_000, len(each)))].mean(axis=1), [0.025, 0.975])
        made.add_row(name, f"{each.mean():.3f} ({low:.3f} to {high:.3f})")
    Console().print(made)


if __name__ == "__main__":
    main()
