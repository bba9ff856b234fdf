"""Torch models: fixed bodies from `mechanisms`, small heads learned elsewhere."""
