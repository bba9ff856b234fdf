"""The seed's engine: eight uses of attention by name, with the mechanism and the settings that the seed gives each.

    from policies import MarketingAttentionEngine
    engine = MarketingAttentionEngine()
    engine.compute("creative_scoring", query, keys, values)

``compute`` runs the bare mechanism, on weights drawn from a seed. ``score_creative`` and ``compute_attribution`` ask
the trained models, and say if there is none.

Letters: N keys, Nq queries, D, Dk and Dv widths of query, key and value, T touches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mechanisms.base import AttentionOutput
from mechanisms.registry import load
from policies.entities import TOUCH_CHANNELS, Creative, Touchpoint
from policies.models import weights
from policies.models.attribution import AttributionModel
from policies.models.creative import CreativeScorer
from policies.models.head import HeadModel
from policies.models.task import Source
from policies.naming import check_known

SETTINGS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "creative_scoring": ("multi_head", {"width": 256, "key_width": 256, "value_width": 256, "heads": 4}),
    "audience_hierarchy": ("hyperbolic", {"width": 256, "key_width": 256, "value_width": 256, "curvature": -1.0}),
    "long_sequence": ("flash", {"width": 256, "block_size": 64}),
    "attribution": ("graph_rope", {"width": 256, "key_width": 256, "value_width": 256, "max_len": 100}),
    "cross_platform": ("cross", {"query_width": 256, "key_width": 384}),
    "expert_routing": ("moe", {"width": 256, "key_width": 256, "value_width": 256, "experts": 4, "top_k": 2}),
    "health_monitoring": ("topology_gated", {}),
    "realtime_bidding": ("linear", {"width": 256, "key_width": 256, "value_width": 256, "kernel_size": 16}),
}
"""Use case to mechanism and settings."""


@dataclass(frozen=True, slots=True, eq=False)
class Attention:
    """What a mechanism answers, as arrays."""

    output: NDArray[np.floating]
    """[Nq, width], or [width] to a single query."""
    weights: NDArray[np.floating] | None
    """How much each query read of each key, with the heads first where there are any; None where it has none."""
    extras: Mapping[str, NDArray[Any]]
    """By name; the mechanism's page in ``docs/mechanisms`` lists them."""


@dataclass(frozen=True, slots=True)
class CreativeScore:
    """What each element adds to the log of a creative's rate; the bias of the model is in the overall score alone."""

    hook_score: float
    promise_score: float
    frame_score: float
    text_score: float
    overall_score: float
    source: Source
    """``simple``: there is no trained model, and all creatives score 0."""


@dataclass(frozen=True, slots=True, eq=False)
class AttributionWeights:
    """Which touches a conversion is owed to."""

    weights: NDArray[np.float64]
    """[T] shares of the credit, from what each touch adds; not negative, summing to 1."""
    positions: NDArray[np.int64]
    """[T] places in time, 0 for the earliest."""
    shapley_values: NDArray[np.float64]
    """[T] what each touch adds to the log-odds of converting, by removal; they sum to what all add together."""
    source: Source


class MarketingAttentionEngine:
    """Loads a mechanism or a model when it is first asked for.

    >>> engine = MarketingAttentionEngine()
    >>> rng = np.random.default_rng(0)
    >>> creative, elements = rng.normal(size=256), rng.normal(size=(3, 256))
    >>> engine.compute("creative_scoring", creative, elements, elements).output.shape
    (256,)
    """

    def __init__(self, *, seed: int = 0) -> None:
        """``seed``: of the mechanisms' weights."""
        self._seed = seed
        self._mechanisms: dict[str, nn.Module] = {}
        self._models: dict[str, HeadModel] = {}

    def compute(
        self,
        use_case: str,
        query: NDArray[np.floating],
        keys: NDArray[np.floating],
        values: NDArray[np.floating],
        **more: NDArray[Any],
    ) -> Attention:
        """Attend with the use case's mechanism.

        Args:
            use_case: a name in ``SETTINGS``.
            query: [D], or [Nq, D] for several.
            keys: [N, Dk].
            values: [N, Dv].
            more: what the mechanism takes besides, such as ``mask`` [N], without the batch's axis. ``attribution``
                reads ``key_time`` [N] and ``query_time`` [Nq] in seconds; without them the rows are an hour apart and
                the query an hour after the last. ``realtime_bidding`` takes the rows for a stream that is over when
                a single query comes.

        Raises:
            ValueError: on an unknown use case, shapes that do not fit, or a NaN or infinite number.
        """
        mechanism = self._mechanism(use_case)
        arrays = {"query": np.atleast_2d(query), "key": keys, "value": values, **more}
        _refuse_nan(use_case, arrays)
        inputs = {name: torch.from_numpy(np.ascontiguousarray(array))[None] for name, array in arrays.items()}
        inputs |= {name: x.float() for name, x in inputs.items() if x.is_floating_point() and "time" not in name}
        with torch.inference_mode():
            answer = _ask(use_case, mechanism, inputs)
        return _arrays(answer, single=np.ndim(query) == 1)

    def score_creative(self, creative: Creative) -> CreativeScore:
        """Score a creative's hook, promise, frame and text, and the whole, by the trained model.

        Raises:
            ValueError: if an embedding is not 256 wide.
        """
        elements = np.stack([*creative.genome.elements, creative.embedding]).astype(np.float32)
        if elements.shape[1] != 256:
            raise ValueError(f"{creative.id}: embeddings are {elements.shape[1]} wide, expected 256")
        key, query = torch.from_numpy(elements[None, :3]), torch.from_numpy(elements[None, 3:])
        model = self._model("creative_scoring")
        with torch.inference_mode():
            hook, promise, frame, text, overall = model.answer(query=query, key=key, value=key).output[0, 0].tolist()
        return CreativeScore(hook, promise, frame, text, overall, model.source)

    def compute_attribution(
        self, touchpoints: Sequence[Touchpoint], *, history: Mapping[str, tuple[int, int]] | None = None
    ) -> AttributionWeights:
        """Share the credit of a conversion, the latest entry, among the touches before it.

        Args:
            touchpoints: in any order; all but the latest on a channel of ``TOUCH_CHANNELS``.
            history: earlier journeys of the account and how many of them converted, by channel that was in them, and
                under ``"all"`` for all of them; what is not given counts as never seen.

        Raises:
            ValueError: with nothing before the conversion, or an unknown channel.
        """
        *touches, conversion = sorted(touchpoints, key=lambda each: each.time_s)
        if not touches:
            raise ValueError(f"{len(touchpoints)} touchpoints: at least one touch and the conversion are needed")
        places = [_channel(each.channel) for each in touches]
        seen = history or {}
        inputs = {
            "query": torch.tensor([[seen.get("all", (0, 0))]], dtype=torch.float32),
            "key": torch.eye(len(TOUCH_CHANNELS))[places][None],
            "value": torch.tensor([[seen.get(each.channel, (0, 0)) for each in touches]], dtype=torch.float32),
            "query_time": torch.tensor([[conversion.time_s]], dtype=torch.float64),
            "key_time": torch.tensor([[each.time_s for each in touches]], dtype=torch.float64),
        }
        model = self._model("attribution")
        with torch.inference_mode():
            credit = model.answer(**inputs).extras["credit"][0].double().numpy()
        return AttributionWeights(_shares(credit), np.arange(len(touches)), credit, model.source)

    def _mechanism(self, use_case: str) -> nn.Module:
        check_known("use case", use_case, SETTINGS)
        if use_case not in self._mechanisms:
            name, settings = SETTINGS[use_case]
            config: Any = getattr(load(name), "Config")  # noqa: B009
            seed = {"seed": self._seed} if "seed" in config.__dataclass_fields__ else {}
            self._mechanisms[use_case] = config(**settings, **seed).build().eval()
        return self._mechanisms[use_case]

    def _model(self, use_case: str) -> HeadModel:
        if use_case not in self._models:
            model = _MODELS[use_case]()
            weights.load(model, use_case)
            self._models[use_case] = model.eval()
        return self._models[use_case]


_MODELS: Mapping[str, Callable[[], HeadModel]] = {"creative_scoring": CreativeScorer, "attribution": AttributionModel}
_HOUR_S = 3600.0


def _ask(use_case: str, mechanism: nn.Module, inputs: dict[str, Tensor]) -> AttentionOutput:
    """The mechanism's answer to a batch of one, whatever it calls its arguments."""
    rows, single = inputs["key"].shape[1], inputs["query"].shape[1] == 1
    if use_case == "attribution":
        inputs = {
            "key_time": _HOUR_S * torch.arange(rows, dtype=torch.float64)[None],
            "query_time": torch.full(inputs["query"].shape[:2], _HOUR_S * rows, dtype=torch.float64),
        } | inputs
    if use_case == "realtime_bidding" and single:
        asked = inputs["query"].expand(-1, rows, -1)  # the last event's query reads after all have written
        answer: AttentionOutput = mechanism(**inputs | {"query": asked}, need_weights=True)
        assert answer.weights is not None
        return AttentionOutput(answer.output[:, -1:], answer.weights[:, :, -1:], answer.extras)
    return mechanism(**inputs, need_weights=True)  # type: ignore[no-any-return]


def _arrays(answer: AttentionOutput, *, single: bool) -> Attention:
    """Without the batch's axis, nor the query's where there was a single one."""
    output = answer.output[0].numpy()
    weights = None if answer.weights is None else answer.weights[0].numpy()
    extras = {name: (x[0] if x.dim() else x).numpy() for name, x in answer.extras.items()}
    return Attention(output[0] if single else output, weights, extras)


def _refuse_nan(use_case: str, arrays: Mapping[str, NDArray[Any]]) -> None:
    for name, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{use_case}: {name} of shape {array.shape} holds a NaN or infinite number")


def _channel(name: str) -> int:
    check_known("channel", name, TOUCH_CHANNELS)
    return TOUCH_CHANNELS.index(name)


def _shares(credit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of what adds something; equal ones where nothing does."""
    gains = np.maximum(credit, 0.0)
    return gains / gains.sum() if gains.sum() > 0 else np.full(len(credit), 1.0 / len(credit))
