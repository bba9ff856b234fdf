"""Logged hours decided again: by the same policy, which must decide the same, or by another."""
