"""How a given attention behaves, next to how it would with queries that point anywhere.

Six numbers describe the attention ``softmax(scale q k^T) v`` of one set of queries.  Each is placed among the same
number under the null: the queries turned by a random rotation, so that their spectrum stays (lengths, and angles
between them) and only their relation to the keys is lost.  A percentile is thus calibrated by itself, in any width.

Letters: M queries or draws of them, Nq queries, Nk keys, D width, V width of a value.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from mechanisms.graph import affinity, dirichlet, distances

DIRECTIONS = 32
"""Lines on which the clouds of queries and keys are compared."""
LEVELS = 64
"""Quantiles compared on each."""
QUADRUPLES = 256
"""Fours of points by which curvature is judged."""
WATCH, ACT = 0.05, 0.01
"""Tail probabilities under the null from which on a number is to be watched, and acted on."""
TINY = 1e-12
"""Keeps logarithms and quotients of nothing finite."""

ILL = {"entropy": -1, "rank": -1, "transport": 1, "curvature": 1, "coherence": 1, "energy": 1}
"""The side on which each number is a bad sign: -1 low, 1 high."""


class Status(StrEnum):
    """What to do about it."""

    OK = "ok"
    WATCH = "watch"
    ACT = "act"


@dataclass(frozen=True, slots=True)
class Finding:
    """One number of an attention."""

    value: float
    percentile: float
    """Its place among the null's, in (0, 1); uniform where queries have nothing to do with keys."""
    status: Status


@dataclass(frozen=True, slots=True)
class Report:
    """How an attention behaves."""

    findings: Mapping[str, Finding]
    """entropy: mean of a row of weights over that of an even one, low when few keys take all.
    rank: effective rank of the weights, low when all queries read alike.
    transport: mean 1-D Wasserstein distance of queries and keys over random lines, high when they lie apart.
    curvature: four-point excess of queries and keys over a tree's, in shares of the distance: 0 for a tree.
    coherence: length of the mean of the unit outputs, high when all answers point one way.
    energy: roughness of the weights along the graph of keys, high when near keys are treated unlike."""
    status: Status
    """Of the worst of them, given that six were looked at (Bonferroni)."""


def report(
    query: Tensor, key: Tensor, value: Tensor, *,
    scale: float | None = None, neighbours: int = 8, draws: int = 399, seed: int = 0,
) -> Report:  # fmt: skip
    """Describe one attention.

    Args:
        query: [Nq, D].
        key: [Nk, D], at least two.
        value: [Nk, V].
        scale: of the inner products; None is 1/sqrt(D).
        neighbours: of the graph of keys.
        draws: rotations of the queries; the overall status reaches ACT from 299 on.
        seed: of rotations, lines and fours of points.

    Raises:
        ValueError: on shapes that disagree, fewer than two keys, no draw, or numbers that are not finite.
    """
    _check(query, key, value, draws)
    rng = torch.Generator().manual_seed(seed)
    q, k, v = (x.detach().double() for x in (query, key, value))
    turned = q @ rotations(draws, q.shape[1], rng)
    found = metrics(torch.cat([q[None], turned]), k, v, scale or 1 / math.sqrt(q.shape[1]), neighbours, rng)
    findings, worst = {}, 1.0
    for name, numbers in found.items():
        percentile = _percentile(numbers)
        tail = percentile if ILL[name] < 0 else 1 - percentile
        worst = min(worst, tail)
        findings[name] = Finding(numbers[0].item(), percentile, _status(tail))
    return Report(findings, _status(len(findings) * worst))


def rotations(count: int, width: int, rng: torch.Generator) -> Tensor:
    """Orthogonal matrices, uniformly distributed (Haar), [count, width, width]."""
    q, r = torch.linalg.qr(torch.randn(count, width, width, generator=rng, dtype=torch.float64))
    signs: Tensor = r.diagonal(dim1=1, dim2=2).sign()[:, None]  # without them they would not be uniform
    return torch.mul(q, signs)


def metrics(
    query: Tensor, key: Tensor, value: Tensor, scale: float, neighbours: int, rng: torch.Generator
) -> dict[str, Tensor]:
    """The six numbers, [M] each, of M sets of queries [M, Nq, D] over the same keys [Nk, D] and values [Nk, V]."""
    weights = torch.softmax(scale * (query @ key.T), dim=-1)
    return {
        "entropy": _entropy(weights).mean(-1) / math.log(len(key)),
        "rank": effective_rank(weights),
        "transport": transport(query, key, rng),
        "curvature": curvature(query, key, rng),
        "coherence": torch.nn.functional.normalize(weights @ value, dim=-1).mean(1).norm(dim=-1),
        "energy": roughness(weights, key, neighbours),
    }


def effective_rank(weights: Tensor) -> Tensor:
    """Exponential of the entropy of the singular values as shares (Roy and Vetterli 2007); [M, Nq, Nk] to [M]."""
    values = torch.linalg.svdvals(weights)
    return _entropy(values / values.sum(-1, keepdim=True)).exp()


def transport(query: Tensor, key: Tensor, rng: torch.Generator) -> Tensor:
    """Mean distance of the quantiles of [M, Nq, D] and [Nk, D] on random lines, [M]."""
    lines = torch.randn(query.shape[-1], DIRECTIONS, generator=rng, dtype=query.dtype)
    lines = lines / lines.norm(dim=0)
    levels = (torch.arange(LEVELS, dtype=query.dtype) + 0.5) / LEVELS
    ours, theirs = (torch.quantile(x @ lines, levels, dim=-2) for x in (query, key))
    return (ours - theirs[:, None]).abs().mean((0, 2))


def curvature(query: Tensor, key: Tensor, rng: torch.Generator) -> Tensor:
    """Mean four-point excess over a tree's (Gromov 1987) of fours of [M, Nq, D] and [Nk, D], over their size, [M].

    Of the three ways to pair four points, the sums of the two distances are, on a tree, largest twice; the excess is
    half of the gap between the largest two.
    """
    points = torch.cat([query, key.expand(len(query), -1, -1)], dim=1)
    fours = torch.rand(QUADRUPLES, points.shape[1], generator=rng).argsort(dim=1)[:, :4]
    far = distances(points, points)
    pairs = (((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2)))
    sums = [sum(far[:, fours[:, a], fours[:, b]] for a, b in pair) for pair in pairs]
    largest = torch.stack([torch.as_tensor(each) for each in sums]).sort(dim=0, descending=True).values
    return (largest[0] - largest[1]).mean(-1) / 2 / largest[0].mean(-1).clamp_min(TINY)


def roughness(weights: Tensor, key: Tensor, neighbours: int) -> Tensor:
    """Mean of ``w^T (G - W) w / w^T G w`` over rows w of [M, Nq, Nk], W the graph of keys, G its degrees; [M]."""
    graph = affinity(key[None], torch.ones(1, len(key), dtype=torch.bool), neighbours)
    columns = weights.flatten(0, 1).T[None]
    size = (graph.sum(-1, keepdim=True) * columns.square()).sum(1)
    return (dirichlet(columns, graph) / size.clamp_min(TINY)).view(weights.shape[:2]).mean(-1)


def _entropy(shares: Tensor) -> Tensor:
    """In nats, over the last axis."""
    return -(shares * shares.clamp_min(TINY).log()).sum(-1)


def _percentile(numbers: Tensor) -> float:
    """Place of the first among the others; ties, up to rounding, count half."""
    first, others = numbers[0], numbers[1:]
    slack = 1e-9 * (first.abs() + TINY)
    below, above = (others < first - slack).sum().item(), (others > first + slack).sum().item()
    return (below + 0.5 * (len(others) - below - above) + 0.5) / (len(others) + 1)


def _status(tail: float) -> Status:
    # A sum of hundredths may miss by rounding.
    return Status.OK if tail > WATCH + TINY else Status.WATCH if tail > ACT + TINY else Status.ACT


def _check(query: Tensor, key: Tensor, value: Tensor, draws: int) -> None:
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)}, value {tuple(value.shape)}"
    if any(x.dim() != 2 for x in (query, key, value)) or query.shape[1] != key.shape[1] or len(key) != len(value):
        raise ValueError(f"{shapes}, expected [Nq, D], [Nk, D], [Nk, V]")
    if len(key) < 2 or len(query) < 2:
        raise ValueError(f"{shapes}: fewer than two queries or keys have no shape")
    if draws < 1:
        raise ValueError(f"draws is {draws}, expected 1 or more")
    if not all(x.isfinite().all() for x in (query, key, value)):
        raise ValueError("query, key or value holds a NaN or an infinity")
