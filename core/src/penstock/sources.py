"""Sources: what one is asked for, what it gets to work with, and what it tells."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.backend import CancelFlag, LoadProgress, ProgressSink
from penstock.declarations import SourceDeclaration
from penstock.errors import LoadError, PenstockError, UsageError
from penstock.importing import imported
from penstock.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Source", "SourceContext", "StoredModel"]

R = TypeVar("R")


def _nobody(progress: LoadProgress, /) -> None:
    del progress


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceContext:
    """What a source may use while it resolves.

    progress   told how far it is, from any thread; by default, nobody listens
    cancel     set when nobody waits any more; a source looks at it at least once a chunk, and
               leaves what it has downloaded so that it can go on from there
    """

    progress: ProgressSink = _nobody
    cancel: CancelFlag = field(default_factory=CancelFlag)

    def assert_wanted(self) -> None:
        """Raise `LoadError` once nobody waits any more."""
        if self.cancel:
            raise LoadError("loading was cancelled", hint="What was downloaded is kept: load again")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredModel:
    """A model that a source has on this machine.

    source   the target that loads it, with its scheme
    path     the file to load, the first if it is split
    size     of all its files, in bytes
    files    all its files
    """

    source: str
    path: Path
    size: int
    files: tuple[Path, ...] = ()


class Source:
    """A source that a plugin declared; its functions are imported on first use, and may block.

    Of all that goes wrong in them comes `LoadError` or one of its kinds, or `PluginError` where one
    cannot be imported.
    """

    def __init__(self, declared: SourceDeclaration) -> None:
        self._declared = declared
        self._what = f"source {declared.scheme!r}"

    def resolve(self, rest: str, context: SourceContext) -> Path:
        """Return the local path of what stands behind the scheme."""
        from pathlib import Path  # finding the plugins has imported it

        resolve = imported(self._declared.resolve, self._what)
        if _takes_context(resolve):
            return self._told(rest, lambda: Path(resolve(rest, context=context)))
        return self._told(rest, lambda: Path(resolve(rest)))

    def stored(self, wanted: str = "") -> list[StoredModel]:
        """Return what is on this machine: what `wanted` names, or everything."""
        if not self._declared.stored:
            return []
        stored = imported(self._declared.stored, self._what)
        return self._told(wanted, lambda: [_described(model) for model in stored(wanted)])

    def assert_removes(self, model: StoredModel) -> None:
        """Raise `UsageError` if it is not the source's to delete this."""
        if not self._declared.remove:
            raise UsageError(
                f"{self._what} does not remove what it finds, such as {model.source!r}",
                hint="Remove it with the program that put it there",
            )

    def remove(self, model: StoredModel) -> None:
        """Delete a model that `stored` told of. Raises `UsageError` if it is not the source's."""
        self.assert_removes(model)
        remove = imported(self._declared.remove, self._what)
        self._told(model.source, lambda: remove(model))

    def _told(self, subject: str, call: Callable[[], R]) -> R:
        try:
            return call()
        except (PenstockError, KeyboardInterrupt):
            raise
        except BaseException as error:
            raise LoadError(f"{self._what} failed at {subject!r}: {error!r}") from error


def _described(model: object) -> StoredModel:
    from pathlib import Path  # as above

    if isinstance(model, StoredModel) and isinstance(model.path, Path):
        return model
    raise TypeError(f"it told of {model!r}, which is no StoredModel with a Path")


def _takes_context(function: Callable[..., Any]) -> bool:
    try:
        return "context" in inspect.signature(function).parameters
    except ValueError:  # of C, and without a description
        return False
