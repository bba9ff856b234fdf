"""Attention mechanisms: torch modules that know no marketing, no Ray and no I/O."""
