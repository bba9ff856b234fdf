"""Decisions measured against the hindsight optimum and against rivals, on worlds that nobody has seen."""
