"""The kinds of value that a specification is made of."""

from __future__ import annotations

import re
import zoneinfo
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, NamedTuple

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from swarm.spec.errors import Loc, field_path, nearest
from swarm.spec.money import MINOR_DIGITS

_AMOUNT = r"^[0-9]{1,12}(\.[0-9]{1,6})?$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"


class Section(BaseModel):
    """A part of a specification: frozen, and without room for names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, serialize_by_alias=True)


class Problem(NamedTuple):
    """What a check across fields found."""

    loc: Loc
    message: str
    value: str | None = None


def refuse(problems: Sequence[Problem]) -> None:
    """Raise what the checks found, if anything, as one error that the reader of files takes apart.

    Raises:
        PydanticCustomError: there are problems.
    """
    if problems:
        text = "; ".join(f"{field_path(p.loc)}: {p.message}" for p in problems)
        raise PydanticCustomError("across_fields", "{text}", {"text": text, "problems": list(problems)})


def later(*names: str) -> BeforeValidator:
    """Refuse the ``names`` that are right but that nothing acts on so far."""

    def check(value: object) -> object:
        if value in names:
            raise PydanticCustomError("later", "{name} is not available yet", {"name": value})
        return value

    return BeforeValidator(check)


def _known(kind: str, name: str, choices: Sequence[str] | frozenset[str]) -> str:
    if name not in choices:
        context = {"kind": kind, "nearest": nearest(name, sorted(choices))}
        raise PydanticCustomError("unknown_name", "unknown {kind}", context)
    return name


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones())


def _decimal_text(value: object) -> object:
    # A JSON number has been through a float in most programs; text says what was meant.
    if isinstance(value, Decimal):
        return value
    if not (isinstance(value, str) and re.fullmatch(_AMOUNT, value)):
        raise PydanticCustomError("decimal_text", "must be a plain decimal as text, such as '12.50'")
    return value


def _positive(text: str) -> str:
    if not Decimal(text):
        raise PydanticCustomError("positive", "must be more than 0")
    return text


def _date_text(value: object) -> object:
    # Left alone, pydantic would take any number as seconds since 1970.
    if isinstance(value, date) or (isinstance(value, str) and re.fullmatch(_DATE, value)):
        return value
    raise PydanticCustomError("date_text", "must be a date such as 2026-03-31")


Money = Annotated[
    str,
    BeforeValidator(_decimal_text),
    AfterValidator(_positive),
    WithJsonSchema({"type": "string", "pattern": _AMOUNT}),
]
"""A positive amount in the campaign's currency, as decimal text."""

Ratio = Annotated[Decimal, BeforeValidator(_decimal_text), WithJsonSchema({"type": "string", "pattern": _AMOUNT})]
"""A share or a multiple, as decimal text; 0.10 is ten per cent."""

Slug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=63)]
"""A short name that is safe in file names and on platforms."""

IsoDate = Annotated[date, BeforeValidator(_date_text)]
"""A day, as 2026-03-31."""

Currency = Annotated[
    str,
    AfterValidator(lambda name: _known("currency", name, frozenset(MINOR_DIGITS))),
    WithJsonSchema({"type": "string", "enum": sorted(MINOR_DIGITS)}),
]
"""ISO code of a supported currency."""

TimeZone = Annotated[str, AfterValidator(lambda name: _known("time zone", name, _time_zones()))]
"""Name of a zone in the IANA database."""
