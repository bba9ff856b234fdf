"""What comes with the package: the example campaigns and the default configuration of ``configs/``."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]


def shipped() -> Path:
    """The folder of ``swarm.yaml`` and ``campaigns/``.

    An installed wheel has it inside the package. A checkout, and an editable install of one, has no such folder there:
    the files lie beside the package, as ``configs/``, and are copied when a wheel is built (``setup.py``).
    """
    installed = _PACKAGE / "examples"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"
