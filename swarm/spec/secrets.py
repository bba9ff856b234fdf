"""Secrets: what people write holds a reference, and the value is read where it is used and shown nowhere.

Files, commands, logs, the journal and reports carry the reference, ``env:NAME`` or ``file:/path``.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, NoReturn
from urllib.parse import parse_qs, urlsplit

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

_FORM = r"env:[A-Za-z_][A-Za-z0-9_]*|file:/[^\x00-\x1f]+"
_SHOWN = "Secret(hidden)"


class Secret:
    """A value that its text, its JSON and its pickle never show: it has none of the latter two."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return _SHOWN

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret does not travel between processes: send its reference")


def _reference(value: object) -> object:
    # The message must not repeat the value: where a reference belongs, a mistake is most likely the secret itself.
    if not (isinstance(value, str) and re.fullmatch(_FORM, value)):
        text = "must be a reference, env:NAME or file:/path, never the secret itself (not shown)"
        raise PydanticCustomError("secret_reference", text)
    return value


def _server(value: object) -> object:
    if not (isinstance(value, str) and value.startswith(("postgresql://", "postgres://"))):
        raise PydanticCustomError("server_url", "must be postgresql://user@host/database (not shown)")
    parts = urlsplit(value)
    if ":" in parts.netloc.rpartition("@")[0] or "password" in parse_qs(parts.query):
        text = "must not hold the password: it belongs into PGPASSWORD or ~/.pgpass (not shown)"
        raise PydanticCustomError("server_url", text)
    return value


ServerUrl = Annotated[
    str,
    BeforeValidator(_server),
    WithJsonSchema({"type": "string", "pattern": "^postgres(ql)?://([^:@]*@)?[^@]*$"}),
]
"""Where a database server is; its password is where the server's own library looks for it."""

SecretRef = Annotated[str, BeforeValidator(_reference), WithJsonSchema({"type": "string", "pattern": f"^({_FORM})$"})]
"""Where a secret is kept: ``env:NAME`` or ``file:/path``."""


def resolve(reference: str) -> Secret:
    """The secret that ``reference`` stands for; a file's line end does not belong to it.

    Raises:
        ValueError: it is no reference (and is not repeated), or there is nothing where it points.
    """
    if not re.fullmatch(_FORM, reference):
        raise ValueError("not a reference to a secret such as env:NAME or file:/path (not shown)")
    kind, _, place = reference.partition(":")
    try:
        value = os.environ.get(place, "") if kind == "env" else Path(place).read_text(encoding="utf-8").rstrip("\r\n")
    except UnicodeDecodeError:  # not chained: it holds the bytes
        raise ValueError(f"{reference}: is not text") from None
    except OSError as error:
        raise ValueError(f"{reference}: {error.strerror}") from error
    if not value:
        raise ValueError(f"{reference}: {'is not set' if kind == 'env' else 'is empty'}")
    return Secret(value)
