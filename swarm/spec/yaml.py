"""YAML as text: what was written is what is read.

YAML 1.1 reads the country ``NO`` as false, ``12:30`` as 750 and ``2026-03-01`` as a date. Here every
scalar stays the text it is, and the model that takes the tree gives it its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from swarm.spec.errors import Loc, SpecError, field_path

Tree = dict[str, "Tree"] | list["Tree"] | str | None
"""Mappings, lists and text; None where nothing, ``~`` or ``null`` was written."""

MAX_DEPTH = 20
"""Mappings and lists inside one another; composing recurses, so there has to be an end."""

_NULL = "tag:yaml.org,2002:null"


@dataclass(frozen=True, slots=True)
class Document:
    """The tree of one file, and the line where each of its fields is."""

    file: str
    tree: Tree
    lines: Mapping[Loc, int]

    def line(self, loc: Loc) -> int:
        """The line of the field at ``loc``, or of what holds it where the field is missing."""
        while loc not in self.lines:
            loc = loc[:-1]
        return self.lines[loc]


class _Loader(yaml.SafeLoader):
    """Composes nodes, and refuses what can hide size or type: aliases, tags, bottomless nesting."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            raise _refusal("aliases are not allowed", event)
        if event.tag is not None:
            raise _refusal("tags are not allowed", event)
        if self.depth == MAX_DEPTH:
            raise _refusal("nested too deeply", event)
        self.depth += 1
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _refusal(problem: str, event: Any) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def load_yaml(path: Path) -> Document:
    """The single document in the file at ``path``.

    Raises:
        SpecError: the file cannot be read, or is not one document of plain YAML.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SpecError(error.strerror or "cannot be read", file=str(path)) from error
    return parse_yaml(text, str(path))


def parse_yaml(text: str | bytes, file: str) -> Document:
    """The single document in ``text``; ``file`` is how errors name it.

    Raises:
        SpecError: not one document of plain YAML.
    """
    try:
        root = yaml.compose(text, _Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = mark.line + 1 if mark else None
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise SpecError(said, file=file, line=line) from error
    # The scanner lets the last two out for impossible escapes and version numbers.
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise SpecError(f"not YAML: {' '.join(str(error).split())}", file=file) from error
    if root is None:
        raise SpecError("the file is empty", file=file)
    lines: dict[Loc, int] = {(): root.start_mark.line + 1}
    return Document(file, _tree(root, (), file, lines), lines)


def _tree(node: yaml.Node, loc: Loc, file: str, lines: dict[Loc, int]) -> Tree:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, loc, file, lines)
    if isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            lines[*loc, position] = item.start_mark.line + 1
        return [_tree(item, (*loc, i), file, lines) for i, item in enumerate(node.value)]
    return None if node.tag == _NULL else str(node.value)


def _mapping(node: yaml.MappingNode, loc: Loc, file: str, lines: dict[Loc, int]) -> Tree:
    tree: dict[str, Tree] = {}
    for key, value in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise SpecError("a name must be plain text", file=file, line=line, field=field_path(loc))
        at = (*loc, key.value)
        if key.value in tree:
            first = f"given twice, first on line {lines[at]}"
            raise SpecError(first, file=file, line=line, field=field_path(at))
        lines[at] = line
        tree[key.value] = _tree(value, at, file, lines)
    return tree
