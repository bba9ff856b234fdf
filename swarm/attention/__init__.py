"""Attention as a service: numpy in, numpy out, batched; no Ray in here."""
