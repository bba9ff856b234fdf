"""Heat on the graph of keys: values flow between keys that are near, for a time.

    x(t) = exp(-t L) x,    L = I - D^-1 W,

with W the locally scaled k-nearest-neighbour graph of the keys (``mechanisms.graph.affinity``).  This is the exact
heat kernel, not steps of it, so no time is too long: at 0 values stay, later each connected part has one value.

Letters: N keys, C channels of a value, D width of a key.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mechanisms.base import checked
from mechanisms.graph import affinity, walk


def diffuse(
    values: Tensor, key: Tensor, time: float | Tensor, mask: Tensor | None = None, *, neighbours: int = 8
) -> Tensor:
    """Let values flow along the graph of their keys.

    Args:
        values: [..., N, C].
        key: [..., N, D].
        time: how long, at least 0; a number, or a tensor [...] with one for each graph. In time 1 a walker takes one
            step on average.
        mask: [..., N] boolean, keys that count; what the others hold stays where it is.
        neighbours: k of the graph.

    Returns:
        [..., N, C]; within a connected part the mean weighted by degree stays, and so do constants.

    Raises:
        ValueError: if shapes disagree or there is no neighbour.
        RuntimeError: if a time is negative or the result is not finite.

    >>> diffuse(torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0]]), 50.0)
    tensor([[0.5000],
            [0.5000]])
    """
    _check(values, key, mask, neighbours)
    duration = torch.as_tensor(time, dtype=values.dtype, device=values.device)
    torch._assert_async((duration >= 0).all(), "a time is negative")
    keep = torch.ones(key.shape[:-1], dtype=torch.bool, device=key.device) if mask is None else mask
    rows = key.shape[-2]
    step = walk(affinity(key.reshape(-1, *key.shape[-2:]), keep.reshape(-1, rows), neighbours))
    generator = step.view(*key.shape[:-1], rows) - torch.eye(rows, dtype=step.dtype, device=step.device)
    kept = torch.where(keep[..., None], values, 0.0)  # what is masked may hold anything
    flowed = torch.linalg.matrix_exp(duration[..., None, None] * generator) @ kept
    return checked(torch.where(keep[..., None], flowed, values), "diffusion")


def _check(values: Tensor, key: Tensor, mask: Tensor | None, neighbours: int) -> None:
    if values.dim() < 2 or values.shape[:-1] != key.shape[:-1]:
        raise ValueError(f"values {tuple(values.shape)} do not pair with key {tuple(key.shape)}")
    if mask is not None and (mask.shape != key.shape[:-1] or mask.dtype != torch.bool):
        raise ValueError(f"mask {tuple(mask.shape)} of {mask.dtype} does not pair with key {tuple(key.shape)}")
    if neighbours < 1:
        raise ValueError(f"neighbours is {neighbours}, expected 1 or more")


def naive(values: Tensor, key: Tensor, time: float, neighbours: int = 8) -> Tensor:
    """The definition, in float64, for one graph [N, C] and [N, D]: neighbours one by one, then Taylor's series."""
    n = len(key)
    far = [[(key[i].double() - key[j].double()).norm().item() for j in range(n)] for i in range(n)]
    k = min(neighbours, n - 1)
    reach = [sorted(far[i][j] for j in range(n) if j != i)[k - 1] for i in range(n)]
    weight = torch.zeros(n, n).double()
    for i in range(n):
        for j in range(n):
            if i != j and far[i][j] <= max(reach[i], reach[j]):
                weight[i, j] = math.exp(-(far[i][j] ** 2) / (reach[i] * reach[j]))
    laplacian = torch.eye(n).double() - weight / weight.sum(1, keepdim=True)
    total = term = values.double()
    for order in range(1, 60 + int(20 * time)):
        term = -time / order * (laplacian @ term)
        total = total + term
    return total
