"""Words as vectors without a model: hashed words, word pairs and letter triples.

Each gram is hashed to a coordinate and a sign (Weinberger et al. 2009), so texts that share words
or spellings have a positive product and strangers one near zero.  The same text gives the same
vector in every process.
"""

from __future__ import annotations

import hashlib
import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

WIDTH = 256
"""Default width of a vector."""

Vector = NDArray[np.float32]


def embed_text(text: str, width: int = WIDTH) -> Vector:
    """Unit vector [width] of a text, read-only; zero for a text without letters or digits.

    >>> bool(embed_text("free trial") @ embed_text("Free trials!") > 0.5)
    True
    """
    return _embed(text, "", width)


def embed_fields(fields: Mapping[str, str], width: int = WIDTH) -> Vector:
    """Unit vector [width] of named texts; a word counts as another one in another field."""
    parts = [_embed(text, name, width) for name, text in fields.items()]
    return _unit(np.sum(parts, axis=0)) if parts else _unit(np.zeros(width))


def embed_many(texts: Sequence[str], width: int = WIDTH) -> Vector:
    """``embed_text`` of each text, [n, width]."""
    rows = np.zeros((len(texts), width), dtype=np.float32)
    for row, text in zip(rows, texts, strict=True):
        row[:] = embed_text(text, width)
    return rows


@lru_cache(maxsize=16_384)
def _embed(text: str, field: str, width: int) -> Vector:
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    vector = np.zeros(width)
    for word in words:
        vector += _word(word, field, width)
    for pair in pairwise(words):
        _add(vector, f"{field}\x00pair\x00{' '.join(pair)}", 0.5)
    return _unit(vector)


@lru_cache(maxsize=16_384)
def _word(word: str, field: str, width: int) -> NDArray[np.float64]:
    """A word and its letter triples, which together weigh as much as the word."""
    vector = np.zeros(width)
    _add(vector, f"{field}\x00word\x00{word}", 1.0)
    triples = list(_triples(word))
    for triple in triples:
        _add(vector, f"{field}\x00triple\x00{triple}", 1 / math.sqrt(len(triples)))
    return vector


def _triples(word: str) -> Iterator[str]:
    padded = f"<{word}>"
    return (padded[i : i + 3] for i in range(len(padded) - 2))


def _add(vector: NDArray[np.float64], gram: str, weight: float) -> None:
    # Python's own hash is salted per process; this one is not.
    code = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "little")
    vector[(code >> 1) % len(vector)] += weight if code & 1 else -weight


def _unit(vector: NDArray[np.float64]) -> Vector:
    """Length 1, or zero; read-only because the caches hand the same array to everyone."""
    length = float(np.linalg.norm(vector))
    unit = (vector / length if length > 0 else vector).astype(np.float32)
    unit.setflags(write=False)
    return unit
