"""From a file to a model, with every mistake placed in the file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from swarm.spec.errors import Loc, SpecError, SpecErrors, field_path, nearest
from swarm.spec.fields import Problem
from swarm.spec.yaml import Document, load_yaml

M = TypeVar("M", bound=BaseModel)
_SECRETIVE = {"notifications", "url"}
"""What stands there may be a secret by mistake, so no message repeats it."""


def read(model: type[M], path: Path) -> tuple[M, Document]:
    """The ``model`` that the file at ``path`` describes, and the document it came from.

    Raises:
        SpecErrors: the file is not plain YAML, or not what the model asks for.
    """
    try:
        document = load_yaml(path)
    except SpecError as error:
        raise SpecErrors([error]) from error
    return build(model, document), document


def build(model: type[M], document: Document) -> M:
    """The ``model`` that ``document`` describes.

    Raises:
        SpecErrors: not what the model asks for.
    """
    try:
        return model.model_validate(document.tree)
    except ValidationError as error:
        found = [e for details in error.errors() for e in _spec_errors(model, document, details)]
        raise SpecErrors(sorted(found, key=lambda e: e.line or 0)) from error


def _spec_errors(model: type[BaseModel], document: Document, details: ErrorDetails) -> Iterator[SpecError]:
    context: dict[str, Any] = details.get("ctx", {})
    # Items that are wrong themselves are not counted; they are told already.
    if details["type"] == "too_short" and len(details["input"]) >= context["min_length"]:
        return
    if details["type"] == "across_fields":
        for problem in context["problems"]:
            yield _placed(document, problem._replace(loc=(*details["loc"], *problem.loc)))
        return
    loc, value = details["loc"], details["input"]
    shown = isinstance(value, str) and _SECRETIVE.isdisjoint(loc)
    problem = Problem(loc, _message(details), value if shown else None)
    yield _placed(document, problem, _nearest(model, details, context))


def _placed(document: Document, problem: Problem, close: str | None = None) -> SpecError:
    loc, message, value = problem
    line = document.line(loc)
    return SpecError(message, file=document.file, line=line, field=field_path(loc), value=value, nearest=close)


def _message(details: ErrorDetails) -> str:
    match details["type"]:
        case "extra_forbidden":
            return "unknown field"
        case "missing":
            return "required, but missing"
        case "model_type" | "dict_type":
            return "must be a mapping"
        case "tuple_type" | "list_type":
            return "must be a list"
        case "too_short":
            return f"must have at least {details['ctx']['min_length']} items, not {len(details['input'])}"
        case "too_long":
            return f"must have at most {details['ctx']['max_length']} items, not {len(details['input'])}"
        case "string_type":
            return "must be text"
        case "string_pattern_mismatch":
            return "must be lower-case letters, digits, - and _, with no - or _ in front"
        case _:
            return details["msg"].replace("Input should be", "must be").replace("String should", "must")


def _nearest(model: type[BaseModel], details: ErrorDetails, context: dict[str, Any]) -> str | None:
    loc, value = details["loc"], details["input"]
    if details["type"] == "extra_forbidden":
        return nearest(str(loc[-1]), _names(model, loc[:-1]))
    if details["type"] == "literal_error" and isinstance(value, str):
        return nearest(value, re.findall("'([^']+)'", context["expected"]))
    return context.get("nearest")


def _names(model: type[BaseModel], loc: Loc) -> list[str]:
    """The fields of the model at ``loc`` inside ``model``."""
    for part in loc:
        if isinstance(part, str):
            model = _inner_model(model.model_fields[part].annotation)
    return [info.alias or name for name, info in model.model_fields.items()]


def _inner_model(annotation: Any) -> type[BaseModel]:
    """The model inside an annotation such as ``tuple[Model, ...]``; the first, by assertion."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(_inner_model(inner) for inner in get_args(annotation))
