"""Mechanisms by name, imported when first asked for."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches
from fnmatch import fnmatch
from importlib import import_module
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=type[nn.Module])

_MODULES = {
    "cross": "mechanisms.cross",
    "flash": "mechanisms.flash",
    "graph_rope": "mechanisms.graph_rope",
    "hyperbolic": "mechanisms.hyperbolic",
    "information_bottleneck": "mechanisms.information_bottleneck",
    "linear": "mechanisms.linear",
    "mixed_curvature": "mechanisms.mixed_curvature",
    "moe": "mechanisms.moe",
    "multi_head": "mechanisms.multi_head",
    "natural_gradient": "mechanisms.natural_gradient",
    "sliced_wasserstein": "mechanisms.sliced_wasserstein",
    "topology_gated": "mechanisms.topology_gated",
}
_CLASSES: dict[str, type[nn.Module]] = {}


def register(name: str) -> Callable[[M], M]:
    """Class decorator: make a module class, with its nested ``Config``, loadable by ``name``.

    Raises:
        ValueError: if the name is taken or the class has no ``Config`` with ``build()``.
    """

    def add(cls: M) -> M:
        if name in _CLASSES:
            raise ValueError(f"mechanism {name!r} is already {_CLASSES[name].__qualname__}")
        if not callable(getattr(getattr(cls, "Config", None), "build", None)):
            raise ValueError(f"{cls.__qualname__} needs a nested Config with build()")
        _CLASSES[name] = cls
        return cls

    return add


def load(name: str) -> type[nn.Module]:
    """The class registered as ``name``; its module is imported on the first call.

    Raises:
        ValueError: if the name is unknown; lists the near ones.
    """
    if name not in _CLASSES and name in _MODULES:
        import_module(_MODULES[name])
    if name not in _CLASSES:
        known = list_mechanisms()
        near = get_close_matches(name, known) or known
        raise ValueError(f"unknown mechanism {name!r}; near: {', '.join(near)}")
    return _CLASSES[name]


def list_mechanisms(pattern: str = "*") -> list[str]:
    """Sorted names that match a wildcard, loaded or not.

    >>> list_mechanisms("multi_*")
    ['multi_head']
    """
    return sorted(name for name in _MODULES.keys() | _CLASSES.keys() if fnmatch(name, pattern))
