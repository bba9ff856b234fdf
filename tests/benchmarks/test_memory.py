"""Peak memory against cases counted by hand."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.memory import peak_bytes

N = 250_000
MEGABYTE = 4 * N


def test_counts_what_lives_at_the_same_time() -> None:
    """Three tensors of one megabyte, of which two are alive at once at most, are two megabytes."""

    def call() -> Tensor:
        first = torch.empty(N)
        second = first.neg()
        del first
        return second.neg()

    assert peak_bytes(call) == 2 * MEGABYTE


def test_what_was_there_before_does_not_count() -> None:
    """Inputs are not the call's, nor is a view of them, nor what is written in place."""
    given = torch.ones(N)
    assert peak_bytes(lambda: given.view(-1, 10).neg_()) == 0


def test_sees_inside_kernels() -> None:
    """The softmax of attention written out holds all its logits; the fused kernel holds a block of them."""
    n, d = 1024, 64
    q = torch.randn(1, 1, n, d)

    def written_out() -> Tensor:
        return torch.softmax(q @ q.mT, -1) @ q

    logits, output = 4 * n * n, 4 * n * d
    assert peak_bytes(written_out) == 2 * logits
    fused = peak_bytes(lambda: F.scaled_dot_product_attention(q, q, q))
    assert output < fused < logits


def test_a_backward_pass_counts() -> None:
    """What is kept for the backward pass is alive until it has run, and so are gradients."""
    x = torch.ones(N, requires_grad=True)

    def call() -> None:
        torch.autograd.grad(x.exp().sum(), x)

    # exp(x) is kept; its gradient, a broadcast scalar, becomes the product that is x's gradient.
    assert 2 * MEGABYTE <= peak_bytes(call) < 2 * MEGABYTE + 1000
