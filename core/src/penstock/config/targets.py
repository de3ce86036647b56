"""Targets: what the source and the backend of a model mean to the registry."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from penstock.config.merging import Settings
from penstock.config.origins import Origin, Setting
from penstock.config.paths import exists
from penstock.errors import PenstockError, UsageError
from penstock.registry import Registry, Target

__all__ = ["absent", "backend_of", "hashed", "located", "placed", "target_of"]

_HASHED = ("http", "https")
"""The schemes whose files can be compared with a hash."""


def target_of(settings: Settings, registry: Registry) -> Target:
    """Return what a model's settings say is to be loaded.

    Raises as `located` and `hashed` do.
    """
    return hashed(located(settings, registry), settings.get(("sha256",)))


def located(settings: Settings, registry: Registry) -> Target:
    """Return the same without the hash.

    A path is relative to the folder of the file it stands in, if it is there. Raises `UsageError`
    where source and backend do not go together, and `UnknownBackend` or `UnknownSource`.
    """
    source, backend = settings.get(("source",)), settings.get(("backend",))
    text = "" if source is None else str(source.value)
    if backend is None:
        target = registry.parse(text)
    else:
        target = _for_backend(str(backend.value), text, registry)
    if target.scheme is None and source is not None and _reads_files(target, registry):
        target = replace(target, rest=placed(target.rest, source.origin))
    return target


def hashed(target: Target, sha256: Setting | None) -> Target:
    """Return a target with the hash that its file must have.

    Raises `UsageError` for one that is compared with none, or that has one already.
    """
    if sha256 is None:
        return target
    if target.scheme not in _HASHED:
        raise UsageError("a hash is compared for sources on the web alone", hint="https:…")
    if "#" in target.rest:
        raise UsageError("there is a hash in the source already", hint="leave one of them out")
    return replace(target, rest=f"{target.rest}#sha256={str(sha256.value).lower()}")


def absent(settings: Settings, registry: Registry) -> bool:
    """Whether a model is a file that is not there; one that cannot be told is none."""
    try:
        target = located(settings, registry)
    except (KeyError, PenstockError):  # of which problems tell
        return False
    is_file = target.scheme is None and bool(target.rest) and _reads_files(target, registry)
    return is_file and not exists(target.rest)


def backend_of(settings: Settings, target: Target | None, registry: Registry) -> str | None:
    """Return the backend that runs a model, None if only its file will tell. Opens no file."""
    named = settings.get(("backend",))
    if named is not None:
        return str(named.value)
    if target is None or target.backend is not None:
        return None if target is None else target.backend
    able = registry.readers(Path(target.rest.partition("#")[0]).suffix)
    return able[0] if able else None


def placed(text: str, origin: Origin) -> str:
    """Return a path from the folder of the file that it stands in, if something is there."""
    if origin.file is None or not text:
        return text
    path = origin.file.parent / text
    return str(path) if exists(path) else text


def _for_backend(backend: str, text: str, registry: Registry) -> Target:
    declared = registry.backends[backend]
    if not declared.formats:
        return Target(backend, None, text)
    head, colon, _ = text.partition(":")
    if colon and head in registry.backends:
        raise UsageError("names a backend too", hint="leave it out here, or leave 'backend' out")
    return registry.parse(f"{backend}:{text}")


def _reads_files(target: Target, registry: Registry) -> bool:
    return target.backend is None or bool(registry.backends[target.backend].formats)
