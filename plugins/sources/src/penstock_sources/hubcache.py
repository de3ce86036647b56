"""The hub's cache on this machine: what is in it, and how a model leaves it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from penstock.errors import ModelNotFound
from penstock.sources import StoredModel

from penstock_sources.hubspecs import HubSpec
from penstock_sources.quantisation import choose, parts

__all__ = ["blob", "cached", "lock", "remove", "stored"]

_PREFIX = "models--"


def cached(spec: HubSpec) -> list[Path]:
    """Return the files of a model, the first to be loaded first.

    Raises `ModelNotFound` if one of them is not there.
    """
    there = dict(_files(_snapshot(spec)))
    names = parts(spec.file) if spec.file else choose(there, spec.quantisation, str(spec))
    if missing := [name for name in names if name not in there]:
        raise ModelNotFound(f"{missing[0]!r} of {spec.repo!r} is not in the cache")
    return [there[name] for name in names]


def blob(repo: str, etag: str) -> Path:
    """Return where the hub's client keeps a file with this tag."""
    return _folder(repo) / "blobs" / etag


def lock(repo: str, etag: str) -> Path:
    """Return what the hub's client locks while it downloads a file with this tag."""
    folder = _folder(repo)
    return folder.parent / ".locks" / folder.name / f"{etag}.lock"


def stored(wanted: str = "") -> Iterator[StoredModel]:
    """Yield the models in the cache: those that `wanted` names, as behind `hf:`, or all."""
    if wanted:
        spec = HubSpec.parse(wanted)
        try:
            yield _model(spec, cached(spec))
        except ModelNotFound:
            return
        return
    for folder in sorted(_root().glob(f"{_PREFIX}*")):
        yield from _all(folder)


def remove(model: StoredModel) -> None:
    """Delete a model's files, and what they stand for unless another revision has it too."""
    for file in model.files:
        target, repo = file.resolve(), _repo_of(file)
        file.unlink()
        others = (path.resolve() for path in (repo / "snapshots").rglob("*.gguf"))
        if target.is_relative_to(_root().resolve()) and target not in others:
            target.unlink(missing_ok=True)


def _all(folder: Path) -> Iterator[StoredModel]:
    repo = folder.name.removeprefix(_PREFIX).replace("--", "/")
    for snapshot in sorted((folder / "snapshots").glob("*")):
        spec = HubSpec(repo, revision=_revision(folder, snapshot.name))
        there = dict(_files(snapshot))
        for name in sorted(there):
            names = parts(name)
            if names[0] == name and all(part in there for part in names):
                named = HubSpec(repo, name, revision=spec.revision)
                yield _model(named, [there[part] for part in names])


def _model(spec: HubSpec, files: list[Path]) -> StoredModel:
    snapshot = next(p for p in files[0].parents if p.parent.name == "snapshots")
    name = files[0].relative_to(snapshot).as_posix()
    named = HubSpec(spec.repo, name, revision=spec.revision)
    size = sum(file.stat().st_size for file in files)
    return StoredModel(source=str(named), path=files[0], size=size, files=tuple(files))


def _files(snapshot: Path | None) -> Iterable[tuple[str, Path]]:
    if snapshot is None:
        return
    for path in snapshot.rglob("*.gguf"):
        if path.is_file():  # and no link to what is gone
            yield path.relative_to(snapshot).as_posix(), path


def _snapshot(spec: HubSpec) -> Path | None:
    folder = _folder(spec.repo)
    ref = folder / "refs" / spec.revision
    commit = ref.read_text(encoding="utf-8").strip() if ref.is_file() else spec.revision
    snapshot = folder / "snapshots" / commit
    return snapshot if snapshot.is_dir() else None


def _revision(folder: Path, commit: str) -> str:
    """Return the shortest name of a commit: a branch or a tag, if one leads there."""
    refs = folder / "refs"
    names = [
        ref.relative_to(refs).as_posix()
        for ref in sorted(refs.rglob("*"))
        if ref.is_file() and ref.read_text(encoding="utf-8").strip() == commit
    ]
    return "main" if "main" in names else next(iter(names), commit)


def _repo_of(file: Path) -> Path:
    return next(folder for folder in file.parents if folder.name.startswith(_PREFIX))


def _folder(repo: str) -> Path:
    return _root() / f"{_PREFIX}{repo.replace('/', '--')}"


def _root() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)
