"""Words that campaigns of the samples are made of."""

from __future__ import annotations

import numpy as np

# fmt: off
HOOKS = (
    "price", "urgency", "proof", "question", "humor", "story", "surprise", "demo", "authority", "curiosity", "fear",
    "nostalgia",
)
PROMISES = ("savings", "speed", "quality", "status", "ease", "safety", "health", "belonging", "freedom", "knowledge")
FRAMES = ("loss", "novelty", "social", "gain", "scarcity", "identity", "contrast", "guarantee")
_WORDS = (
    "one", "week", "free", "first", "lesson", "kettle", "lamp", "trail", "solar", "tutor", "garden", "winter", "summer",
    "light", "quiet", "warm", "home", "kitchen", "table", "team", "office", "report", "trial", "invoice", "ledger",
    "ticket", "hike", "guest", "review", "star", "minute", "hour", "today", "tomorrow", "season", "plan", "panel",
    "roof", "shelf", "book", "guide", "harbour", "island", "mountain", "engine", "battery", "carpet", "copper", "oak",
)
# fmt: on


def sentence(rng: np.random.Generator, words: int = 6) -> str:
    """Some words in a row."""
    return " ".join(rng.choice(_WORDS, words))
