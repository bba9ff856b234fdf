"""Mixed curvature: people by flat, hierarchical and cyclical features, each kind in a space of its own shape.

Letters: U people, K segments, W widths of the three kinds together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import linkage, to_tree
from scipy.spatial.distance import squareform
from torch import Tensor

from mechanisms.mixed_curvature import MixedCurvatureAttention
from policies.entities import UserFeatures

_ROUNDS = 20
"""Of moving medoids; they settle in a few."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class AudienceEmbedding:
    """Where a person stands among the segments."""

    embedding: NDArray[np.float32]
    """[W] what the segments near to the person have in common."""
    segments: NDArray[np.float32]
    """[K] how much the person belongs to each segment; sums to 1."""
    hierarchy: tuple[tuple[int, ...], ...]
    """From all segments down to the nearest one: each entry is a part of the one before."""


class AudienceModeler:
    """Finds segments among known people, as medoids of the product space, and places others among them.

    >>> rng = np.random.default_rng(0)
    >>> centres = 3 * rng.normal(size=(4, 320)) / 18
    >>> rows = centres.repeat(25, axis=0) + 0.1 * rng.normal(size=(100, 320)) / 18
    >>> people = [UserFeatures(demographics=r[:128], interests=r[128:256], behavior=r[256:]) for r in rows]
    >>> found = AudienceModeler().fit(people, segments=4).model_audience(people[0])
    >>> found.embedding.shape, int(found.segments.argmax()) == found.hierarchy[-1][0], len(found.hierarchy[0])
    ((320,), True, 4)
    """

    def __init__(
        self,
        *,
        euclidean_dim: int = 128,
        hyperbolic_dim: int = 128,
        spherical_dim: int = 64,
        curvature_h: float = -1.0,
        curvature_s: float = 1.0,
        seed: int = 0,
    ) -> None:
        """Widths of demographics, interests and behaviour, and the curvatures of the last two.

        Raises:
            ValueError: unless ``curvature_h`` < 0 < ``curvature_s``.
        """
        if not curvature_h < 0 < curvature_s:
            raise ValueError(f"curvature_h {curvature_h} and curvature_s {curvature_s}, expected below and above 0")
        self._widths, self._seed = (euclidean_dim, hyperbolic_dim, spherical_dim), seed
        self._attention = MixedCurvatureAttention.Config(
            widths=self._widths, curvatures=(0.0, curvature_h, curvature_s), heads=1
        ).build()
        _as_they_are(self._attention)
        self._medoids: Tensor | None = None
        self._parts: dict[int, tuple[tuple[int, ...], ...]] = {}

    def fit(self, people: Sequence[UserFeatures], *, segments: int) -> AudienceModeler:
        """Find ``segments`` groups; time and memory grow with the square of the number of people.

        Raises:
            ValueError: if there are fewer people than segments, fewer than 2 segments, or features of other widths.
        """
        if not 2 <= segments <= len(people):
            raise ValueError(f"{segments} segments of {len(people)} people, expected 2 to the number of people")
        rows = self._rows(people)
        apart = self._distances(rows, rows)
        chosen = _medoids(apart, segments, np.random.default_rng(self._seed))
        self._medoids = rows[:, chosen]
        self._parts = _paths(apart[np.ix_(chosen, chosen)])
        return self

    def model_audience(self, user_features: UserFeatures) -> AudienceEmbedding:
        """Place one person.

        Raises:
            ValueError: before ``fit``, or on features of other widths.
        """
        if self._medoids is None:
            raise ValueError("no segments yet: call fit() with people who are known")
        with torch.inference_mode():
            answer = self._attention(self._rows([user_features]), self._medoids, self._medoids, need_weights=True)
        segments = answer.weights[0, 0, 0].numpy()
        path = self._parts[int(segments.argmax())]
        return AudienceEmbedding(embedding=answer.output[0, 0].numpy(), segments=segments, hierarchy=path)

    def _rows(self, people: Sequence[UserFeatures]) -> Tensor:
        """[1, U, W]"""
        for each in people:
            got = tuple(part.shape for part in (each.demographics, each.interests, each.behavior))
            if got != tuple((width,) for width in self._widths):
                raise ValueError(f"features have shapes {got}, expected {self._widths}")
        rows = [np.concatenate([each.demographics, each.interests, each.behavior]) for each in people]
        return torch.from_numpy(np.stack(rows).astype(np.float32))[None]

    def _distances(self, query: Tensor, key: Tensor) -> NDArray[np.float64]:
        """[Nq, Nk] of the product space."""
        with torch.inference_mode():
            each = self._attention(query, key, key, need_weights=True).extras["distances"]
        return np.asarray(each.double().square().sum(1)[0, 0].sqrt().numpy())


def _as_they_are(attention: MixedCurvatureAttention) -> None:
    """Identity for the learned maps: features already are what their spaces are made for."""
    with torch.no_grad():
        for factor in attention.factors:
            for name in ("query_weight", "key_weight", "value_weight", "output_weight"):
                weight = getattr(factor, name)
                weight.copy_(torch.eye(*weight.shape))


def _medoids(apart: NDArray[np.float64], count: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Rows of a distance matrix that are nearest to the rest, each to its own group (Park and Jun 2009)."""
    chosen = [int(rng.integers(len(apart)))]
    while len(chosen) < count:
        chosen.append(int(apart[chosen].min(axis=0).argmax()))  # the farthest from all so far
    medoids = np.array(chosen)
    for _ in range(_ROUNDS):
        group = apart[medoids].argmin(axis=0)
        moved = np.array([_centre(apart, np.flatnonzero(group == k), medoids[k]) for k in range(count)])
        if (moved == medoids).all():
            break
        medoids = moved
    return medoids


def _centre(apart: NDArray[np.float64], members: NDArray[np.int64], medoid: int) -> int:
    return int(members[apart[np.ix_(members, members)].sum(axis=0).argmin()]) if len(members) else medoid


def _paths(apart: NDArray[np.float64]) -> dict[int, tuple[tuple[int, ...], ...]]:
    """For each segment its way down the tree of average linkage, as the segments that are left at each fork."""
    square = (apart + apart.T) / 2
    np.fill_diagonal(square, 0.0)
    root = to_tree(linkage(squareform(square, checks=False), method="average"))
    paths: dict[int, tuple[tuple[int, ...], ...]] = {}
    stack: list[tuple[Any, tuple[tuple[int, ...], ...]]] = [(root, ())]
    while stack:
        node, above = stack.pop()
        path = (*above, tuple(sorted(node.pre_order())))
        if node.is_leaf():
            paths[node.id] = path
        else:
            stack += [(node.left, path), (node.right, path)]
    return paths
