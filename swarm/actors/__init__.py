"""Ray, and only here: the actors and how they are made, found and called."""
