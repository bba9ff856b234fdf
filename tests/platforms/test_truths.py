"""What the market knows of audiences, sequences, journeys and requests: the laws that each truth promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from policies.entities import TOUCH_CHANNELS
from swarm.platforms.frames import WIDTH, Sequence, concepts, draw_sequence, draw_viewers, engaged_rate
from swarm.platforms.interests import draw_interests
from swarm.platforms.journeys import HOUR_S, Journeys, chance, draw_buyers, draw_journeys, without
from swarm.platforms.requests import draw_requests
from swarm.platforms.world import effects, stream

SEEDS = range(30)


def test_a_tree_has_three_to_five_levels_and_two_to_six_branches() -> None:
    """Every segment's parent is there before it; names along a path tell it from all others."""
    for seed in SEEDS:
        tree = draw_interests(seed)
        known: set[tuple[str, ...]] = {()}
        for path in tree.path:
            assert path[:-1] in known
            assert path not in known
            known.add(path)
        children = [sum(path[:-1] == parent for path in tree.path) for parent in known]
        assert {count for count in children if count} <= {2, 3, 4, 5, 6}
        assert max(map(len, tree.path)) in (3, 4, 5)
        assert (tree.log_rate <= np.log(0.5)).all()


def test_relatives_convert_alike_and_strangers_less() -> None:
    """The squared difference of log rates is smaller within a parent than across topics."""
    near, far = [], []
    for seed in SEEDS:
        tree = draw_interests(seed)
        for i, path in enumerate(tree.path):
            for j in range(i):
                gap = (tree.log_rate[i] - tree.log_rate[j]) ** 2
                if tree.path[j][:-1] == path[:-1] and len(path) > 1:
                    near.append(gap)
                elif tree.path[j][0] != path[0]:
                    far.append(gap)
    assert np.mean(near) < 0.7 * np.mean(far)


def test_half_of_what_appeals_in_a_frame_is_the_same_in_every_market() -> None:
    """Appeals of the same concepts correlate by about a half from market to market; concepts look alike in all."""
    drawn = np.array([draw_viewers(seed).appeal for seed in SEEDS])
    between = np.corrcoef(drawn)[np.triu_indices(len(drawn), 1)]
    assert between.mean() == pytest.approx(0.5, abs=0.1)
    np.testing.assert_allclose(np.linalg.norm(concepts(), axis=1), 1.0)


def _shown(concept: list[int]) -> Sequence:
    return Sequence(np.array(concept), concepts()[concept], np.full(len(concept), 2.0))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_frame_belongs_first(seed: int) -> None:
    """The same frames engage more with the most appealing one at the start than at the end."""
    viewers = replace(draw_viewers(seed), relevance=0.0)
    order = [int(i) for i in np.argsort(-viewers.appeal)[[0, 20, 25, 30]]]
    assert engaged_rate(viewers, _shown(order)) > engaged_rate(viewers, _shown([*order[1:], order[0]]))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_near_duplicate_adds_less_than_something_new(seed: int) -> None:
    """Two frames of equal appeal do more than one frame twice; no rate leaves its bounds."""
    viewers = replace(draw_viewers(seed), relevance=0.0, appeal=np.zeros(48))
    new, again = engaged_rate(viewers, _shown([0, 1])), engaged_rate(viewers, _shown([0, 0]))
    assert again < new < viewers.level


def test_frames_of_a_scene_are_near_duplicates() -> None:
    """And those of other scenes are not; all are unit vectors."""
    same, other = [], []
    for seed in SEEDS:
        shown = draw_sequence(60, stream(seed, "test", 0))
        alike = shown.frames[1:] @ shown.frames[:-1].T
        cut = shown.concept[1:] != shown.concept[:-1]
        same += list(alike.diagonal()[~cut])
        other += list(alike.diagonal()[cut])
        assert shown.frames.shape == (60, WIDTH)
        np.testing.assert_allclose(np.linalg.norm(shown.frames, axis=1), 1.0)
    assert np.mean(same) > 0.8 > 0.3 > np.mean(other)


def _journey(channel: list[int], hours: list[float]) -> Journeys:
    before = np.array([hours]) * HOUR_S
    return Journeys(np.zeros(1), np.array([channel]), before, np.ones((1, len(channel)), dtype=bool))


@pytest.mark.parametrize("seed", SEEDS)
def test_touches_help_fade_and_saturate(seed: int) -> None:
    """A touch raises the chance, an older one less, a second one of the same channel by less than the first."""
    buyers = draw_buyers(seed)
    for channel in range(len(TOUCH_CHANNELS)):
        nothing = chance(buyers, without(_journey([channel], [1.0]), channel))[0]
        fresh, old = (chance(buyers, _journey([channel], [hours]))[0] for hours in (1.0, 40.0))
        twice = chance(buyers, _journey([channel, channel], [1.0, 1.0]))[0]
        assert nothing < old < fresh < twice < 1.0
        assert twice - fresh < fresh - nothing


def test_people_who_want_the_thing_search_the_brand_more_and_see_no_more_display() -> None:
    """Intent confounds some channels and not others; it raises the chance by itself."""
    counts: dict[str, NDArray[np.float64]] = {}
    buyers = replace(draw_buyers(1), frequency=np.full(len(TOUCH_CHANNELS), 0.5))
    journeys = draw_journeys(buyers, 20_000, np.random.default_rng(0))
    for c, name in enumerate(TOUCH_CHANNELS):
        counts[name] = (journeys.mask & (journeys.channel == c)).sum(axis=1).astype(np.float64)
    with_intent = {name: np.corrcoef(count, journeys.intent)[0, 1] for name, count in counts.items()}
    assert with_intent["brand_search"] > 0.3
    assert abs(with_intent["display"]) < 0.05
    eager = chance(buyers, replace(journeys, intent=journeys.intent + 1.0))
    assert (eager > chance(buyers, journeys)).all()


def test_touches_come_in_their_order_seconds_to_weeks_apart() -> None:
    """The earliest first, all within the window."""
    journeys = draw_journeys(draw_buyers(2), 2000, np.random.default_rng(0))
    gaps = -np.diff(journeys.before_s, axis=1)[journeys.mask[:, 1:]]
    assert (gaps >= 0).all()
    assert np.quantile(gaps, 0.1) < 60.0
    assert gaps.max() > 7 * 24 * HOUR_S
    assert journeys.mask.any(axis=1).all()


def test_prices_follow_what_is_likely_to_be_clicked_and_both_levels_drift() -> None:
    """On average over streams; a stream's end differs from its beginning by more than noise."""
    drift, price = [], []
    for seed in SEEDS:
        requests = draw_requests(seed, 4000, np.random.default_rng(seed))
        price.append(np.corrcoef(requests.log_odds, requests.log_price)[0, 1])
        np.testing.assert_allclose(np.linalg.norm(requests.features, axis=1), 1.0)
        drift.append(requests.log_odds[:1000].mean() - requests.log_odds[3000:].mean())
    assert np.mean(price) > 0.3
    assert np.std(drift) > 0.3


def test_what_a_field_means_is_half_common() -> None:
    """The same as for every effect of the market."""
    drawn = np.array([effects(seed, "request odds", "site", 400) for seed in (1, 2, 3)])
    assert np.corrcoef(drawn)[np.triu_indices(3, 1)] == pytest.approx(np.full(3, 0.5), abs=0.12)
