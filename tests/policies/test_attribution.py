"""Paths, and the rules of thumb: what adds up, what does not matter, what each rule says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.attribution import (
    Path,
    Paths,
    first_touch,
    last_touch,
    linear,
    markov,
    position_based,
    shapley,
    shapley_of_conversions,
    shares,
    time_decay,
)

NAMES = ["brand", "email", "search", "video"]
Method = Callable[[Paths], Mapping[str, float]]
RULES: Mapping[str, Method] = {
    "first": first_touch,
    "last": last_touch,
    "linear": linear,
    "decay": time_decay,
    "position": position_based,
}
CLASSICAL: Mapping[str, Method] = {
    **RULES,
    "markov": markov,
    "markov 3": partial(markov, order=3),
    "shapley": shapley,
    "shapley of conversions": shapley_of_conversions,
}

_touch = st.tuples(st.sampled_from(NAMES), st.integers(0, 10**6).map(float))
_path = st.builds(
    lambda touches, people, rate, withheld: Path(
        touches=touches, end_s=2e6, people=people, conversions=people * rate // 4, withheld=withheld
    ),
    st.lists(_touch, max_size=6),
    st.integers(1, 8).map(float),
    st.integers(0, 4),
    st.sets(st.sampled_from(NAMES), max_size=2),
)
some_paths = st.lists(_path, min_size=1, max_size=12)


def paths_of(*each: Path) -> Paths:
    return Paths.of(each, NAMES)


def met(path: Path) -> set[str]:
    """Channels that were met, not only withheld."""
    return {name for name, _ in path.touches} - set(path.withheld)


@pytest.mark.parametrize("name", CLASSICAL)
@settings(max_examples=25)
@given(listed=some_paths)
def test_credit_adds_up_to_the_value_of_conversions_with_a_touch(name: str, listed: list[Path]) -> None:
    """No more and no less; a chain or a game in which no channel has an effect has nothing to share."""
    credit = CLASSICAL[name](paths_of(*listed))
    expected = sum(path.conversions for path in listed if met(path))
    assert sum(credit.values()) == pytest.approx(expected, abs=1e-9)
    assert list(credit) == NAMES


@pytest.mark.parametrize("name", CLASSICAL)
@settings(max_examples=25)
@given(listed=some_paths)
def test_a_path_of_many_people_is_as_many_paths(name: str, listed: list[Path]) -> None:
    """Those who converted and those who did not, one row or several."""
    split = [
        part
        for path in listed
        for part in (
            replace(path, people=path.conversions),
            replace(path, people=path.people - path.conversions, conversions=0.0),
        )
        if part.people > 0
    ]
    together, apart = (CLASSICAL[name](paths_of(*each)) for each in (listed, split))
    assert together == pytest.approx(apart, abs=1e-9)


@pytest.mark.parametrize("name", CLASSICAL)
@settings(max_examples=25)
@given(listed=some_paths)
def test_what_was_withheld_was_not_there(name: str, listed: list[Path]) -> None:
    """As if those touches had never been logged."""
    bare = [
        replace(path, withheld=(), touches=[touch for touch in path.touches if touch[0] not in path.withheld])
        for path in listed
    ]
    assert CLASSICAL[name](paths_of(*listed)) == pytest.approx(CLASSICAL[name](paths_of(*bare)), abs=1e-9)


FOUR = Path(
    touches=[("search", 400.0), ("video", 0.0), ("email", 300.0), ("search", 200.0)],
    conversions=1,
    value=80.0,
    end_s=500.0,
)


def _faded(**weight: float) -> dict[str, float]:
    """The path's value in proportion to ``weight``."""
    return {name: 80.0 * each / sum(weight.values()) for name, each in weight.items()}


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (first_touch, {"video": 80.0}),
        (last_touch, {"search": 80.0}),
        (linear, {"search": 40.0, "video": 20.0, "email": 20.0}),
        (position_based, {"video": 32.0, "search": 40.0, "email": 8.0}),
        (partial(position_based, ends=0.5), {"video": 40.0, "search": 40.0}),
        (partial(time_decay, half_life_s=200.0), _faded(video=0.25, email=0.5**0.5, search=0.5 + 1.0)),
    ],
)
def test_each_rule_on_one_path(method: Method, expected: dict[str, float]) -> None:
    """Video, search, email, search, 0, 200, 300 and 400 s after the first; touches may come in any order."""
    assert method(paths_of(FOUR)) == pytest.approx(dict.fromkeys(NAMES, 0.0) | expected)


def test_a_path_so_old_that_its_weights_vanish_is_shared_all_the_same() -> None:
    """Decay is from the newest touch on, whenever that was."""
    old = Path(touches=[("video", 0.0), ("email", 0.0)], conversions=1, end_s=1e12)
    assert time_decay(paths_of(old))["video"] == pytest.approx(0.5)


def test_shares_take_what_is_below_zero_for_nothing() -> None:
    """And are equal where nothing is left."""
    assert shares({"a": 1.0, "b": -3.0, "c": 3.0}) == {"a": 0.25, "b": 0.0, "c": 0.75}
    assert shares({"a": -1.0, "b": 0.0}) == {"a": 0.5, "b": 0.5}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Paths.of([]), "0 paths"),
        (lambda: Paths.of([Path(touches=[("vidio", 0.0)])], NAMES), "did you mean 'video'"),
        (lambda: Paths.of([Path(touches=[], withheld=["vidio"])], NAMES), "did you mean 'video'"),
        (lambda: Paths.of([Path(touches=[("video", 5.0)], end_s=3.0)]), "2 s after its path's end"),
        (lambda: Paths.of([Path(touches=[], conversions=2)], NAMES), "2 conversions of 1 people"),
        (lambda: time_decay(paths_of(FOUR), half_life_s=0.0), "half_life_s 0 is not positive"),
        (lambda: position_based(paths_of(FOUR), ends=0.6), "ends 0.6 is not between"),
        (lambda: markov(paths_of(FOUR), order=0), "order 0 is below 1"),
        (lambda: shapley(Paths.of([FOUR], [*NAMES, *map(str, range(13))])), "17 channels, expected at most 16"),
    ],
)
def test_mistakes_are_named(make: Callable[[], object], message: str) -> None:
    """With the value at fault."""
    with pytest.raises(ValueError, match=message):
        make()


def test_per_path_sums_by_path_and_channel() -> None:
    """Every touch once."""
    paths = paths_of(FOUR, Path(touches=[]), Path(touches=[("email", 0.0)]))
    counts = paths.per_path(np.ones(len(paths.path)))
    assert counts.tolist() == [[0, 1, 2, 1], [0, 0, 0, 0], [0, 1, 0, 0]]
