"""How a given attention behaves, next to how it would with queries that point anywhere.

Six numbers describe the attention ``softmax(scale q k^T) v`` of one set of queries.  Each is placed among the same
number under the null: the queries turned by a random rotation, so that their spectrum stays (lengths, and angles
between them) and only their relation to the keys is lost.  A percentile is thus calibrated by itself, in any width.

Letters: M draws of the queries, Nq queries, Nk keys, D width, V width of a value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain

import torch
from torch import Tensor
from torch.nn import functional as F

from mechanisms.graph import affinity, dirichlet, root, squares

DIRECTIONS = 32
"""Lines on which the clouds of queries and keys are compared."""
LEVELS = 64
"""Quantiles compared on each."""
QUADRUPLES = 256
"""Fours of points by which curvature is judged."""
PAIRS = [(0, 1), (2, 3), (0, 2), (1, 3), (0, 3), (1, 2)]
"""The three ways to pair four points, one after the other."""
GROUP = 25
"""Rotations that are worked on at a time: what is made of them stays small and near."""
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
    found = metrics(q, k, v, 1 / math.sqrt(q.shape[1]) if scale is None else scale, neighbours, draws, rng)
    findings, worst = {}, 1.0
    for name, numbers in found.items():
        percentile = _percentile(numbers)
        tail = percentile if ILL[name] < 0 else 1 - percentile
        worst = min(worst, tail)
        findings[name] = Finding(numbers[0].item(), percentile, _status(tail))
    return Report(findings, _status(len(findings) * worst))


def metrics(
    query: Tensor, key: Tensor, value: Tensor, scale: float, neighbours: int, draws: int, rng: torch.Generator
) -> dict[str, Tensor]:
    """The six numbers, [1 + draws] each: of the queries as they are, then of each rotation.

    A rotation changes nothing but the queries' inner products with keys and lines, so these are all that is drawn.
    """
    lines = F.normalize(torch.randn(DIRECTIONS, query.shape[1], generator=rng, dtype=query.dtype), dim=1)
    fours = torch.rand(QUADRUPLES, len(query) + len(key), generator=rng).argsort(dim=1)[:, :4]
    graph = affinity(key[None], torch.ones(1, len(key), dtype=torch.bool), neighbours)
    others, apart, outcomes = torch.cat([key, lines]), unturned(query, key), _triangle(value)
    groups = []
    for products in chain([(query @ others.T)[None]], turned(query, others, draws, rng)):
        inner, along = products[..., : len(key)], products[..., len(key) :]
        logs = torch.log_softmax(scale * inner, dim=-1)
        weights = logs.exp()
        groups.append({
            "entropy": -(weights * logs).sum(-1).mean(-1) / math.log(len(key)),
            "rank": effective_rank(weights),
            "transport": transport(along, key @ lines.T),
            "curvature": curvature(inner, apart, fours),
            "coherence": F.normalize(weights @ outcomes, dim=-1).mean(1).norm(dim=-1),
            "energy": roughness(weights, graph),
        })  # fmt: skip
    return {name: torch.cat([group[name] for group in groups]) for name in ILL}


def turned(query: Tensor, others: Tensor, draws: int, rng: torch.Generator) -> Iterator[Tensor]:
    """Inner products [up to GROUP, Nq, L] of rotations of the queries [Nq, D] with others [L, D], ``draws`` in all."""
    lengths = _triangle(query)
    for done in range(0, draws, GROUP):
        yield lengths @ rotations(min(GROUP, draws - done), lengths.shape[1], others, rng)


def rotations(count: int, rows: int, others: Tensor, rng: torch.Generator) -> Tensor:
    """The first rows of uniform (Haar) rotations in D, times others [L, D]; [count, rows, L].

    A normal matrix is a triangle times such rows, and they are not needed themselves: the triangle is divided out.
    """
    normal = torch.randn(count, rows, others.shape[1], generator=rng).to(others)
    triangle = torch.linalg.qr(normal.mT, mode="r").R
    signs: Tensor = triangle.diagonal(dim1=1, dim2=2).sign()[..., None]  # without them the rows would not be uniform
    drawn: Tensor = torch.linalg.solve_triangular((signs * triangle).mT, normal @ others.T, upper=False)
    return drawn


def effective_rank(weights: Tensor) -> Tensor:
    """Exponential of the entropy of the singular values as shares (Roy and Vetterli 2007); [M, Nq, Nk] to [M]."""
    values = torch.linalg.svdvals(weights)
    shares = values / values.sum(-1, keepdim=True)
    entropy: Tensor = -(shares * shares.clamp_min(TINY).log()).sum(-1)
    return entropy.exp()


def transport(ours: Tensor, theirs: Tensor) -> Tensor:
    """Mean distance of the quantiles of positions [M, Nq, L] and [Nk, L] on L lines, [M]."""
    ours, theirs = (_levels(x.shape[-2]).to(x) @ x.sort(dim=-2).values for x in (ours, theirs))
    gaps: Tensor = ours - theirs
    return gaps.abs().mean((1, 2))


def unturned(query: Tensor, key: Tensor) -> Tensor:
    """Squared distances [N, N] of queries [Nq, D] then keys [Nk, D], of a query and a key before ``-2 q k``."""
    lengths = torch.cat([query, key]).square().sum(-1)
    square = lengths[:, None] + lengths
    for own, points in ((slice(len(query)), query), (slice(len(query), None), key)):
        square[own, own] = squares(points[None], points[None])[0]
    return square


def curvature(inner: Tensor, apart: Tensor, fours: Tensor) -> Tensor:
    """Mean four-point excess over a tree's (Gromov 1987) of fours of queries and keys, over their size, [M].

    Of the three ways to pair four points, the sums of the two distances are, on a tree, largest twice; the excess is
    half of the gap between the largest two.

    Args:
        inner: products of queries and keys, [M, Nq, Nk].
        apart: [N, N], see ``unturned``.
        fours: [F, 4] numbers of points.
    """
    queries, keys = inner.shape[1:]
    low, high = fours.sort(dim=1).values[:, PAIRS].unbind(-1)  # [F, 6]
    between = (low < queries) & (high >= queries)
    product = inner.flatten(1)[:, torch.where(between, low * keys + high - queries, 0)]
    square = apart[low, high] - 2 * between * product
    far = root(square)
    sums = far[..., ::2] + far[..., 1::2]
    first, second = sums.topk(2, dim=-1).values.mean(1).unbind(-1)
    excess: Tensor = (first - second) / 2
    return excess / first.clamp_min(TINY)


def roughness(weights: Tensor, graph: Tensor) -> Tensor:
    """Mean of ``w^T (G - W) w / w^T G w`` over rows w of [M, Nq, Nk], W the graph [1, Nk, Nk], G its degrees; [M]."""
    size = weights.square() @ graph[0].sum(-1)
    return (dirichlet(weights.mT, graph) / size.clamp_min(TINY)).mean(-1)


def _triangle(rows: Tensor) -> Tensor:
    """[N, min(N, D)] with the same lengths and angles as rows [N, D]."""
    triangle: Tensor = torch.linalg.qr(rows.T, mode="r").R
    return triangle.T


def _levels(count: int) -> Tensor:
    """[LEVELS, count], what each of so many numbers in order adds to the quantiles."""
    at = (torch.arange(LEVELS, dtype=torch.float64)[:, None] + 0.5) / LEVELS * (count - 1)
    return (1 - (at - torch.arange(count)).abs()).clamp_min(0.0)


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
