"""Declarations: what plugins say they offer, in strings; nothing is imported for it.

Each raises `PluginError` where it is made of what it cannot be.
"""

from __future__ import annotations

from penstock.arguments import assert_field
from penstock.errors import PluginError
from penstock.values import dataclass

__all__ = ["BackendDeclaration", "PresetDeclaration", "SourceDeclaration"]

_TEXT = str, "a text"
_KINDS: dict[str, tuple[type, str]] = {
    "formats": (tuple, 'a tuple, such as ("gguf",)'),
    "priority": (int, "a whole number"),
    "default": (bool, "True or False"),
}
"""What fields must be; others are texts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackendDeclaration:
    """A backend: its name (the `name:` of a target) and where its class is.

    factory   "package.module:Class", a `Backend` that takes no arguments; imported on first use
    options   "package.module:Class", what its options are read into: a class, best a frozen
              dataclass, whose classmethod `of(mapping)` raises `UsageError` for an unknown option
              or a wrong value, with the hint "It must be …". It is imported to check a
              configuration: without the engine. A field whose type is `Secret` is never shown;
              `SYNONYMS` may map other names to those of fields. Left out, nothing is checked
              before the backend loads.
    formats   file formats it loads, such as "gguf"
    priority  among backends that load the same format, the highest is taken when none is named
    summary   one line for people
    """

    name: str
    factory: str
    options: str = ""
    formats: tuple[str, ...] = ()
    priority: int = 0
    summary: str = ""

    def __post_init__(self) -> None:
        _assert_kinds(self)
        _assert_name(self, "name", self.name)
        for form in self.formats:
            if str(form).lower().strip(". ") != form:  # whatever else it may be
                hint = 'A format is named like "gguf": in small letters, without a dot'
                raise PluginError(f"backend {self.name!r} has the format {form!r}", hint=hint)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDeclaration:
    """A source: its scheme, and the function that resolves the rest of the target.

    resolve   "package.module:function", imported on first use; it takes the text after the scheme
              and returns a local path. It may block; it runs on a worker thread. If it has a
              parameter `context`, it gets a `SourceContext` by that name: it can then report
              progress, and learns when nobody waits any more.
    stored    "package.module:function"; it takes the text after a scheme, and returns a
              `StoredModel` for each model that this names and that is on this machine, of all
              models if the text is empty. Left out, the source keeps nothing.
    remove    "package.module:function"; it takes a `StoredModel` and deletes it. Left out, the
              models are not the source's own.
    default   whether this is what `load()` takes when no target is named
    """

    scheme: str
    resolve: str
    stored: str = ""
    remove: str = ""
    default: bool = False
    summary: str = ""

    def __post_init__(self) -> None:
        _assert_kinds(self)
        _assert_name(self, "scheme", self.scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class PresetDeclaration:
    """A short name for a model.

    name     what may be loaded instead of the target, such as "story-1b"
    target   `[backend:][scheme:]rest`, or a path
    summary  one line for people: how large it is, and its licence
    """

    name: str
    target: str
    summary: str = ""

    def __post_init__(self) -> None:
        _assert_kinds(self)


def _assert_kinds(declared: BackendDeclaration | PresetDeclaration | SourceDeclaration) -> None:
    for name in declared.__slots__:
        kind, wanted = _KINDS.get(name, _TEXT)
        assert_field(declared, name, kind, wanted, PluginError)


def _assert_name(declared: object, field: str, name: str) -> None:
    """Raise for what cannot stand before the colon of a target; a single letter is a drive."""
    if len(name) < 2 or ":" in name or any(sign.isspace() for sign in name):
        raise PluginError(
            f"{type(declared).__name__}({field}={name!r})",
            hint="It must have two signs or more, none of them a colon or a space",
        )
