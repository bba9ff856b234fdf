"""Advertising platforms: what a connector must do, and an embedded market that does it."""
