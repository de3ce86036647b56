"""Presets: the table in `presets.toml`, as declarations."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.resources import files

from penstock.hookspecs import PresetDeclaration

__all__ = ["presets"]


def presets() -> Iterator[PresetDeclaration]:
    """Yield what the table has, in its order."""
    text = files("penstock_sources").joinpath("presets.toml").read_text(encoding="utf-8")
    for name, (target, size, licence) in tomllib.loads(text)["presets"].items():
        yield PresetDeclaration(name=name, target=f"hf:{target}", summary=f"{size}, {licence}")
