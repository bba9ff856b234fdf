"""A real account's daily log: a CSV file, one row for each campaign and day, as arrays.

Letters: D calendar days from the first date to the last, C campaigns.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from swarm.spec.errors import SpecError, SpecErrors, nearest

Floats = NDArray[np.float64]
Kind = TypeVar("Kind")
COLUMNS = ("date", "campaign_name", "click", "cost", "campaign_budget_total_amount")
"""What a log is read from: day, campaign, clicks, money spent and the day's budget; others are left alone."""
LEAST_DAYS = 20
LEAST_ROWS = 10
"""Days with cost and clicks that a campaign needs for a response of its own."""


@dataclass(frozen=True, slots=True)
class AccountLog:
    """What an account did; NaN where a campaign has no row on a day."""

    first: date
    names: tuple[str, ...]
    clicks: Floats
    """[D, C] in the log's own unit: a log may be scaled."""
    cost: Floats
    """[D, C] currency units."""
    budget: Floats
    """[D, C] currency units a day."""

    def __len__(self) -> int:
        return len(self.clicks)

    @property
    def weekday(self) -> NDArray[np.int64]:
        """[D] 0 is Monday."""
        return (self.first.weekday() + np.arange(len(self))) % 7

    @property
    def usable(self) -> NDArray[np.bool_]:
        """[D, C] rows with cost: those that tell what money buys."""
        return self.cost > 0

    def part(self, days: slice) -> AccountLog:
        """The log of some of its days, a range that begins where ``days`` does."""
        start, stop, _ = days.indices(len(self))
        first = date.fromordinal(self.first.toordinal() + start)
        at = slice(start, stop)
        return replace(self, first=first, clicks=self.clicks[at], cost=self.cost[at], budget=self.budget[at])

    def only(self, campaigns: NDArray[np.bool_]) -> AccountLog:
        """The log of some of its campaigns, a mask [C]."""
        names = tuple(name for name, kept in zip(self.names, campaigns, strict=True) if kept)
        parts = (self.clicks[:, campaigns], self.cost[:, campaigns], self.budget[:, campaigns])
        return AccountLog(self.first, names, *parts)


class _Row(NamedTuple):
    line: int
    day: date
    name: str
    numbers: tuple[float, ...]
    """Clicks, cost, budget."""


def read_log(path: Path, columns: Mapping[str, str] | None = None) -> AccountLog:
    """The log at ``path``; ``columns`` says how it calls some of ``COLUMNS``.

    Raises:
        SpecErrors: every mistake, with its line, column and value.
    """
    reading = _Reading(str(path), {name: name for name in COLUMNS} | dict(columns or {}))
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(reading.rows(csv.DictReader(file)))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecErrors([SpecError(f"cannot be read as a log: {reason}", file=str(path))]) from error
    if not reading.errors:
        reading.compare(rows)
    if reading.errors:
        raise SpecErrors(reading.errors)
    return _arrays(rows)


class _Reading:
    """One pass over a file; what is wrong gathers in ``errors``."""

    def __init__(self, file: str, called: Mapping[str, str]) -> None:
        self._file, self._called = file, called
        self.errors: list[SpecError] = []

    def rows(self, reader: csv.DictReader[str]) -> Iterator[_Row]:
        """The rows that are right."""
        header = list(reader.fieldnames or ())
        for name in (name for name in self._called.values() if name not in header):
            there = f"no such column; there are {', '.join(header)}"
            self.errors.append(SpecError(there, file=self._file, line=1, field=name, nearest=nearest(name, header)))
        for cells in () if self.errors else reader:
            row = self._row(cells, reader.line_num)
            if row is not None:
                yield row

    def _row(self, cells: Mapping[str | None, str | None], line: int) -> _Row | None:
        if None in cells:
            self.errors.append(SpecError("more values than columns", file=self._file, line=line))
            return None
        day = self._cell(cells, line, "date", _date)
        name = self._cell(cells, line, "campaign_name", _name)
        numbers = [self._cell(cells, line, column, _number) for column in COLUMNS[2:]]
        known = tuple(number for number in numbers if number is not None)
        return None if day is None or name is None or len(known) < len(numbers) else _Row(line, day, name, known)

    def _cell(
        self, cells: Mapping[str | None, str | None], line: int, name: str, parse: Callable[[str], Kind]
    ) -> Kind | None:
        column = self._called[name]
        text = cells[column] or ""
        try:
            return parse(text)
        except ValueError as error:
            self.errors.append(SpecError(str(error), file=self._file, line=line, field=column, value=text))
            return None

    def compare(self, rows: Sequence[_Row]) -> None:
        """What is wrong between the rows."""
        campaign, seen = self._called["campaign_name"], dict[tuple[date, str], int]()
        for row in rows:
            before = seen.setdefault((row.day, row.name), row.line)
            if before != row.line:
                text = f"a second row of {row.day}; the first is line {before}"
                self.errors.append(SpecError(text, file=self._file, line=row.line, field=campaign, value=row.name))
        days = len({row.day for row in rows})
        if days < LEAST_DAYS:
            text = f"has {days} days; a fit needs {LEAST_DAYS}"
            self.errors.append(SpecError(text, file=self._file, field=self._called["date"]))
        useful = Counter(row.name for row in rows if row.numbers[0] > 0 and row.numbers[1] > 0)
        for name in dict.fromkeys(row.name for row in rows if useful[row.name] < LEAST_ROWS):
            text = f"has {useful[name]} days with cost and clicks; a fit needs {LEAST_ROWS}, so leave its rows out"
            self.errors.append(SpecError(text, file=self._file, field=campaign, value=name))


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError("must be a date such as 2026-03-31") from None


def _name(text: str) -> str:
    if not text.strip():
        raise ValueError("must name a campaign")
    return text.strip()


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not 0 <= number < float("inf"):
        raise ValueError("must be a number from 0 on")
    return number


def _arrays(rows: Sequence[_Row]) -> AccountLog:
    first = min(row.day for row in rows)
    names = tuple(dict.fromkeys(row.name for row in rows))
    days = 1 + (max(row.day for row in rows) - first).days
    table = np.full((3, days, len(names)), np.nan)
    for row in rows:
        table[:, (row.day - first).days, names.index(row.name)] = row.numbers
    return AccountLog(first, names, *table)
