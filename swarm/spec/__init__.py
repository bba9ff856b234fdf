"""What a user writes: campaigns and settings, checked before anything acts on them."""
