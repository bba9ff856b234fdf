"""Decisions: deterministic given an rng; numpy at heart; no Ray, no I/O, no clock."""
