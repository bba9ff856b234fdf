"""Names that people write, and what to say of one that nobody knows."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def check_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuse a name that is not among ``known``.

    Raises:
        ValueError: says what was expected, and the near one.

    >>> check_known("channel", "serch", ["search", "email"])
    Traceback (most recent call last):
    ValueError: unknown channel 'serch', expected one of search, email; did you mean 'search'?
    """
    names = list(known)
    if name in names:
        return
    near = get_close_matches(name, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"unknown {kind} {name!r}, expected one of {', '.join(names)}{hint}")
