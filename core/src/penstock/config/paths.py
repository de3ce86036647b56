"""Paths: questions about files that any text may be asked for, without an error.

`Path` raises for names too long, users that there are not, and folders one may not look into.
"""

from __future__ import annotations

import os.path
from pathlib import Path

__all__ = ["exists", "expanded", "is_file"]


def exists(path: str | Path) -> bool:
    """Whether something is at a path, as far as one can see."""
    return os.path.exists(expanded(path))  # noqa: PTH110


def expanded(path: str | Path) -> Path:
    """Return a path with the home of a user in place of `~`, where there is one."""
    return Path(os.path.expanduser(path))  # noqa: PTH111


def is_file(path: Path) -> bool:
    """Whether a file is at a path, as far as one can see."""
    return os.path.isfile(path)  # noqa: PTH113
