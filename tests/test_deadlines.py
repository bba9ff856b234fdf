"""Every call to an actor has a deadline: the two places that make calls give one, and nobody else makes any."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted((ROOT / "swarm").rglob("*.py"))
CALLS = {"swarm/actors/calls.py", "swarm/actors/launch.py"}
"""Where calls are made."""
_WITH_A_DEADLINE = {"ray.get": "timeout", "ray.wait": "timeout"}


def unbounded(source: str, *, makes_calls: bool) -> Iterator[str]:
    """Calls in ``source`` that could wait for ever."""
    tree = ast.parse(source)
    bounded = {inner for call in _calls(tree) if _bounds(call) for inner in ast.walk(call)}
    for call in _calls(tree):
        name = ast.unparse(call.func)
        if name in _WITH_A_DEADLINE and _WITH_A_DEADLINE[name] not in {word.arg for word in call.keywords}:
            yield f"line {call.lineno}: {name} without a timeout"
        if _asks_an_actor(call) and not (makes_calls and call in bounded):
            yield f"line {call.lineno}: {name} outside a call that has a deadline"


def _calls(tree: ast.AST) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _bounds(call: ast.Call) -> bool:
    name = ast.unparse(call.func)
    return (name == "asyncio.wait_for" and len(call.args) == 2) or name == "ray.get"


def _asks_an_actor(call: ast.Call) -> bool:
    """``ray.remote`` makes a class, ``Actor.options(...).remote`` an actor: there is nothing to wait for."""
    if not isinstance(call.func, ast.Attribute) or call.func.attr != "remote":
        return False
    whose = ast.unparse(call.func.value)
    return whose != "ray" and not whose.split("(")[0].endswith(".options")


@pytest.mark.parametrize("file", FILES, ids=[path.relative_to(ROOT).as_posix() for path in FILES])
def test_nobody_waits_for_ever(file: Path) -> None:
    """Methods of actors are called through ``Caller`` or ``ask``, which wait so long and no longer."""
    name = file.relative_to(ROOT).as_posix()
    assert [] == list(unbounded(file.read_text(encoding="utf-8"), makes_calls=name in CALLS))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("ray.get(ref)", "ray.get without a timeout"),
        ("ray.get([a.ping.remote() for a in actors])", "ray.get without a timeout"),
        ("ref = actor.ping.remote()", "actor.ping.remote outside"),
        ("await getattr(actor, method).remote(*args)", "remote outside"),
        ("await actor.ping.remote()", "actor.ping.remote outside"),
    ],
)
def test_what_waits_for_ever_is_found(source: str, found: str) -> None:
    """The scan sees each way to forget a deadline, even where calls are made."""
    assert found in "".join(unbounded(f"async def f():\n    {source}", makes_calls=True))


def test_the_places_that_make_calls_make_some() -> None:
    """A list of files that no longer exist would prove nothing."""
    for name in CALLS:
        assert ".remote(" in (ROOT / name).read_text(encoding="utf-8")
