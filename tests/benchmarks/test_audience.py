"""What mixed curvature is measured with."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from benchmarks import audience
from benchmarks.audience import ALIKE, ARMS, draw, losses
from swarm.platforms.interests import draw_interests

SEED = 3


def test_what_is_known_of_the_audiences_is_drawn_from_the_true_rates() -> None:
    """Conversions over clicks are the rates, within what so many clicks leave open."""
    drawn = draw(SEED)
    surprise = (drawn.conversions - drawn.clicks * drawn.rate) / np.sqrt(drawn.clicks * drawn.rate * (1 - drawn.rate))
    assert surprise.std() == pytest.approx(1.0, abs=0.1)


def test_relatives_are_near_in_the_tree_of_interests() -> None:
    """A parent is one edge away by the Poincare distance."""
    tree = draw_interests(SEED)
    places = audience._places(tree, np.random.default_rng(0)).astype(np.float64)
    inner = 1 - np.square(places).sum(axis=1)
    apart = np.arccosh(1 + 2 * cdist(places, places, "sqeuclidean") / np.outer(inner, inner))
    parent = [tree.path.index(path[:-1]) if path[:-1] else None for path in tree.path]
    edges = [apart[child, above] for child, above in enumerate(parent) if above is not None]
    np.testing.assert_allclose(edges, audience._EDGE, rtol=1e-3)


def test_segments_of_any_kind_tell_more_than_the_mean_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one segment for each dozen of people; nobody loses less than the truth."""
    monkeypatch.setattr(audience, "KNOWN", 240)
    monkeypatch.setattr(audience, "SEGMENTS", 20)
    found = dict(zip(ARMS, losses(SEED), strict=True))
    assert 0 < min(found.values())
    assert max(loss for arm, loss in found.items() if arm != ALIKE) < found[ALIKE]
