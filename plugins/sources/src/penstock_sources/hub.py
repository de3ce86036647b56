"""`hf:`, models of the hub, in the cache that all of the hub's clients share.

The hub's own client finds, names and links the files. Their bytes are fetched here: the client
throws away what came when it is interrupted, and here it is kept and gone on from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from penstock.errors import ModelNotFound
from penstock.sources import SourceContext

from penstock_sources import hubcache
from penstock_sources.faults import storing
from penstock_sources.fetching import Remote, exclusive, fetch, verify
from penstock_sources.hubfaults import translated, unreachable
from penstock_sources.hubspecs import HubSpec
from penstock_sources.meter import Meter
from penstock_sources.quantisation import choose, parts

if TYPE_CHECKING:
    from huggingface_hub import HfFileMetadata

__all__ = ["resolve"]

_SHA256 = re.compile(r"[0-9a-f]{64}")
_TAG = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")


@dataclass(frozen=True, slots=True)
class _Missing:
    """A file to fetch: its name, and the one it will be."""

    name: str
    url: str
    etag: str
    size: int | None
    blob: Path

    @property
    def part(self) -> Path:
        return self.blob.with_name(f"{self.etag}.incomplete")

    @property
    def sha256(self) -> str | None:
        """What the hub says that it is; a small file may have a tag of another kind."""
        return self.etag if _SHA256.fullmatch(self.etag) else None


def resolve(rest: str, context: SourceContext) -> Path:
    """Return the path of the model that `rest` names, downloading what is not in the cache.

    `owner/repo[/file][@revision]` or `owner/repo:Q4_K_M[@revision]`. Of a split model all files are
    fetched, and the first is returned. Heeds HF_TOKEN, HF_ENDPOINT, HF_HOME and HF_HUB_OFFLINE.
    Raises `ModelNotFound`, or `LoadError`, which is `retryable` where the network is to blame.
    """
    spec = HubSpec.parse(rest)
    with translated(spec, lambda: _listed(spec)):
        try:
            return _online(spec, context)
        except unreachable():
            if (path := _in_cache(spec)) is None:
                raise
            return path


def _online(spec: HubSpec, context: SourceContext) -> Path:
    from huggingface_hub import hf_hub_download

    names = parts(spec.file) if spec.file else choose(_listed(spec), spec.quantisation, str(spec))
    _fetch([file for name in names if (file := _missing(spec, name))], spec, context)
    with storing(hubcache.blob(spec.repo, "").parent):
        found = [Path(hf_hub_download(spec.repo, name, revision=spec.revision)) for name in names]
    return found[0]


def _in_cache(spec: HubSpec) -> Path | None:
    try:
        return hubcache.cached(spec)[0]
    except ModelNotFound:
        return None


def _listed(spec: HubSpec) -> list[str]:
    from huggingface_hub import HfApi

    files = HfApi().model_info(spec.repo, revision=spec.revision).siblings
    return [file.rfilename for file in files or ()]


def _missing(spec: HubSpec, name: str) -> _Missing | None:
    """Ask for a file; None if it is here, or if only the hub's own client can fetch it."""
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(spec.repo, name, revision=spec.revision)
    told: HfFileMetadata = get_hf_file_metadata(url)
    etag, size = told.etag, told.size
    if told.commit_hash is None or etag is None or not _TAG.fullmatch(etag):
        return None
    if size is not None and size > constants.MAX_HTTP_DOWNLOAD_SIZE:
        return None
    blob = hubcache.blob(spec.repo, etag)
    exact = hf_hub_url(spec.repo, name, revision=told.commit_hash)
    return None if blob.exists() else _Missing(name, exact, etag, size, blob)


def _fetch(missing: Sequence[_Missing], spec: HubSpec, context: SourceContext) -> None:
    """Fetch files all together, so that each phase comes once; then put them in their places."""
    if not missing:
        return
    locks = sorted({hubcache.lock(spec.repo, file.etag) for file in missing})
    with ExitStack() as stack:
        with storing(missing[0].blob.parent):
            missing[0].blob.parent.mkdir(parents=True, exist_ok=True)
            locks[0].parent.mkdir(parents=True, exist_ok=True)
        for lock in locks:
            stack.enter_context(exclusive(lock, context))
        unique = {file.blob: file for file in missing if not file.blob.exists()}
        files = list(unique.values())
        _download(files, context)
        _put(files, context)


def _download(files: Sequence[_Missing], context: SourceContext) -> None:
    from huggingface_hub import get_session, utils

    meter = Meter(context, "downloading", _total(files))
    # Both are in its documentation, and only its own type hints do not know of it.
    headers = utils.build_hf_headers()  # type: ignore[attr-defined]
    check = utils.hf_raise_for_status  # type: ignore[attr-defined]
    for file in files:
        remote = Remote(
            url=file.url,
            name=file.name,
            check=check,
            size=file.size,
            headers=headers,
        )
        fetch(get_session(), remote, file.part, meter, context)


def _put(files: Sequence[_Missing], context: SourceContext) -> None:
    meter = Meter(context, "verifying", sum(file.part.stat().st_size for file in files))
    for file in files:
        meter.file = file.name
        verify(file.part, meter, file.sha256)
        with storing(file.blob.parent):
            file.part.replace(file.blob)


def _total(files: Sequence[_Missing]) -> int | None:
    sizes = [file.size for file in files if file.size is not None]
    return sum(sizes) if len(sizes) == len(files) else None
