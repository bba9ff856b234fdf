"""The mechanisms of the seed's theories, and the functions, at its setting.

Letters: B batch, N points, rows or outcomes, C candidates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy import special, stats
from torch import Tensor

from benchmarks.arrays import WIDTH, random, three
from benchmarks.case import Case, Inputs
from benchmarks.use_cases import projected
from mechanisms import (
    diffusion,
    fisher,
    information_bottleneck,
    mixed_curvature,
    natural_gradient,
    sliced_wasserstein,
    topology_gated,
    unified_report,
)
from mechanisms.coherence import ANCHORS
from mechanisms.health_signals import SIGNALS

_CANDIDATES = 4


def _sliced_wasserstein() -> Case:
    """One cloud of 100 points against four others."""
    layer = sliced_wasserstein.SlicedWassersteinAttention.Config(width=WIDTH).build()

    def inputs(batch: int, _queries: int, points: int) -> Inputs:
        key = random(batch, _CANDIDATES, points, WIDTH, seed=1)
        return {"query": random(batch, points, WIDTH), "key": key, "value": random(batch, _CANDIDATES, WIDTH, seed=2)}

    def exact(inputs: Inputs) -> Tensor:
        query, key, value = (x.double() for x in inputs.values())
        equal, there = torch.ones_like(query[..., 0]), torch.ones_like(key[..., 0])
        return sliced_wasserstein.naive(layer, query, key, value, there.bool(), equal, there)

    return Case(
        module=layer,
        inputs=inputs,
        fast=lambda inputs: layer(**inputs).output,
        exact=exact,
        by_query=(),
        queries=False,
    )


def _mixed_curvature() -> Case:
    """128 flat, 128 hyperbolic and 64 spherical columns."""
    layer = mixed_curvature.MixedCurvatureAttention.Config(widths=(128, 128, 64)).build()
    return projected(mixed_curvature.naive, layer, width=320, key_width=320)


def _natural_gradient() -> Case:
    """A step for shares of a budget over 100 outcomes, within the trust region, where the definition is unique.

    Logarithms of shares are compared: shares themselves are as small as the tolerance.
    """
    layer = natural_gradient.NaturalGradient.Config(lr=0.1).build()

    def inputs(batch: int, _queries: int, outcomes: int) -> Inputs:
        gradient = random(batch, outcomes, seed=1) / outcomes / 2
        # As every gradient of logits: it sums to 0.
        return {"logits": random(batch, outcomes), "gradient": gradient - gradient.mean(-1, keepdim=True)}

    def exact(inputs: Inputs) -> Tensor:
        (logits,), (gradient,) = (x.double() for x in inputs.values())
        new = natural_gradient.naive(layer.config, fisher.Categorical(logits), gradient)
        return new.probabilities[None].log()

    return Case(
        module=layer,
        inputs=inputs,
        fast=lambda inputs: layer(fisher.Categorical(inputs["logits"]), inputs["gradient"]).probabilities.log(),
        exact=exact,
        by_query=(),
        queries=False,
    )


def _information_bottleneck() -> Case:
    """256 wide rows compressed to 64, without noise; rows do not see each other, so a query is a row."""
    layer = information_bottleneck.InformationBottleneck.Config(width=WIDTH, compressed=64, beta=0.5).build()

    def exact(inputs: Inputs) -> Tensor:
        query = inputs["query"]
        return information_bottleneck.naive(layer, query, query.new_ones(query.shape[:2], dtype=torch.bool))[0]

    return Case(
        module=layer,
        inputs=lambda batch, rows, _: {"query": random(batch, rows, WIDTH)},
        fast=lambda inputs: layer(**inputs).output,
        exact=exact,
    )


def _coherence() -> Case:
    """Once for a window of 100 rows: three signals and the gate; the caller's past is a mean of -3 and a spread of 1.

    The signals are held to themselves in float64 (their definitions are in the tests), the gate to SciPy's tail.
    """
    layer = topology_gated.TopologyGatedAttention.Config().build()

    def inputs(batch: int, _queries: int, rows: int) -> Inputs:
        reference = random(batch, rows, WIDTH)
        current = reference + 0.5 * random(batch, rows, WIDTH, seed=1)
        return {"current": current, "reference": reference, "residuals": random(batch, rows, 1, seed=2)}

    def scores(inputs: Inputs) -> Tensor:
        found = layer.measure(**inputs, mask=None)
        return 3 + torch.stack([found[name] for name in SIGNALS], dim=-1)

    def exact(inputs: Inputs) -> Tensor:
        standardised = scores({name: x.double() for name, x in inputs.items()}).numpy()
        sides = np.concatenate([standardised, -standardised[:, :1]], axis=-1)
        tail = np.minimum(1.0, sides.shape[-1] * stats.t.sf(sides.max(-1), layer.config.dof))
        p, level = np.array(sorted(ANCHORS)).T
        return torch.from_numpy(np.interp(np.log(tail), np.log(p), level)[:, None])

    return Case(
        module=None,
        inputs=inputs,
        fast=lambda inputs: layer.coherence(scores(inputs))[:, None],
        exact=exact,
        by_query=(),
        queries=False,
        at_most={"p99_ms": 5.0},
    )


def _diffusion() -> Case:
    """A value at each of 100 keys, for as long as a walker takes one step."""
    time = 1.0

    def exact(inputs: Inputs) -> Tensor:
        (values,), (key,) = inputs.values()
        return diffusion.naive(values, key, time)[None]

    return Case(
        module=None,
        inputs=lambda batch, _, keys: {"values": random(batch, keys, 1), "key": random(batch, keys, WIDTH, seed=1)},
        fast=lambda inputs: diffusion.diffuse(inputs["values"], inputs["key"], time),
        exact=exact,
        by_query=(),
        queries=False,
    )


def _unified_report() -> Case:
    """One attention of 100 queries and keys with its null; of six numbers three are held to NumPy and SciPy here."""
    names = ("entropy", "rank", "coherence")

    def fast(inputs: Inputs) -> Tensor:
        findings = unified_report.report(*(x[0] for x in inputs.values())).findings
        return torch.tensor([[findings[name].value for name in names]])

    def exact(inputs: Inputs) -> Tensor:
        query, key, value = (x[0].double().numpy() for x in inputs.values())
        weights = special.softmax(query @ key.T / WIDTH**0.5, axis=1)
        entropy = stats.entropy(weights, axis=1).mean() / np.log(len(key))
        rank = np.exp(stats.entropy(np.linalg.svd(weights, compute_uv=False)))
        read = weights @ value
        coherence = np.linalg.norm((read / np.linalg.norm(read, axis=1, keepdims=True)).mean(0))
        return torch.tensor([[entropy, rank, coherence]])

    return Case(
        module=None,
        inputs=lambda _, __, keys: three(1, keys, keys),
        fast=fast,
        exact=exact,
        by_query=(),
        queries=False,
        batches=False,
    )


THEORIES: Mapping[str, Callable[[], Case]] = {
    "sliced_wasserstein": _sliced_wasserstein,
    "mixed_curvature": _mixed_curvature,
    "natural_gradient": _natural_gradient,
    "information_bottleneck": _information_bottleneck,
    "coherence": _coherence,
    "diffusion": _diffusion,
    "unified_report": _unified_report,
}
