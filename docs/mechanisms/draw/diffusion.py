"""Six values on two groups of keys, over time."""

from __future__ import annotations

import torch

from docs.mechanisms.draw.axes import chart, save
from mechanisms.diffusion import diffuse


def main() -> None:
    """Draw it."""
    rng = torch.Generator().manual_seed(3)
    key = torch.randn(6, 2, generator=rng, dtype=torch.float64)
    key[3:, 0] += 20.0
    values = torch.tensor([1.0, 0.8, 0.5, 0.1, 0.3, 0.0], dtype=torch.float64)[:, None]
    log_times = torch.linspace(-2, 2, 61)
    flows = torch.stack([diffuse(values, key, 10.0 ** float(at), neighbours=2)[:, 0] for at in log_times], dim=1)
    names = [f"key {i + 1} of group {'A' if i < 3 else 'B'}" for i in range(6)]
    lines = dict(zip(names, flows.tolist(), strict=True))
    title = "Each group of keys comes to one value of its own"
    ticks = {f"{10.0**each:g}": float(each) for each in range(-2, 3)}
    save("diffusion", chart(title, log_times.tolist(), lines, across="time", up="value", top=1.0, ticks=ticks))


if __name__ == "__main__":
    main()
