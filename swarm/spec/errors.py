"""What is wrong with a file that a person wrote, said so that they can mend it."""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable

_SHORT = reprlib.Repr()
_SHORT.maxstring = 80

Loc = tuple[str | int, ...]
"""A place in a tree of mappings (names) and lists (positions)."""


def field_path(loc: Loc) -> str:
    """``loc`` as people write it.

    >>> field_path(("creatives", 1, "id"))
    'creatives[1].id'
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{_printable(part)}" for part in loc)
    return "".join(parts).removeprefix(".")


def _printable(text: str) -> str:
    """``text`` on one line: what a terminal could trip over is escaped, what is long is cut."""
    return text if text.isprintable() and len(text) <= _SHORT.maxstring else _SHORT.repr(text)


def nearest(name: str, choices: Iterable[str]) -> str | None:
    """The choice that ``name`` was most likely meant to be, in whatever case."""
    folded = {choice.casefold(): choice for choice in choices}
    close = difflib.get_close_matches(name.casefold(), folded, n=1)
    return folded[close[0]] if close else None


class SpecError(ValueError):
    """One mistake in one file."""

    def __init__(
        self,
        message: str,
        *,
        file: str = "",
        line: int | None = None,
        field: str = "",
        value: str | None = None,
        nearest: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.file = file
        self.line = line
        self.field = field
        self.value = value
        self.nearest = nearest

    @property
    def place(self) -> str:
        """``file:line``, as far as known."""
        return f"{self.file}:{self.line}" if self.line else self.file

    def __str__(self) -> str:
        hints = [f"got {_SHORT.repr(self.value)}"] if self.value is not None else []
        hints += [f"did you mean {self.nearest!r}?"] if self.nearest else []
        told = f"{self.message} ({'; '.join(hints)})" if hints else self.message
        return ": ".join(part for part in (self.place, self.field, told) if part)

    def as_dict(self) -> dict[str, str | int | None]:
        """The parts by name, for machines."""
        names = ("file", "line", "field", "message", "value", "nearest")
        return {name: getattr(self, name) for name in names}


class SpecErrors(ValueError):
    """Every mistake that was found, in the order of the files and their lines."""

    def __init__(self, errors: Iterable[SpecError]) -> None:
        self.errors = tuple(errors)
        super().__init__(self.errors)

    def __str__(self) -> str:
        return "\n".join(map(str, self.errors))
