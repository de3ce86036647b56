"""Importing what a declaration names, on first use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from penstock.errors import PluginError

__all__ = ["imported"]


def imported(where: str, what: str) -> Callable[..., Any]:
    """Return the function or class at `package.module:name`, which is for `what`.

    Raises `PluginError` if it is not there, or cannot be called.
    """
    import pkgutil  # as late as what it finds

    try:
        thing: object = pkgutil.resolve_name(where)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # the panic of a library is none of Python's own kinds
        raise PluginError(f"{what} cannot be imported from {where!r}: {error!r}") from error
    if not callable(thing):
        raise PluginError(f"{what}: {where!r} is not callable")
    return thing
