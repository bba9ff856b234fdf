"""What a run remembers on disk."""
