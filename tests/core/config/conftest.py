"""A place without configuration, to put some in."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.config import Config
from penstock.config.auditing import Auditor
from penstock.registry import Registry

Write = Callable[..., Path]
Look = Callable[..., list[str]]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory below which, above which and in whose environment nothing is said."""
    for variable in [name for name in os.environ if name.startswith("PENSTOCK_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def user_file(here: Path) -> Path:
    """The user's own file, not there yet."""
    folder = here.parent / "home" / "penstock"
    folder.mkdir(parents=True)
    return folder / "config.toml"


@pytest.fixture
def write(here: Path) -> Write:
    """Write a penstock.toml, or another file."""

    def to(text: str, name: str = "penstock.toml") -> Path:
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return to


@pytest.fixture(scope="session")
def registry() -> Registry:
    return Registry.installed()


@pytest.fixture
def look(here: Path, registry: Registry) -> Look:
    """Return all that is wrong here, as people read it."""

    def problems(**more: object) -> list[str]:
        config = Config.discovered(tolerant=True, **more)
        return [str(problem) for problem in Auditor(config, registry).problems()]

    return problems
