"""Finds the files of installed packages without importing them, since importing some of them starts things."""

from importlib.util import find_spec
from pathlib import Path

from infrastructure.devstack.problem import Problem


class NotInstalled(Problem):
    def __init__(self, package: str) -> None:
        super().__init__(
            f"{package} is not installed: pip install 'stenolog[embedded]', or `make install` in a checkout"
        )


def folder_of(package: str) -> Path:
    """Where the package's files lie. Raises NotInstalled."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise NotInstalled(package.replace("_", "-"))
    return Path(spec.origin).parent
