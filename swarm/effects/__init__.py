"""The guarded door: what may be written to a platform, and what is in force there."""
