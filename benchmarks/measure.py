"""A mechanism's row: first whether it is right, then how fast and how large.

Letters: B batch, Nq queries, Nk keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.case import Case
from benchmarks.cases import LENGTH
from benchmarks.memory import peak_bytes
from benchmarks.timing import Effort, exponent, quantiles, ratio, times

FIELDS = (
    "p50_ms", "p99_ms", "sequence_ms", "batch64_per_s", "peak_mb", "parameter_mb", "sdpa_ratio", "peer_ratio_single",
    "peer_ratio_sequence", "peer_max_abs_diff", "exponent",
)  # fmt: skip
Figures = dict[str, Any]
BATCH = 64
FIT_FROM = 1024
"""Growth is fitted from this length on: below it, what a call costs by itself covers what a key costs."""
MOST_BYTES = 2 * 10**9
_MEGA = 1e6
_RTOL, _ATOL = 2e-3, 2e-4
"""How far float32 may drift from the definition in float64."""


def mistakes(case: Case) -> Iterator[str]:
    """Where the fast form does not answer what the definition does: one query, a sequence, a row of the batch."""
    shapes = {"one query": (1, 1), "a sequence": (1, LENGTH), "the last row of a batch": (BATCH, LENGTH)}
    for label, (batch, queries) in shapes.items():
        inputs = case.inputs(batch, queries, LENGTH)
        found = case.fast(inputs)[-1:].double()
        expected = case.exact({name: tensor[-1:] for name, tensor in inputs.items()}).double()
        if not torch.allclose(found, expected, rtol=_RTOL, atol=_ATOL):
            yield f"{label} is {(found - expected).abs().max():.2g} away from the definition"


def measure(case: Case, effort: Effort) -> Figures:
    """Every figure that needs no peer; those of ``FIELDS`` and more."""
    grown = growth(case, effort) if case.scales else {}
    return {**dict.fromkeys(FIELDS), **_speed(case, effort), **_size(case), **grown}


def _speed(case: Case, effort: Effort) -> Figures:
    single, sequence, batch = (case.inputs(*shape, LENGTH) for shape in ((1, 1), (1, LENGTH), (BATCH, LENGTH)))
    p50, p99 = quantiles(lambda: case.fast(single), effort.calls, effort.repeats)
    found: Figures = {"p50_ms": p50, "p99_ms": p99}
    found["sequence_ms"], _ = quantiles(lambda: case.fast(sequence), effort.long_calls, effort.repeats)
    batch_ms, _ = quantiles(lambda: case.fast(batch), effort.long_calls, 1)
    found["batch64_per_s"] = BATCH / batch_ms * 1000
    if (reference := case.reference) is not None:
        found["sdpa_ratio"] = ratio(lambda: case.fast(batch), lambda: reference(batch), effort.long_calls)
    return found


def _size(case: Case) -> Figures:
    single, sequence = (case.inputs(1, queries, LENGTH) for queries in (1, LENGTH))
    parameters = None if case.module is None else case.module.parameters()
    return {
        "peak_mb": peak_bytes(lambda: case.fast(sequence)) / _MEGA,
        "single_peak_mb": peak_bytes(lambda: case.fast(single)) / _MEGA,
        "parameter_mb": None if parameters is None else sum(each.nbytes for each in parameters) / _MEGA,
    }


def growth(case: Case, effort: Effort) -> Figures:
    """Time and memory by length, up to the last one that stays below ``MOST_BYTES``, and the powers they grow with."""
    ms: dict[int, float] = {}
    held: dict[int, int] = {}
    for length in effort.lengths:
        if _expected(list(held.values())) > MOST_BYTES:
            break
        call = partial(case.fast, case.inputs(1, length, length))
        held[length] = peak_bytes(call)
        # The least of a few calls: noise only ever adds.
        ms[length] = float(times(call, effort.long_calls, most_s=effort.length_s).min())
    return {
        "exponent": _fitted(ms),
        "memory_exponent": _fitted(held),
        "ms_by_length": ms,
        "mb_by_length": {length: count / _MEGA for length, count in held.items()},
    }


def _expected(held: Sequence[int]) -> float:
    """Bytes at the next length, if they grow as they grew last."""
    return held[-1] ** 2 / held[-2] if len(held) > 1 else 0.0


def _fitted(by_length: Mapping[int, float]) -> float | None:
    fitted = {length: value for length, value in by_length.items() if length >= FIT_FROM}
    return exponent(list(fitted), list(fitted.values())) if len(fitted) > 1 else None
