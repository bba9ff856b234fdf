"""The few moves of a campaign that a person should see: refusals, pauses, large shifts of money, changes of mode."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swarm.observe.explain import Event, ModeChange, Move, Notice, Split

MOST: Mapping[str, int] = {"failure": 6, "notice": 6, "mode": 4, "launch": 4, "budget": 8, "status": 4, "split": 4}
"""How many of each kind are told of a campaign; bids and shares, which move every hour, are told by none."""


def most_important(events: Sequence[Event]) -> tuple[Event, ...]:
    """The most important of ``events``, in order of time; of equals of a kind the newer."""
    told: set[tuple[str, ...]] = set()
    kinds: dict[str, list[tuple[float, int]]] = {kind: [] for kind in MOST}
    for place, event in enumerate(events):
        if kind := _kind(event):
            kinds[kind].append((_size(event, told), place))
    best = [pair for kind, found in kinds.items() for pair in sorted(found)[-MOST[kind] :]]
    return tuple(events[place] for place in sorted(place for _, place in best))


def _kind(event: Event) -> str:
    """A key of ``MOST``, or empty for what is not told."""
    if isinstance(event, ModeChange):
        return "mode" if event.involved else ""
    if isinstance(event, Split | Notice):
        return "split" if isinstance(event, Split) else "notice"
    if event.state != "applied":
        return "failure"
    if event.field == "budget":
        return "budget" if event.old else "launch"
    return "status" if event.field == "status" else ""


def _size(event: Event, told: set[tuple[str, ...]]) -> float:
    """How much an event matters among those of its kind.

    ``told``: kinds of failure that came before; the first of a kind says what all of it would say.
    """
    if isinstance(event, Move):
        return _size_of_move(event, told)
    return abs(event.gain_over_current) if isinstance(event, Split) else 0.0


def _size_of_move(move: Move, told: set[tuple[str, ...]]) -> float:
    if move.state != "applied":
        kind = (move.state, move.refused_by, move.channel, move.field)
        new = kind not in told
        told.add(kind)
        return float(new)
    return float(abs(move.new - move.old)) if move.field == "budget" else 0.0
