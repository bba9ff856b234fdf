"""Sequences end to end in one tensor."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mechanisms.dot_product import attend
from mechanisms.packed import packed


def _offsets(lengths: list[int]) -> torch.Tensor:
    return torch.tensor([0, *lengths]).cumsum(0)


@given(lengths=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=8))
@settings(max_examples=40, deadline=None)
def test_each_sequence_attends_to_itself_alone(lengths: list[tuple[int, int]]) -> None:
    """The same as one call a sequence; a sequence without keys answers zero."""
    rng = torch.Generator().manual_seed(len(lengths))
    q_offsets, k_offsets = (_offsets([pair[side] for pair in lengths]) for side in (0, 1))
    query = torch.randn(int(q_offsets[-1]), 4, generator=rng, dtype=torch.float64)
    key, value = (torch.randn(int(k_offsets[-1]), 4, generator=rng, dtype=torch.float64) for _ in range(2))
    found = packed(attend, query, key, value, q_offsets, k_offsets)
    for s, (n_q, n_k) in enumerate(lengths):
        rows, columns = slice(*q_offsets[s : s + 2].tolist()), slice(*k_offsets[s : s + 2].tolist())
        if n_k:
            alone = attend(query[None, rows], key[None, columns], value[None, columns])[0]
            torch.testing.assert_close(found[rows], alone)
        else:
            assert found[rows].tolist() == [[0.0] * 4] * n_q


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        ([0, 3, 2, 5], r"query_offsets goes \[0, 3, 2, 5\], expected to rise from 0 to 5 rows"),
        ([0, 3, 4], "expected to rise from 0 to 5 rows"),
        ([0.0, 5.0], r"query_offsets is torch.float32 of shape \(2,\), expected integers"),
        ([0, 5], r"query_offsets \(2,\) and key_offsets \(3,\) differ"),
    ],
    ids=["falls", "stops early", "floats", "number"],
)
def test_offsets_that_cut_no_sequences_are_refused(offsets: list[float], message: str) -> None:
    """A wrong offset would mix sequences silently."""
    rows = torch.zeros(5, 2)
    with pytest.raises(ValueError, match=message):
        packed(attend, rows, rows, rows, torch.tensor(offsets), torch.tensor([0, 2, 5]))
