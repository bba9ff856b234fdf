"""The contrastive loss against its formula and its laws."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_similarity

from mechanisms.contrastive import info_nce


def _rows(seed: int, n: int = 5) -> torch.Tensor:
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_is_the_mean_log_probability_of_the_right_partner() -> None:
    """By the formula on scikit-learn's cosines, one pair and one direction at a time."""
    first, second = _rows(1), _rows(2)
    odds = torch.from_numpy(cosine_similarity(first, second) / 0.3).exp()
    losses = [
        -math.log(odds[i, i] / side) for i in range(5) for side in (odds[i].sum().item(), odds[:, i].sum().item())
    ]
    assert info_nce(first, second, temperature=0.3).item() == pytest.approx(sum(losses) / 10)


@given(seed=st.integers(0, 999), order=st.permutations(range(5)), factor=st.floats(0.1, 10))
def test_sides_order_and_length_do_not_matter(seed: int, order: list[int], factor: float) -> None:
    """Swapping the sides, permuting the pairs and scaling a side leave it; it is at least 0."""
    first, second = _rows(seed), _rows(seed + 1)
    loss = info_nce(first, second)
    assert loss >= 0
    for same in ((second, first), (first[order], second[order]), (factor * first, second)):
        torch.testing.assert_close(info_nce(*same), loss)


def test_no_difference_costs_log_n_and_a_wrong_pairing_more_than_the_right_one() -> None:
    """What it rewards."""
    rows = _rows(3)
    assert info_nce(rows[:1].expand(5, -1), rows[:1].expand(5, -1)).item() == pytest.approx(math.log(5))
    assert info_nce(rows, rows) < info_nce(rows, rows.roll(1, 0))


def test_gradients_match_finite_differences() -> None:
    """Of both sides and of a learned temperature."""
    temperature = torch.tensor(0.5, dtype=torch.float64)
    inputs = tuple(x.requires_grad_() for x in (_rows(1), _rows(2), temperature))
    assert torch.autograd.gradcheck(lambda a, b, t: info_nce(a, b, temperature=t), inputs)


def test_shapes_are_checked() -> None:
    """Both shapes are named."""
    with pytest.raises(ValueError, match=r"first \(5, 4\) and second \(4, 4\)"):
        info_nce(_rows(1), _rows(1, 4))
