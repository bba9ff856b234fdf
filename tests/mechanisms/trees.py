"""Trees, and embeddings of their distances that are trained alike in flat and in hyperbolic space.

Letters: N nodes, d dimensions.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from math import log

import networkx as nx
import torch
from torch import Tensor

from mechanisms.lorentz import tangent_distance

EDGE = 1.0
"""Length of a step at the start."""

Distance = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Embedding:
    """Vectors of the nodes, [N, d], and how far distances are from the graph's."""

    vectors: Tensor
    distortion: float
    """Mean over pairs of ``|distance / (edge steps) - 1|``, edge being the embedding's own length of a step."""


def balanced(depth: int) -> Tensor:
    """Steps between the nodes of the binary tree whose leaves lie ``depth`` below the root, [N, N]."""
    return steps(nx.balanced_tree(2, depth))


def irregular(nodes: int, seed: int) -> Tensor:
    """The same for a tree that grew at random: each node hangs on an older one, any with the same chance."""
    rng = random.Random(seed)
    return steps(nx.Graph((node, rng.randrange(node)) for node in range(1, nodes)))


def steps(graph: nx.Graph) -> Tensor:
    """Shortest paths between all nodes of a connected graph, [N, N] in float64."""
    return torch.tensor(nx.floyd_warshall_numpy(graph), dtype=torch.float64)


def flat(u: Tensor, v: Tensor) -> Tensor:
    """Euclidean distance."""
    norm: Tensor = torch.linalg.vector_norm(u - v, dim=-1)
    return norm


def hyperbolic(u: Tensor, v: Tensor) -> Tensor:
    """Distance at curvature -1 of the points at the ends of u and v."""
    return tangent_distance(u, v, u.new_ones(1))


def embed(steps: Tensor, dimensions: int, distance: Distance, rounds: int) -> Embedding:
    """Train vectors, and the length of a step, by Adam on the squared relative error of all pairs.

    All spaces start from the same classical scaling of the distances and are trained alike.
    """
    vectors = (EDGE * _scaled(steps, dimensions)).requires_grad_()
    log_edge = torch.tensor(log(EDGE), dtype=torch.float64, requires_grad=True)
    one, other = torch.triu_indices(len(steps), len(steps), 1)
    optimiser = torch.optim.Adam([vectors, log_edge], lr=0.2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, rounds)
    for _ in range(rounds):
        error = distance(vectors[one], vectors[other]) / (log_edge.exp() * steps[one, other]) - 1
        optimiser.zero_grad()
        torch.autograd.backward(error.square().mean())
        optimiser.step()
        schedule.step()
    return Embedding(vectors.detach(), error.abs().mean().item())


def _scaled(steps: Tensor, dimensions: int) -> Tensor:
    """Classical multidimensional scaling (Torgerson 1952), [N, d], and a little noise between equal nodes."""
    centre = torch.eye(len(steps), dtype=torch.float64) - 1 / len(steps)
    sizes, ways = torch.linalg.eigh(-centre @ steps.square() @ centre / 2)
    noise = torch.randn(len(steps), dimensions, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    scaled: Tensor = ways[:, -dimensions:] * sizes[-dimensions:].sqrt() + 0.04 * noise
    return scaled
