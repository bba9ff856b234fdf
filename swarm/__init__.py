"""The runtime: Ray actors, money, platforms, storage and the command line."""
