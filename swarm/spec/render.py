"""Settings as commented YAML."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def render(model: BaseModel) -> str:
    """``model`` as YAML, each field under a comment with its description and bounds."""
    return "\n".join(_lines(model, indent="")) + "\n"


def _lines(model: BaseModel, indent: str) -> Iterator[str]:
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        if isinstance(value, BaseModel):
            yield ""
            yield f"# {inspect.getdoc(type(value))}"
            yield f"{name}:"
            yield from _lines(value, indent + "  ")
        else:
            yield f"{indent}# {info.description}{_bounds(info)}"
            yield f"{indent}{name}: {'~' if value is None else value}"


def _bounds(info: FieldInfo) -> str:
    low, high = (next((getattr(m, end) for m in info.metadata if hasattr(m, end)), None) for end in ("ge", "le"))
    return "." if low is None else f"; {_short(low)} to {_short(high)}."


def _short(bound: object) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)
