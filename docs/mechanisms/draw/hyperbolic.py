"""A tree in the hyperbolic plane and the cones of its nodes: ``python -m docs.mechanisms.draw.hyperbolic``."""

from __future__ import annotations

import networkx as nx
import torch
from torch import Tensor

from docs.mechanisms.draw.sheet import Plane, area, curve, dot, save
from mechanisms import lorentz
from mechanisms.cones import half_angle, outside
from swarm.observe.report.markup import el

DEPTH, STEPS, MARGIN = 4, 1200, 0.25
OPENING = 0.35
"""Wider than the default of ``mechanisms.cones``, so that 15 inner nodes have cones that can be seen."""
ONE = torch.ones(1, dtype=torch.float64)
PLANE = Plane(x=(-1, 1), y=(-1, 1), left=20, top=20, width=440, height=440)
TREE = nx.balanced_tree(2, DEPTH, create_using=nx.DiGraph)
BELOW = torch.tensor([[nx.has_path(TREE, i, j) and i != j for j in TREE] for i in TREE])
OTHERS = ~BELOW & ~torch.eye(len(TREE), dtype=torch.bool)


def _level(node: int) -> int:
    return (node + 1).bit_length() - 1


def trained() -> Tensor:
    """Vectors of the nodes, [N, 2], such that descendants lie in a node's cone and nobody else does.

    They start with each level on a circle, its nodes in order. The root stays at the origin, which has no way on.
    """
    levels = torch.tensor([_level(node) for node in TREE], dtype=torch.float64)
    angles = 2 * torch.pi * (torch.arange(len(TREE)) + 1.5 - 2**levels) / 2**levels
    vectors = 0.6 * levels[:, None] * torch.stack([angles.cos(), angles.sin()], -1)
    vectors.requires_grad_()
    optimiser = torch.optim.Adam([vectors], lr=0.02)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS)
    for _ in range(STEPS):
        gap = outside(vectors[1:, None], vectors[None, 1:], ONE, OPENING)
        loss = gap[BELOW[1:, 1:]].square().sum() + (MARGIN - gap[OTHERS[1:, 1:]]).clamp(min=0).square().sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        schedule.step()
    return vectors.detach()


def _place(v: Tensor) -> tuple[float, float]:
    """Where the point at the end of ``v`` lies in the Poincare disc."""
    radius = lorentz.length(v).clamp(min=lorentz.tiny(v))
    return PLANE.at(*(v / radius * (radius / 2).tanh()).tolist())


def _ray(v: Tensor, turned: Tensor, lengths: Tensor) -> list[tuple[float, float]]:
    """The way from the point at the end of ``v``, turned from the way on, after ``lengths``."""
    x, way = lorentz.exp0(v, ONE), v / v.norm()
    across = torch.stack([-way[1], way[0]])
    tangent = turned.cos() * v.norm().cosh() * way + turned.sin() * across
    return [_place(lorentz.log0(lorentz.exp(x, t * tangent, ONE), ONE)) for t in lengths]


def _cone(v: Tensor) -> list[tuple[float, float]]:
    """Its two sides to the edge of the disc, and the edge between them."""
    half, lengths = half_angle(v, ONE, OPENING), torch.linspace(0, 8, 30, dtype=torch.float64)
    edge = [_ray(v, part * half, lengths[-1:])[0] for part in torch.linspace(-1, 1, 30).double()]
    return _ray(v, -half, lengths) + edge + _ray(v, half, lengths)[::-1]


def _edge(u: Tensor, v: Tensor) -> list[tuple[float, float]]:
    """The geodesic between two points."""
    x, y = (lorentz.exp0(each, ONE) for each in (u, v))
    way = lorentz.log(x, y, ONE)
    return [_place(lorentz.log0(lorentz.exp(x, t * way, ONE), ONE)) for t in torch.linspace(0, 1, 12).double()]


def main() -> None:
    """Train and draw."""
    vectors = trained()
    parts = [el("circle", cx=240, cy=240, r=220, class_="edge")]
    parents = [node for node in TREE if 1 <= _level(node) < DEPTH]
    parts += [area(_cone(vectors[node]), f"k{_level(node) - 1}") for node in parents]
    parts += [curve(_edge(vectors[i], vectors[j]), "edge") for i, j in TREE.edges]
    parts += [dot(_place(vectors[node]), f"k{max(_level(node) - 1, 0)}", 4) for node in TREE]
    save("hyperbolic", 480, 480, "A binary tree in the Poincare disc; every node lies in its ancestors' cones", *parts)


if __name__ == "__main__":
    main()
