"""Downloads: files of the web, each in a folder of its own in the user's cache."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from penstock.errors import LoadError
from penstock.secret import Secret

__all__ = ["Download", "downloads"]

_HASH = re.compile(r"sha256=([0-9a-fA-F]{64})")
_RECORD = "record.json"
_LOCK = "lock"
_OURS = {"", _RECORD, _LOCK}
"""What no file of the web may be called in its folder."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file of the web: its URL, the SHA-256 it must have, if that is known, and its places.

    `login` is the name and the password that stood in the URL, and is kept nowhere: the same file
    is the same download, whoever fetched it.
    """

    url: str
    sha256: str | None = None
    login: Secret | None = field(default=None, compare=False)

    @classmethod
    def parse(cls, text: str) -> Download:
        """Read a URL with or without `#sha256=…`. Raises `LoadError` for anything else."""
        url, hash_sign, fragment = text.partition("#")
        found = _HASH.fullmatch(fragment)
        url, login = _without_login(urlsplit(url))
        if hash_sign and found is None:
            raise LoadError(
                f"{url!r} is followed by {fragment!r}",
                hint="What is behind # is the file's hash: #sha256= and 64 hexadecimal digits",
            )
        parts = urlsplit(url)
        if not parts.hostname or not parts.path.strip("/"):
            raise LoadError(
                f"{url!r} names no file", hint="It is written https://host/path/model.gguf"
            )
        return cls(url, found[1].lower() if found else None, login)

    @property
    def folder(self) -> Path:
        """The folder for this URL."""
        return _root() / hashlib.sha256(self.url.encode()).hexdigest()[:24]

    @property
    def path(self) -> Path:
        """Where the file is once it is whole."""
        name = unquote(urlsplit(self.url).path.rstrip("/").rpartition("/")[2])
        plain = re.sub(r"[^\w.+-]", "_", name).lstrip(".")[-100:]
        return self.folder / (f"model-{plain}" if plain in _OURS else plain)

    @property
    def part(self) -> Path:
        """Where it is before."""
        return self.path.with_name(f"{self.path.name}.part")

    @property
    def lock(self) -> Path:
        """What a process locks that works on it."""
        return self.folder / _LOCK

    @property
    def record(self) -> dict[str, str]:
        """What is known of it: `url`, `validator` of what is half there, `sha256` that was seen."""
        try:
            found = json.loads((self.folder / _RECORD).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {key: str(value) for key, value in found.items()}

    @property
    def validator(self) -> str:
        """What the server called this version of the file by, or nothing."""
        return self.record.get("validator", "")

    def note(self, **facts: str) -> None:
        """Write facts into the record."""
        text = json.dumps(self.record | {"url": self.url} | facts)
        (self.folder / _RECORD).write_text(text, encoding="utf-8")

    def assert_hash(self) -> None:
        """Raise `LoadError` if the file was seen with another hash than it must have."""
        seen = self.record.get("sha256")
        if self.sha256 is not None and seen != self.sha256:
            raise LoadError(
                f"{self.url!r} was downloaded with the SHA-256 {seen}, and {self.sha256} is wanted",
                hint=f"Check the hash; `penstock rm {self.url}` makes way for another download",
            )

    def delete(self) -> None:
        """Delete the file, and all that is known of it."""
        shutil.rmtree(self.folder)


def downloads() -> Iterator[Download]:
    """Yield what has a record, whole or not."""
    for record in sorted(_root().glob(f"*/{_RECORD}")):
        try:
            url = json.loads(record.read_text(encoding="utf-8"))["url"]
        except (OSError, ValueError, KeyError):
            continue
        yield Download(url)


def _without_login(parts: SplitResult) -> tuple[str, Secret | None]:
    login, at, host = parts.netloc.rpartition("@")
    url = parts._replace(netloc=host).geturl()
    return url, Secret(unquote(login)) if at else None


def _root() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("penstock", appauthor=False) / "downloads"
