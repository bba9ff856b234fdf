"""The bare operation against torch's, and projecting early against projecting late."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from mechanisms.dot_product import attend, attend_projected, attention_weights, few, join, split


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("heads", [1, 3])
def test_attend_is_softmax_of_products_times_values(heads: int) -> None:
    """Each head reads its own columns, by its own weights."""
    query, key, value = (_draw(2, n, 6, seed=n) for n in (4, 5, 5))
    mask = torch.tensor([[True, False, True, True, False], [True] * 5])
    q, k, v = (split(x, heads) for x in (query, key, value))
    weights = attention_weights(q, k, mask, scale=(6 / heads) ** -0.5)
    torch.testing.assert_close(attend(query, key, value, mask, heads), join(weights @ v), rtol=1e-12, atol=1e-12)


def test_joining_undoes_splitting() -> None:
    """Heads are columns side by side."""
    x = _draw(2, 5, 6)
    assert torch.equal(join(split(x, 3)), x)


@given(
    queries=st.integers(1, 40),
    keys=st.integers(1, 30),
    heads=st.sampled_from([1, 2, 4]),
    widths=st.permutations((5, 8)),
)
@settings(max_examples=60, deadline=None)
def test_when_keys_are_projected_changes_nothing(queries: int, keys: int, heads: int, widths: list[int]) -> None:
    """Few queries or many, the answer is that of projecting everything first."""
    query, key, value = _draw(2, queries, 8), _draw(2, keys, widths[0], seed=1), _draw(2, keys, widths[1], seed=2)
    key_weight, value_weight = _draw(8, widths[0], seed=3), _draw(8, widths[1], seed=4)
    mask = torch.rand(2, keys, generator=torch.Generator().manual_seed(keys)) < 0.5
    expected = attend(query, F.linear(key, key_weight), F.linear(value, value_weight), mask, heads)
    found = attend_projected(query, key, value, key_weight, value_weight, mask, heads)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_one_query_is_few_and_as_many_as_keys_are_many() -> None:
    """At the usual size: 256 wide, 4 heads, 100 keys."""
    assert few(1, 100, 256, 4)
    assert not few(100, 100, 256, 4)
