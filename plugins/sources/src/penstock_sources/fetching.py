"""Fetching one file over HTTP: what is there is kept, and a cut is gone over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import LoadError
from penstock.sizes import human
from penstock.sources import SourceContext

from penstock_sources.faults import enough_room, retryable, storing
from penstock_sources.meter import Meter

if TYPE_CHECKING:
    from httpx2 import Client, Response

__all__ = ["Remote", "exclusive", "fetch", "verify"]

_ATTEMPTS = 4
"""How often in a row a connection may fail without one byte more."""
_PAUSE = 0.5
_SILENCE = 20.0
"""Seconds without a byte after which a connection counts as broken."""
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file on a server: where it is, what it is called, and how many bytes it has, if known.

    `check` raises what an answer deserves that is not the file. `began` is told of each answer that
    is the file, or its rest. `headers` are looked at for each request.
    """

    url: str
    name: str
    check: Callable[[Response], object]
    size: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    began: Callable[[Response], object] = lambda answer: answer


def fetch(client: Client, remote: Remote, part: Path, meter: Meter, context: SourceContext) -> None:
    """Bring `part` to its end, from wherever it stands.

    Whatever is raised, what came is kept in `part`. Raises `LoadError`, which is `retryable` where
    the network is to blame, and what `remote.check` raises.
    """
    import httpx2

    meter.file = remote.name
    meter.skip(_size(part))
    failures = 0
    whole = False
    while not whole:
        before = _size(part)
        try:
            with storing(part.parent):
                _go_on(client, remote, part, meter)
            whole = True
        except httpx2.TransportError as error:
            failures = 1 if _size(part) > before else failures + 1
            if failures == _ATTEMPTS:
                raise _cut(remote, part, error) from error
            context.cancel.wait(_PAUSE * 2 ** (failures - 1))
        context.assert_wanted()


def verify(part: Path, meter: Meter, wanted: str | None = None) -> str:
    """Return the SHA-256 of a file; all is read for it. If none is `wanted`, progress tells it.

    Raises `LoadError` if it is not `wanted`: the file is deleted then.
    """
    seen = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(_CHUNK):
            seen.update(chunk)
            meter.add(len(chunk))
    found = seen.hexdigest()
    if wanted is not None and wanted != found:
        part.unlink()
        raise LoadError(
            f"{meter.file!r} has the SHA-256 {found}, and {wanted} was expected",
            hint="It was deleted. Download it again, and if that ends the same, do not trust it",
        )
    meter.report(sha256=found if wanted is None else None)
    return found


@contextmanager
def exclusive(lock: Path, context: SourceContext) -> Iterator[None]:
    """Keep other processes away, waiting for one that works on the same until it has ended."""
    from filelock import FileLock, Timeout

    held = FileLock(lock, mode=0o664)
    with storing(lock.parent):
        while not held.is_locked:
            context.assert_wanted()
            try:
                held.acquire(timeout=0.2)
            except Timeout:
                continue
    try:
        yield
    finally:
        held.release()


def _go_on(client: Client, remote: Remote, part: Path, meter: Meter) -> None:
    have = _size(part)
    if have and have == remote.size:
        meter.report()
        return
    asked = {"Accept-Encoding": "identity", **remote.headers}
    if have:
        asked["Range"] = f"bytes={have}-"
    with client.stream("GET", remote.url, headers=asked, timeout=_SILENCE) as answer:
        if have and answer.status_code == 416 and _whole(answer, have):
            return
        if have and not _continues(answer, remote, have):
            part.unlink()
            meter.take_back(have)
            if answer.status_code in (206, 416):  # of another file: ask for all of this one
                _go_on(client, remote, part, meter)
                return
            have = 0
        remote.check(answer)
        remote.began(answer)
        _write(answer, remote, part, meter, have)


def _write(answer: Response, remote: Remote, part: Path, meter: Meter, have: int) -> None:
    length = answer.headers.get("Content-Length")
    if length is not None and length.isdecimal():
        if meter.total is None:
            meter.total = have + int(length)
        enough_room(part.parent, int(length))
    meter.report()
    with part.open("ab") as file:
        for chunk in answer.iter_bytes():
            file.write(chunk)
            meter.add(len(chunk))
    if remote.size is not None and _size(part) != remote.size:
        size = _size(part)
        part.unlink()
        raise LoadError(
            f"{remote.name!r} came with {size} bytes, and {remote.size} were announced",
            hint="Download it again",
        )


def _continues(answer: Response, remote: Remote, have: int) -> bool:
    """Whether an answer is the rest of the file; what is an error is looked at elsewhere."""
    if answer.status_code == 206:
        began = str(answer.headers.get("Content-Range", "")).startswith(f"bytes {have}-")
        return began and _same(answer, remote)
    return answer.status_code >= 400 and answer.status_code != 416


def _same(answer: Response, remote: Remote) -> bool:
    """Whether it is of the file that was begun; servers there are that do not heed `If-Range`."""
    wanted, told = remote.headers.get("If-Range"), answer.headers.get("ETag")
    return wanted is None or told is None or not wanted.startswith('"') or wanted == told


def _whole(answer: Response, have: int) -> bool:
    return str(answer.headers.get("Content-Range", "")) == f"bytes */{have}"


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _cut(remote: Remote, part: Path, error: Exception) -> LoadError:
    there = f", with {human(_size(part))} there" if _size(part) else ""
    return retryable(
        f"the download of {remote.name!r} was cut off{there}: {str(error) or type(error).__name__}",
        "Look at the network, and load again: it goes on from there",
    )
