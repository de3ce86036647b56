"""What goes wrong with downloads wherever they come from, as errors that say what to do."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from penstock.errors import LoadError
from penstock.sizes import human

__all__ = ["enough_room", "retryable", "storing"]

_FULL = (errno.ENOSPC, errno.EDQUOT)


def retryable(message: str, hint: str, after: float | None = None) -> LoadError:
    """Return an error of which the same call may be rid later."""
    error = LoadError(message, hint=hint)
    error.retryable, error.retry_after = True, after
    return error


def enough_room(folder: Path, needed: int) -> None:
    """Raise `LoadError` if `needed` more bytes do not fit where `folder` is."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise _full(folder, f"{human(needed)} more are needed and {human(free)} are free")


@contextmanager
def storing(folder: Path) -> Iterator[None]:
    """Translate what the system says about files in `folder` into `LoadError`."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise _full(folder, "the device is full") from error
        if type(error) in (OSError, PermissionError, FileNotFoundError, NotADirectoryError):
            raise LoadError(
                f"cannot write in {str(folder)!r}: {error.strerror or error}",
                hint="Check the folder and its rights",
            ) from error
        raise


def _full(folder: Path, why: str) -> LoadError:
    return LoadError(
        f"no space left for the download in {str(folder)!r}: {why}",
        hint="Make room, `penstock rm` helps, and load again: what was downloaded is kept",
    )
