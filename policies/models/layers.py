"""Small learned layers whose start is drawn from a generator, so that a model is the same wherever it is built."""

from __future__ import annotations

import math

import torch
from torch import nn


def linear(inputs: int, outputs: int, rng: torch.Generator) -> nn.Linear:
    """A linear map [.., inputs] to [.., outputs], with a bias that starts at zero."""
    layer = nn.Linear(inputs, outputs)
    nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5), generator=rng)
    nn.init.zeros_(layer.bias)
    return layer


def read_out(inputs: int, inner: int, outputs: int, rng: torch.Generator) -> nn.Sequential:
    """Two linear maps with a bend between them."""
    return nn.Sequential(linear(inputs, inner, rng), nn.GELU(), linear(inner, outputs, rng))


def word_weights(width: int) -> nn.Linear:
    """One weight for each number of an embedding, zero at the start."""
    layer = nn.Linear(width, 1, bias=False)
    nn.init.zeros_(layer.weight)
    return layer
