"""`https:`, a file of any web server; `http:` the same, for servers on this machine alone."""

from __future__ import annotations

import base64
import ipaddress
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import LoadError, ModelNotFound
from penstock.sources import SourceContext, StoredModel

from penstock_sources.downloads import Download, downloads
from penstock_sources.faults import retryable, storing
from penstock_sources.fetching import Remote, exclusive, fetch, verify
from penstock_sources.meter import Meter

if TYPE_CHECKING:
    from httpx2 import Request, Response

__all__ = ["remove", "resolve_http", "resolve_https", "stored_http", "stored_https"]

_log = logging.getLogger("penstock.sources")


def resolve_https(rest: str, context: SourceContext) -> Path:
    """Return the path of the file at `https:` + `rest`, downloading it once.

    `#sha256=…` behind it is compared with what comes; without it, the hash that was seen is told as
    progress and in the log. Raises `ModelNotFound`, or `LoadError`, which is `retryable` where the
    network is to blame.
    """
    return _resolve(Download.parse(f"https:{rest}"), context)


def resolve_http(rest: str, context: SourceContext) -> Path:
    """Return the path of a file that a server on this machine has; see `resolve_https`."""
    return _resolve(Download.parse(f"http:{rest}"), context)


def stored_https(wanted: str = "") -> Iterator[StoredModel]:
    """Yield the files that were downloaded: the one that `wanted` names, or all."""
    return _stored("https:", wanted)


def stored_http(wanted: str = "") -> Iterator[StoredModel]:
    """Yield the files that were downloaded from servers on this machine."""
    return _stored("http:", wanted)


def remove(model: StoredModel) -> None:
    """Delete a file that was downloaded."""
    Download.parse(model.source).delete()


def _stored(scheme: str, wanted: str) -> Iterator[StoredModel]:
    for download in downloads():
        there = download.url.startswith(scheme) and download.path.exists()
        if there and (not wanted or download.url == Download.parse(f"{scheme}{wanted}").url):
            size = download.path.stat().st_size
            files = (download.path,)
            yield StoredModel(source=download.url, path=download.path, size=size, files=files)


def _resolve(download: Download, context: SourceContext) -> Path:
    with storing(download.folder):
        download.folder.mkdir(parents=True, exist_ok=True)
    with exclusive(download.lock, context):
        if not download.path.exists():
            _fetch(download, context)
        elif download.sha256 is not None and "sha256" not in download.record:
            download.note(sha256=verify(download.path, _verifying(download.path, context)))
        download.assert_hash()
    return download.path


def _fetch(download: Download, context: SourceContext) -> None:
    import httpx2

    if not (download.validator or download.sha256):
        download.part.unlink(missing_ok=True)  # of which file it is a part, nobody could tell
    headers = _conditions(download) | _authorization(download)

    def began(answer: Response) -> None:
        download.note(validator=_validator(answer))
        headers.update(_conditions(download))

    remote = Remote(
        url=download.url, name=download.path.name, check=_check, headers=headers, began=began
    )
    hooks = {"request": [_refuse_plain]}
    with httpx2.Client(follow_redirects=True, event_hooks=hooks) as client:
        fetch(client, remote, download.part, Meter(context, "downloading", None), context)
    seen = verify(download.part, _verifying(download.part, context), download.sha256)
    if download.sha256 is None:
        _log.info("%s has the SHA-256 %s", download.url, seen)
    with storing(download.folder):
        download.note(sha256=seen)
        download.part.replace(download.path)


def _verifying(path: Path, context: SourceContext) -> Meter:
    meter = Meter(context, "verifying", path.stat().st_size)
    meter.file = path.name.removesuffix(".part")
    return meter


def _check(answer: Response) -> None:
    status, url = answer.status_code, str(answer.url)
    if status < 300:
        return
    if status in (404, 410):
        raise ModelNotFound(f"there is no file at {url!r} ({status})", hint="Check the URL")
    if status in (401, 403):
        raise LoadError(
            f"the server does not let anybody have {url!r} ({status})",
            hint="Download it with what lets you in, and load the file",
        )
    if status == 429 or status >= 500:
        after = answer.headers.get("Retry-After", "")
        seconds = float(after) if after.isdecimal() else None
        raise retryable(f"the server is busy or failed at {url!r} ({status})", "Try later", seconds)
    raise LoadError(f"the server refuses {url!r} ({status})", hint="Check the URL")


def _refuse_plain(request: Request) -> None:
    url = request.url
    if url.scheme != "https" and not _here(url.host):
        raise LoadError(
            f"{str(url)!r} would come unencrypted, and could be changed on its way",
            hint="Use https:",
        )


def _here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _authorization(download: Download) -> dict[str, str]:
    """Return the header that HTTP's basic scheme wants (RFC 7617); no other server gets it."""
    if download.login is None:
        return {}
    text = base64.b64encode(download.login.reveal().encode()).decode("ascii")
    return {"Authorization": f"Basic {text}"}


def _conditions(download: Download) -> dict[str, str]:
    return {"If-Range": download.validator} if download.validator else {}


def _validator(answer: Response) -> str:
    """Return that by which the rest of the same file can be asked for; a weak tag is none."""
    etag = str(answer.headers.get("ETag", ""))
    return etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
