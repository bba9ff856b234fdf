"""Attention in blocks against torch's math back end, and its memory."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from mechanisms.blockwise import Part, blockwise, merge, weights_of
from tests.mechanisms.memory import peak_bytes


def _draw(queries: int, keys: int, seed: int = 0, batch: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    shapes = ((queries, 4), (keys, 4), (keys, 3))
    q, k, v = (torch.randn(batch, 2, *shape, generator=rng, dtype=torch.float64) for shape in shapes)
    mask = torch.rand(batch, keys, generator=rng) < 0.7
    mask[:, 0] = True
    return q.requires_grad_(), k.requires_grad_(), v.requires_grad_(), mask


def _oracle(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, *, causal: bool, scale: float) -> Tensor:
    """Torch's math back end with the whole table of who sees whom; zero where nobody does."""
    seen = torch.ones(q.shape[0], 1, q.shape[2], k.shape[2], dtype=torch.bool)
    if causal:
        seen = seen.tril(k.shape[2] - q.shape[2])
    if mask is not None:
        seen = seen & mask[:, None, None]
    with sdpa_kernel(SDPBackend.MATH):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale)


@given(
    queries=st.integers(1, 12),
    keys=st.integers(1, 12),
    block_size=st.integers(1, 14),
    causal=st.booleans(),
    masked=st.booleans(),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_equals_the_math_back_end_in_values_and_gradients(
    queries: int, keys: int, block_size: int, causal: bool, masked: bool, seed: int
) -> None:
    """Any number of queries and keys, causal or not, any block size, whether it divides the keys or not."""
    q, k, v, mask = _draw(queries, keys, seed)
    given_mask = mask if masked else None
    found = blockwise(q, k, v, given_mask, block_size=block_size, causal=causal, scale=0.7)[0]
    expected = _oracle(q, k, v, given_mask, causal=causal, scale=0.7)
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-10)
    ours, theirs = (torch.autograd.grad(each.square().sum(), (q, k, v)) for each in (found, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("causal", [False, True], ids=["full", "causal"])
def test_gradients_of_output_and_log_sum_exp_match_finite_differences(*, causal: bool) -> None:
    """Gradcheck in float64 of both results, blocks of 2 over 5 keys."""
    q, k, v, mask = _draw(3, 5)

    def both(q: Tensor, k: Tensor, v: Tensor) -> Part:
        return blockwise(q, k, v, mask, block_size=2, causal=causal)

    assert torch.autograd.gradcheck(both, (q, k, v))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_huge_logits_are_as_good_as_small_ones(dtype: torch.dtype) -> None:
    """Logits of ten thousand, where exponentials overflow, agree with torch and stay finite backwards."""
    q, k, v = (x.detach().to(dtype).requires_grad_() for x in _draw(5, 9)[:3])
    found, lse = blockwise(q, k, v, block_size=4, scale=1e4)
    torch.testing.assert_close(found, _oracle(q, k, v, None, causal=False, scale=1e4))
    torch.testing.assert_close(lse[..., 0], torch.logsumexp(1e4 * (q @ k.mT), -1))
    assert all(each.isfinite().all() for each in torch.autograd.grad(found.sum() + lse.sum(), (q, k, v)))


@given(cut=st.integers(0, 9), other=st.integers(0, 9), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_parts_merged_by_their_log_sum_exp_are_attention_over_all(cut: int, other: int, seed: int) -> None:
    """Keys cut in three, as in a ring of workers, merged from either end; values and gradients."""
    q, k, v, mask = _draw(4, 9, seed)
    edges = [0, *sorted((cut, other)), 9]
    first, second, third = (
        blockwise(q, k[:, :, a:b], v[:, :, a:b], mask[:, a:b], block_size=2) for a, b in pairwise(edges)
    )
    whole, lse = blockwise(q, k, v, mask)
    for output, total in (merge(merge(first, second), third), merge(first, merge(second, third))):
        torch.testing.assert_close(output, whole)
        torch.testing.assert_close(total, lse)
        ours, theirs = (torch.autograd.grad(x.square().sum(), (q, k, v), retain_graph=True) for x in (output, whole))
        torch.testing.assert_close(ours, theirs)


def test_a_query_without_keys_answers_zero_and_counts_for_nothing_in_a_merge() -> None:
    """Masked or before the first key: output 0, log-sum-exp -inf, gradients finite."""
    q, k, v, mask = _draw(4, 9)
    nothing = blockwise(q, k, v, torch.zeros_like(mask), block_size=4)
    something = blockwise(q, k, v, mask, block_size=4)
    assert (nothing[0] == 0).all()
    assert (nothing[1] == -torch.inf).all()
    early = blockwise(q, k[:, :, :2], v[:, :, :2], causal=True)[0]
    assert (early[:, :, :2] == 0).all()
    assert (early[:, :, 2:] != 0).any()
    merged = merge(nothing, something)
    torch.testing.assert_close(merged, something)
    gradients = torch.autograd.grad(merged[0].sum() + early.sum(), (q, k, v))
    assert all(each.isfinite().all() for each in gradients)


def test_weights_come_back_from_the_log_sum_exp() -> None:
    """They are the softmax, and mix the values to the output."""
    q, k, v, mask = _draw(4, 9)
    output, lse = blockwise(q, k, v, mask, causal=True, scale=0.5)
    weights = weights_of(q, k, lse, mask, causal=True, scale=0.5)
    torch.testing.assert_close(weights @ v, output)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 2, 4, dtype=torch.float64))


def test_a_second_derivative_is_refused() -> None:
    """The backward pass is written by hand and has no backward pass of its own; it says so."""
    q, k, v, _ = _draw(3, 5)
    (gradient,) = torch.autograd.grad(blockwise(q, k, v)[0].square().sum(), q, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()  # type: ignore[no-untyped-call]


def _peak(length: int, block_size: int, **sizes: Any) -> int:
    heads, width = sizes.get("heads", 1), sizes.get("width", 16)
    rng = torch.Generator().manual_seed(0)
    q, k, v = (torch.randn(1, heads, length, width, generator=rng).requires_grad_() for _ in range(3))
    mask = torch.ones(1, length, dtype=torch.bool)

    def both_ways() -> tuple[Tensor, ...]:
        output, _ = blockwise(q, k, v, mask, block_size=block_size, causal=True)
        return torch.autograd.grad(output.sum(), (q, k, v))

    return peak_bytes(both_ways)


def _exponent(lengths: list[int], peaks: list[int]) -> float:
    return math.log(peaks[-1] / peaks[0]) / math.log(lengths[-1] / lengths[0])


def test_peak_memory_grows_with_the_length_forwards_and_backwards() -> None:
    """Four times the length takes about four times the memory, not sixteen."""
    lengths = [1024, 4096]
    assert _exponent(lengths, [_peak(n, 64, heads=2, width=32) for n in lengths]) <= 1.1


def test_a_larger_block_takes_more_memory() -> None:
    """That is what the block size is for."""
    assert _peak(1024, 64) < _peak(1024, 256)


@pytest.mark.slow
def test_peak_memory_is_linear_up_to_sixteen_thousand() -> None:
    """Two heads of 32 at 1k to 16k: from each length to the next, and over all."""
    lengths = [1024, 2048, 4096, 8192, 16384]
    peaks = [_peak(n, 64, heads=2, width=32) for n in lengths]
    for i in range(len(lengths) - 1):
        assert _exponent(lengths[i : i + 2], peaks[i : i + 2]) <= 1.1
    assert _exponent(lengths, peaks) <= 1.1
