"""The menu of hooks. A plugin implements those it wants, marked with `penstock.hookimpl`.

Hooks are called once, when plugins are first needed. They declare: they return small records with
import strings, import nothing heavy and do no I/O; presets alone may be read from a file of the
package.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from penstock.declarations import BackendDeclaration, PresetDeclaration, SourceDeclaration

__all__ = ["BackendDeclaration", "PresetDeclaration", "SourceDeclaration", "hookimpl"]

PROJECT = "penstock"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def penstock_backends() -> Iterable[BackendDeclaration]:
    """Return the backends this plugin offers."""
    return ()


@hookspec
def penstock_sources() -> Iterable[SourceDeclaration]:
    """Return the sources this plugin offers."""
    return ()


@hookspec
def penstock_presets() -> Iterable[PresetDeclaration]:
    """Return short names for models. Called when a name is neither a scheme nor a file."""
    return ()
