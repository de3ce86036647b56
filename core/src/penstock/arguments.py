"""Arguments: what a call or a value was given, of the type that it must be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import UnionType
from typing import Any, Final

from penstock.errors import PenstockError, UsageError

__all__ = ["assert_field", "assert_kind", "device_of", "options_of", "target_of"]

_GIVEN: Final = {
    "sampling": "sampling=penstock.Sampling(temperature=0)",
    "deadlines": "deadlines=penstock.Deadlines(total=60)",
}


def target_of(given: object) -> str | None:
    """Return a target as text. Raises `UsageError` for what is neither text nor a path."""
    text = os.fspath(given) if isinstance(given, os.PathLike) else given
    if text is None or isinstance(text, str):
        return text
    hint = "It is a path, or a text such as 'hf:owner/repo'"
    raise UsageError(f"the target is {given!r}", hint=hint)


def device_of(given: object) -> str | None:
    """Return a device. Raises `UsageError` for what is no text."""
    if given is None or isinstance(given, str):
        return given
    raise UsageError(f"device={given!r}", hint="It is a text such as 'cpu', 'cuda:1' or 'auto'")


def options_of(given: object) -> dict[str, Any]:
    """Return the options of a backend. Raises `UsageError` for what is no mapping from names."""
    if given is None:
        return {}
    kind = type(given).__name__  # its value may be a secret
    if not isinstance(given, Mapping):
        hint = "It is a mapping, such as {'n_ctx': 2048}"
        raise UsageError(f"options is of type {kind}", hint=hint)
    for name in given:
        if not isinstance(name, str):
            raise UsageError(f"options has the key {name!r}", hint="Options have names")
    return dict(given)


def assert_kind(name: str, value: object, kind: type) -> None:
    """Raise `UsageError` for what is given as `name` and is no `kind`, such as a mapping."""
    if not isinstance(value, kind):
        raise UsageError(f"{name}={value!r}", hint=f"Give a {kind.__name__}, as in {_GIVEN[name]}")


def assert_field(
    made: object, name: str, kind: type | UnionType, wanted: str, wrong: type[PenstockError]
) -> None:
    """Raise a `wrong` that names the field and its value unless it is of this `kind`."""
    value = getattr(made, name)
    if not isinstance(value, kind):
        raise wrong(f"{type(made).__name__}({name}={value!r})", hint=f"It must be {wanted}")
