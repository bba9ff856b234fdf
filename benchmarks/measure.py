"""A mechanism's row: first whether it is right, then how fast and how large.

Letters: B batch, Nq queries, Nk keys.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from benchmarks.arrays import LENGTH
from benchmarks.case import Case
from benchmarks.memory import peak_bytes
from benchmarks.timing import Effort, exponent, quantiles, ratio, times

FIELDS = (
    "p50_ms", "p99_ms", "sequence_ms", "batch64_per_s", "peak_mb", "parameter_mb", "sdpa_ratio", "peer_ratio_single",
    "peer_ratio_sequence", "peer_max_abs_diff", "exponent",
)  # fmt: skip
"""``peak_mb`` is of one query, as ``p50_ms`` and ``p99_ms`` are; ``details`` of the JSON have a sequence's too."""
Figures = dict[str, Any]
BATCH = 64
FIT_FROM = 1024
"""Growth is fitted from this length on: below it, what a call costs by itself covers what a key costs."""
FEW = 33
"""Every how many-th query is asked of the definition, where queries do not see each other."""
MOST_BYTES, MOST_MS = 2 * 10**9, 30_000.0
"""Of one call; a length that would pass either is left out."""
_MEGA = 1e6
_RTOL, _ATOL = 2e-3, 2e-4
"""How far float32 may drift from the definition in float64."""


def mistakes(case: Case) -> Iterator[str]:
    """Where the fast form does not answer what the definition does: one query, a sequence, a row of the batch."""
    shapes = [("one query" if case.queries else "one call", 1, 1)]
    shapes += [("a sequence", 1, LENGTH)] if case.queries else []
    shapes += [("a row of the batch", BATCH, LENGTH)] if case.batches else []
    for label, batch, queries in shapes:
        inputs = case.inputs(batch, queries, LENGTH)
        few = slice(None, None, FEW if case.by_query else 1)
        found = case.fast(inputs)[-1:, few].double()
        last = {name: x[-1:, few] if name in case.by_query else x[-1:] for name, x in inputs.items()}
        expected = case.exact(last).double()
        if not torch.allclose(found, expected, rtol=_RTOL, atol=_ATOL):
            yield f"{label} is {(found - expected).abs().max():.2g} away from the definition"


def measure(case: Case, effort: Effort) -> Figures:
    """Every figure that needs no peer; those of ``FIELDS`` and more."""
    return {**dict.fromkeys(FIELDS), **_speed(case, effort), **_size(case), **growth(case, effort)}


def _speed(case: Case, effort: Effort) -> Figures:
    single, sequence = (partial(case.fast, case.inputs(1, queries, LENGTH)) for queries in (1, LENGTH))
    p50, p99 = quantiles(single, effort.calls, effort.repeats, most_s=effort.repeat_s)
    found: Figures = {"p50_ms": p50, "p99_ms": p99}
    if case.queries:
        found["sequence_ms"], _ = quantiles(sequence, effort.long_calls, effort.repeats, most_s=effort.repeat_s)
    if case.batches:
        inputs = case.inputs(BATCH, LENGTH, LENGTH)
        batch = partial(case.fast, inputs)
        batch_ms, _ = quantiles(batch, effort.long_calls, 1, most_s=effort.repeat_s)
        found["batch64_per_s"] = BATCH / batch_ms * 1000
        if case.reference is not None:
            found["sdpa_ratio"] = ratio(batch, partial(case.reference, inputs), effort.long_calls)
    return found


def _size(case: Case) -> Figures:
    single, sequence = (case.inputs(1, queries, LENGTH) for queries in (1, LENGTH))
    parameters = None if case.module is None else case.module.parameters()
    return {
        "peak_mb": peak_bytes(partial(case.fast, single)) / _MEGA,
        "sequence_peak_mb": peak_bytes(partial(case.fast, sequence)) / _MEGA,
        "parameter_mb": None if parameters is None else sum(each.nbytes for each in parameters) / _MEGA,
    }


def growth(case: Case, effort: Effort) -> Figures:
    """Time and memory by length, to the last that stays below ``MOST_BYTES`` and ``MOST_MS``; their exponents."""
    ms: dict[int, float] = {}
    held: dict[int, int] = {}
    for length in effort.lengths:
        if _expected(list(held.values())) > MOST_BYTES or _expected(list(ms.values())) > MOST_MS:
            break
        call = partial(case.fast, case.inputs(1, length, length))
        held[length] = peak_bytes(call)
        # The least of a few calls: noise only ever adds.
        ms[length] = float(times(call, effort.long_calls, most_s=effort.short_s).min())
    return {
        "exponent": _fitted(ms),
        "memory_exponent": _fitted(held),
        "ms_by_length": ms,
        "mb_by_length": {length: count / _MEGA for length, count in held.items()},
    }


def _expected(values: Sequence[float]) -> float:
    """The next one, if they grow as they grew last."""
    return values[-1] ** 2 / values[-2] if len(values) > 1 else 0.0


def _fitted(by_length: Mapping[int, float]) -> float | None:
    fitted = {length: value for length, value in by_length.items() if length >= FIT_FROM}
    return exponent(list(fitted), list(fitted.values())) if len(fitted) > 1 else None
