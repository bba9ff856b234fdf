"""Which packages are built; everything else about the project stands in ``pyproject.toml``.

``configs/`` is a folder of the repository; where the package is installed it is ``swarm/examples``.
"""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["swarm*", "mechanisms*", "policies*"]), "swarm.examples"],
    package_dir={"swarm.examples": "configs"},
)
