"""Diffusion on the graph of keys against SciPy, networkx, its definition and the laws of heat."""

from __future__ import annotations

from typing import Any

import networkx
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.linalg import expm_multiply
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from mechanisms.diffusion import diffuse, naive
from mechanisms.graph import affinity, dirichlet, walk


def _cloud(seed: int = 0, rows: int = 17, batch: tuple[int, ...] = ()) -> tuple[Tensor, Tensor]:
    """Values of three channels and keys of width five."""
    rng = torch.Generator().manual_seed(seed)
    values, key = (torch.randn(*batch, rows, width, generator=rng, dtype=torch.float64) for width in (3, 5))
    return values, key


def _weights(key: Tensor, k: int = 4) -> Tensor:
    """Of one graph [N, D]."""
    return affinity(key[None], torch.ones(1, len(key), dtype=torch.bool), k)[0]


@pytest.mark.parametrize("time", [0.0, 0.3, 2.0, 40.0])
def test_equals_expm_multiply(time: float) -> None:
    """SciPy's action of the exponential on the Laplacian that networkx makes of the same weights."""
    values, key = _cloud()
    graph = networkx.from_numpy_array(_weights(key).numpy())
    laplacian = np.eye(17) - networkx.google_matrix(graph, alpha=1.0)
    expected = torch.from_numpy(expm_multiply(-time * np.asarray(laplacian), values.numpy()))
    torch.testing.assert_close(diffuse(values, key, time, neighbours=4), expected, rtol=1e-8, atol=1e-8)


def test_the_graph_joins_the_nearest() -> None:
    """An edge wherever scikit-learn has one of two points among the nearest of the other, and nowhere else."""
    _, key = _cloud(rows=40)
    graph = NearestNeighbors(n_neighbors=4).fit(key.numpy()).kneighbors_graph().toarray()
    assert ((_weights(key) > 0).numpy() == (graph + graph.T > 0)).all()


@pytest.mark.parametrize("rows", [2, 3, 17])
def test_equals_its_definition_in_values_and_gradients(rows: int) -> None:
    """The matrix exponential computes what the series says, forwards and backwards."""
    values, key = _cloud(1, rows)
    got, expected = diffuse(values.requires_grad_(), key, 0.8, neighbours=4), naive(values, key, 0.8, 4)
    torch.testing.assert_close(got, expected, rtol=1e-9, atol=1e-10)
    ours, theirs = (torch.autograd.grad(each.square().sum(), values)[0] for each in (got, expected))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-10)


def test_gradients_match_finite_differences() -> None:
    """Gradcheck of values, keys and time, also where the graph is symmetric and its eigenvalues meet."""
    values, key = (x.requires_grad_() for x in _cloud(rows=6))
    time = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v, k, t: diffuse(v, k, t, neighbours=2), (values, key, time))
    square = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]], dtype=torch.float64, requires_grad=True)
    slope = torch.autograd.grad(diffuse(torch.eye(4).double(), square, 1.0).square().sum(), square)[0]
    assert slope.isfinite().all()


@given(st.integers(0, 10_000), st.floats(0, 20), st.floats(0, 20))
@settings(max_examples=40)
def test_laws_of_heat(seed: int, first: float, second: float) -> None:
    """Constants stay, time adds up, extremes shrink, and roughness along the graph never rises."""
    values, key = _cloud(seed)
    once, weights = diffuse(values, key, first, neighbours=4), _weights(key)[None]
    both = diffuse(once, key, second, neighbours=4)
    torch.testing.assert_close(both, diffuse(values, key, first + second, neighbours=4), rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(diffuse(torch.ones(17, 1).double(), key, first), torch.ones(17, 1).double())
    assert (once.amax(0) <= values.amax(0) + 1e-10).all()
    assert (once.amin(0) >= values.amin(0) - 1e-10).all()
    energies = [dirichlet(x[None], weights) for x in (values, once, both)]
    assert (energies[0] + 1e-9 >= energies[1]).all()
    assert (energies[1] + 1e-9 >= energies[2]).all()


def test_no_time_is_no_change_and_much_time_is_the_mean_of_the_part() -> None:
    """At 0 the identity; in the end the mean weighted by degree, in each connected part by itself."""
    values, key = _cloud()
    torch.testing.assert_close(diffuse(values, key, 0.0), values)
    two = torch.cat([key, key + 1000.0])
    late = diffuse(torch.cat([values, values + 5.0]), two, 1e4, neighbours=6)
    degree = _weights(key, 6).sum(1, keepdim=True)
    mean = (degree * values).sum(0) / degree.sum()
    torch.testing.assert_close(late, torch.cat([mean.expand(17, -1), mean.expand(17, -1) + 5.0]), rtol=1e-7, atol=1e-7)


def test_what_is_masked_neither_flows_nor_is_read() -> None:
    """A masked key is a removed key and keeps its value, whatever that is."""
    values, key = _cloud()
    mask = torch.rand(17, generator=torch.Generator().manual_seed(3)) < 0.6
    spoilt = torch.where(mask[:, None], values, torch.inf)
    got = diffuse(torch.where(mask[:, None], values, 7.0), key, 1.5, mask, neighbours=4)
    torch.testing.assert_close(got[mask], diffuse(values[mask], key[mask], 1.5, neighbours=4))
    assert (got[~mask] == 7.0).all()
    with pytest.raises(RuntimeError, match="NaN or infinity in the output of diffusion"):
        diffuse(spoilt, key, 1.5, mask)
    nobody = torch.zeros(17, dtype=torch.bool)
    assert torch.equal(diffuse(values, key, 1.5, nobody), values)


def test_a_batch_equals_its_graphs_and_each_may_have_its_time() -> None:
    """Leading axes are graphs of their own; order of points and unit of keys do not matter."""
    values, key = _cloud(batch=(2, 3))
    times = torch.arange(6).view(2, 3) / 3
    together = diffuse(values, key, times, neighbours=4)
    p = torch.randperm(17, generator=torch.Generator().manual_seed(0))
    for i in range(2):
        for j in range(3):
            alone = diffuse(values[i, j, p], 50 * key[i, j, p], float(times[i, j]), neighbours=4)
            torch.testing.assert_close(together[i, j, p], alone, rtol=1e-6, atol=1e-8)


def test_points_that_coincide_or_stand_alone_are_finite() -> None:
    """Equal keys share their values; a single key keeps its own."""
    same = diffuse(torch.eye(3), torch.zeros(3, 2), 100.0)
    torch.testing.assert_close(same, torch.full((3, 3), 1 / 3))
    assert diffuse(torch.ones(1, 2), torch.ones(1, 4), 3.0).tolist() == [[1.0, 1.0]]
    assert torch.equal(walk(torch.zeros(1, 2, 2))[0], torch.eye(2))


def test_compiles_without_a_break() -> None:
    """The whole function is one graph."""
    values, key = _cloud()
    torch.compiler.reset()
    compiled: Any = torch.compile(diffuse, backend="aot_eager", fullgraph=True)
    torch.testing.assert_close(compiled(values, key, 1.0), diffuse(values, key, 1.0))


def test_wrong_arguments_are_refused() -> None:
    """Both shapes are named; time runs forwards."""
    values, key = _cloud()
    with pytest.raises(ValueError, match=r"values \(16, 3\) do not pair with key \(17, 5\)"):
        diffuse(values[1:], key, 1.0)
    with pytest.raises(ValueError, match=r"mask \(16,\) of torch.bool does not pair with key \(17, 5\)"):
        diffuse(values, key, 1.0, torch.ones(16, dtype=torch.bool))
    with pytest.raises(RuntimeError, match="a time is negative"):
        diffuse(values, key, -1.0)
    with pytest.raises(ValueError, match="neighbours is 0"):
        diffuse(values, key, 1.0, neighbours=0)
