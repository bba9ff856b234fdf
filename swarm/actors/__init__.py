"""Ray, and only here: the actors and how they are made, found and called."""

import os
from pathlib import Path

# A cluster that was started on this machine asks for the token in the home directory, but a driver that joins it
# sends the token only in token mode, which Ray reads once, when it is first imported.
if (Path.home() / ".ray" / "auth_token").exists():
    os.environ.setdefault("RAY_AUTH_MODE", "token")
