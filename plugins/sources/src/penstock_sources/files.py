"""`file:`, a path or a URL of a file on this machine."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

from penstock.errors import ModelNotFound

__all__ = ["resolve"]


def resolve(rest: str) -> Path:
    """Return the path; `//` begins a URL, whose host is this machine. Raises `ModelNotFound`."""
    path = (_of_url(rest) if rest.startswith("//") else Path(rest)).expanduser()
    if not rest or not path.exists():
        raise ModelNotFound(
            f"there is no file {str(path)!r}" if rest else "'file:' names no file",
            hint="Check the path: 'file:model.gguf', or 'file:///models/model.gguf'",
        )
    return path


def _of_url(rest: str) -> Path:
    host, _, path = rest.removeprefix("//").partition("/")
    if host not in ("", "localhost"):
        raise ModelNotFound(
            f"'file:{rest}' names the machine {host!r}", hint="Write three slashes: 'file:///…'"
        )
    return Path(f"/{unquote(path)}")
