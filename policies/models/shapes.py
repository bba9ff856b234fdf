"""Shapes with letters: one way to say what an array must look like, and to refuse what does not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from numpy.typing import NDArray

Shape = tuple[int | str, ...]
"""Sizes; a letter stands for any size, the same wherever it appears."""


def check_arrays(arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, Shape], *, of: str) -> None:
    """Refuse arrays whose names or shapes differ from ``shapes``.

    Args:
        arrays: what was given.
        shapes: what is wanted, by name.
        of: whose arrays they are, for the message.

    Raises:
        ValueError: on a missing, unexpected or wrongly shaped array; names both shapes.
    """
    if arrays.keys() != shapes.keys():
        raise ValueError(f"{of}: got arrays {sorted(arrays)}, expected {sorted(shapes)}")
    sizes: dict[str, int] = {}
    for name, shape in shapes.items():
        got = arrays[name].shape
        if len(got) == len(shape):
            for letter, size in zip(shape, got, strict=True):
                if isinstance(letter, str):
                    sizes.setdefault(letter, size)
        wanted = tuple(sizes.get(x, x) if isinstance(x, str) else x for x in shape)
        if got != wanted:
            raise ValueError(f"{of}: {name} has shape {got}, expected {wanted}")
