"""Mutants: a module with one thing in it altered, the smallest step that a mistake could take.

A check is switched off (a guard lets all pass, a cap is removed); a comparison's boundary moves (< to <=); a term, a
factor or a constant moves by one step; and, or, not, minimum and maximum are exchanged; a call that is made for its
effect is left out. Source: DeMillo, Lipton and Sayward, "Hints on test data selection", 1978.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

_COMPARE: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_OPERATOR: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
}  # fmt: skip
_FACTORS = (ast.Mult, ast.FloorDiv)
"""Not ``/``, which also joins paths."""
_NAMES = {
    "maximum": "minimum", "minimum": "maximum", "max": "min", "min": "max", "any": "all", "all": "any",
    "floor": "ceil", "ceil": "floor",
}  # fmt: skip
FLOAT_STEP = 1.01
"""Factor by which a constant that is no whole number is altered."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One altered module."""

    file: str
    line: int
    function: str
    """Qualified name of the function that is altered; empty where it is the module's own level."""
    before: str
    after: str
    check: bool
    """Whether a whole check is switched off."""
    tree: ast.Module

    @property
    def key(self) -> str:
        """What it is, whatever line it stands on."""
        return f"{self.file} {self.function}: {self.before} -> {self.after}"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of the file at ``path``."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    places = {id(node): place for place, node in enumerate(ast.walk(tree))}
    spots = [(spot, function, alter, False) for function, spot in _spots(tree, "") for alter in _alterations(spot)]
    for spot, function, alter, check in [*_checks(tree), *spots]:
        altered = ast.parse(text)
        node = next(islice(ast.walk(altered), places[id(spot)], None))
        before, after = _short(node), alter(node)
        ast.fix_missing_locations(altered)
        yield Mutant(path.name, node.lineno, function, before, after, check, altered)  # type: ignore[attr-defined]


def _short(node: ast.AST) -> str:
    return ast.unparse(node).split("\n")[0]


def _spots(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.AST]]:
    """Every node that runs, with the function that it is in; neither annotations nor decorators do."""
    for name, field in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "type_params"):
            continue
        for child in field if isinstance(field, list) else [field]:
            if not isinstance(child, ast.AST) or _alias(child):
                continue
            yield ("" if inside.endswith(".") else inside), child
            yield from _spots(child, _name(child, inside))


def _alias(node: ast.AST) -> bool:
    """A name for a type, such as ``Bools = NDArray[np.bool_]``."""
    return (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Subscript)
        and isinstance(node.value.value, ast.Name)
    )


def _name(node: ast.AST, inside: str) -> str:
    """Of the outermost function or method; what is defined inside it belongs to it."""
    if isinstance(node, ast.ClassDef):
        return f"{node.name}."
    if isinstance(node, ast.FunctionDef) and (not inside or inside.endswith(".")):
        return f"{inside}{node.name}"
    return inside


def _alterations(node: ast.AST) -> Iterator[Callable[[ast.AST], str]]:
    """What can be done to ``node``; each is to be called with the node of a copy."""
    if isinstance(node, ast.Compare):
        for i, op in enumerate(node.ops):
            yield _set_item("ops", i, _COMPARE[type(op)]())
    elif isinstance(node, (ast.BinOp, ast.AugAssign)):
        if type(node.op) in _OPERATOR:
            yield _set("op", _OPERATOR[type(node.op)]())
        elif isinstance(node.op, _FACTORS) and isinstance(node, ast.BinOp):
            yield _more
    elif isinstance(node, ast.BoolOp):
        yield _set("op", ast.Or() if isinstance(node.op, ast.And) else ast.And())
    elif isinstance(node, ast.UnaryOp) and not isinstance(node.operand, ast.Constant):
        yield _become(_operand)
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield _set("attr", _NAMES[node.attr])
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield _set("id", _NAMES[node.id])
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield _become(lambda _: ast.Constant(None), field="value")
    elif isinstance(node, ast.Constant):
        yield from _constant(node.value)


def _constant(value: object) -> Iterator[Callable[[ast.AST], str]]:
    if isinstance(value, bool):
        yield _set("value", not value)
    elif isinstance(value, int):
        yield _set("value", value + 1)
    elif isinstance(value, float) and value:
        yield _set("value", value * FLOAT_STEP)


def _set(field: str, to: object) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        setattr(node, field, to)
        return _short(node)

    return alter


def _set_item(field: str, at: int, to: object) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        getattr(node, field)[at] = to
        return _short(node)

    return alter


def _more(node: ast.AST) -> str:
    """``a * b`` becomes ``a * (b + 1)``."""
    assert isinstance(node, ast.BinOp)
    node.right = ast.BinOp(node.right, ast.Add(), ast.Constant(1))
    return _short(node)


def _operand(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _become(other: Callable[[ast.AST], ast.AST], field: str = "") -> Callable[[ast.AST], str]:
    """The node, or its ``field``, becomes another; a node is replaced in place, for its parent is not at hand."""

    def alter(node: ast.AST) -> str:
        if field:
            setattr(node, field, other(node))
        else:
            new = other(node)
            node.__class__ = new.__class__
            node.__dict__ = new.__dict__
        return _short(node)

    return alter


Spot = tuple[ast.AST, str, Callable[[ast.AST], str], bool]


def _checks(tree: ast.Module) -> Iterator[Spot]:
    """Guards, functions from a case to ``Bools``, and caps, by the names under which ``caps`` answers."""
    for function in tree.body:
        if not isinstance(function, ast.FunctionDef) or function.returns is None or function.name.startswith("_"):
            continue
        if not function.args.args or ast.unparse(function.args.args[0].annotation or function) != "Case":
            continue
        returns = ast.unparse(function.returns)
        if returns == "Bools":
            yield function, function.name, _all_pass, True
        elif returns == "dict[str, Bools]":
            for cap in _cap_names(tree):
                yield function, function.name, _without(cap), True


def _cap_names(tree: ast.Module) -> list[str]:
    """Texts in the functions that answer by cap."""
    functions = [
        node for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.returns and ast.unparse(node.returns) == "dict[str, Bools]"
    ]  # fmt: skip
    texts = [node.value for f in functions for node in ast.walk(f) if isinstance(node, ast.Constant)]
    return list(dict.fromkeys(text for text in texts if isinstance(text, str) and text.isidentifier()))


def _all_pass(node: ast.AST) -> str:
    assert isinstance(node, ast.FunctionDef)
    node.body = ast.parse("return np.ones(len(case.asked), dtype=np.bool_)").body
    return "switched off"


def _without(cap: str) -> Callable[[ast.AST], str]:
    def alter(node: ast.AST) -> str:
        for each in ast.walk(node):
            if isinstance(each, ast.Return) and each.value is not None:
                text = f"{{n: np.ones_like(p) if n == {cap!r} else p for n, p in ({ast.unparse(each.value)}).items()}}"
                each.value = ast.parse(text, mode="eval").body
        return f"without {cap}"

    return alter
