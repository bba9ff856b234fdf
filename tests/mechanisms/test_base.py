"""The shape check and the masked softmax."""

from __future__ import annotations

import pytest
import torch

from mechanisms.base import check_shapes, masked_softmax


def test_softmax_of_a_fully_masked_row_is_zero_with_a_finite_gradient() -> None:
    """Nothing kept means nothing read, not NaN."""
    logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    mask = torch.tensor([[True, False, True], [False, False, False]])
    weights = masked_softmax(logits, mask)
    (gradient,) = torch.autograd.grad(weights.square().sum(), logits)
    assert weights.sum(-1).tolist() == pytest.approx([1.0, 0.0])
    assert weights[0, 1] == 0
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("key", "value", "mask", "message"),
    [
        ((3, 5, 4), (3, 5, 4), None, r"query \(2, 1, 4\) and key \(3, 5, 4\)"),
        ((2, 5, 4), (2, 6, 4), None, r"value \(2, 6, 4\) .* key \(2, 5, 4\)"),
        ((2, 5, 4), (2, 5, 4), (2, 6), r"mask \(2, 6\) .* key \(2, 5, 4\)"),
        ((5, 4), (5, 4), None, r"key has shape \(5, 4\), expected \[B, N, D\]"),
    ],
    ids=["batch", "pairs", "mask", "rank"],
)
def test_shape_errors_name_both_shapes(
    key: tuple[int, ...], value: tuple[int, ...], mask: tuple[int, ...] | None, message: str
) -> None:
    """A wrong shape is refused, never truncated."""
    given = None if mask is None else torch.ones(mask, dtype=torch.bool)
    with pytest.raises(ValueError, match=message):
        check_shapes(torch.zeros(2, 1, 4), torch.zeros(key), torch.zeros(value), given)


def test_a_mask_must_be_boolean() -> None:
    """A float mask could mean two things, so it is refused."""
    x = torch.zeros(2, 1, 4)
    with pytest.raises(ValueError, match=r"torch\.float32, expected torch\.bool"):
        check_shapes(x, x, x, torch.ones(2, 1))
