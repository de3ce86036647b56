"""`ollama:`, models that Ollama has pulled, opened where they lie; no server is needed."""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.errors import LoadError, ModelNotFound
from penstock.sources import StoredModel

__all__ = ["resolve", "stored"]

_WEIGHTS = "application/vnd.ollama.image.model"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_OWN = "library"
"""The namespace of models that are named without one."""
_OF_THE_SERVICE = Path("/usr/share/ollama/.ollama/models")


@dataclass(frozen=True, slots=True)
class _Entry:
    """A manifest: the store and the file, and the four parts of its name."""

    store: Path
    manifest: Path
    host: str
    space: str
    model: str
    tag: str

    @property
    def name(self) -> str:
        """The name that people use."""
        return f"{'' if self.space == _OWN else f'{self.space}/'}{self.model}:{self.tag}"

    def is_meant(self, wanted: str) -> bool:
        """Whether `wanted` names it: `[[host/]namespace/]model[:tag]`."""
        path, _, tag = wanted.partition(":")
        parts = path.lower().split("/")
        own = [self.host.lower(), self.space.lower(), self.model.lower()]
        spaced = len(parts) > 1 or self.space == _OWN
        return spaced and own[-len(parts) :] == parts and (tag or "latest") == self.tag


def resolve(rest: str) -> Path:
    """Return the path of the weights of `name[:tag]` in the local store.

    The store is OLLAMA_MODELS, or where Ollama puts it. Raises `ModelNotFound` with what is there,
    the nearest first, and `LoadError` where the store is damaged.
    """
    entries = list(_entries())
    wanted = rest.removeprefix("//")
    for entry in entries:
        if entry.is_meant(wanted):
            return _weights(entry)
    raise _unknown(wanted, [entry.name for entry in entries])


def stored(wanted: str = "") -> Iterator[StoredModel]:
    """Yield the models in the store: the one that `wanted` names, or all; damaged ones are not."""
    for entry in _entries():
        if not wanted or entry.is_meant(wanted):
            try:
                path = _weights(entry)
            except LoadError:
                continue
            size = path.stat().st_size
            yield StoredModel(source=f"ollama:{entry.name}", path=path, size=size, files=(path,))


def _entries() -> Iterator[_Entry]:
    for store in _stores():
        root = store / "manifests"
        for manifest in sorted(root.glob("*/*/*/*")):
            if manifest.is_file():
                yield _Entry(store, manifest, *manifest.relative_to(root).parts)


def _stores() -> list[Path]:
    if given := os.environ.get("OLLAMA_MODELS"):
        return [Path(given).expanduser()]
    places = (Path.home() / ".ollama" / "models", _OF_THE_SERVICE)
    return [place for place in places if os.access(place / "manifests", os.R_OK)]


def _weights(entry: _Entry) -> Path:
    """Return the blob of the one layer that holds the weights."""
    digests = [layer["digest"] for layer in _layers(entry) if layer.get("mediaType") == _WEIGHTS]
    if len(digests) != 1 or not _DIGEST.fullmatch(digests[0]):
        raise _damaged(entry, f"its manifest names {len(digests)} files of weights")
    blob = entry.store / "blobs" / digests[0].replace(":", "-")
    if not blob.exists():
        raise _damaged(entry, f"{blob.name!r} is missing")
    return blob


def _layers(entry: _Entry) -> list[dict[str, str]]:
    try:
        manifest = json.loads(entry.manifest.read_text(encoding="utf-8"))
        return [{key: str(value) for key, value in layer.items()} for layer in manifest["layers"]]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _damaged(entry, f"its manifest cannot be read: {error!r}") from error


def _damaged(entry: _Entry, why: str) -> LoadError:
    return LoadError(
        f"the model {entry.name!r} in {str(entry.store)!r} is damaged: {why}",
        hint=f"Run `ollama pull {entry.name}` again",
    )


def _unknown(wanted: str, names: list[str]) -> ModelNotFound:
    stores = ", ".join(map(str, _stores()))
    if not names:
        return ModelNotFound(
            f"there is no model {wanted!r}: Ollama has pulled none here",
            hint=f"Run `ollama pull {wanted}`, or set OLLAMA_MODELS to the folder of its models",
        )
    near = sorted(names, key=lambda name: -difflib.SequenceMatcher(None, wanted, name).ratio())
    return ModelNotFound(
        f"Ollama has no model {wanted!r} in {stores}",
        hint=f"There is {', '.join(map(repr, near[:10]))}",
    )
