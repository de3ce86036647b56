"""Discovery: where configuration may be, and which of these files there are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from penstock.config.layers import Layer
from penstock.config.origins import Key
from penstock.config.paths import is_file
from penstock.config.reading import PYPROJECT, has_section, layer_of_file
from penstock.values import dataclass

__all__ = ["FILE", "Place", "places", "user_file"]

FILE: Final = "penstock.toml"


@dataclass(frozen=True, slots=True)
class Place:
    """A file that may hold configuration.

    kind   `user`, `pyproject` or `project`
    path   where it is, or where it is looked for
    found  whether it is there
    """

    kind: str
    path: Path
    found: bool

    def layer(self) -> Layer:
        """Return what it says; nothing if it is not there."""
        within: Key = PYPROJECT if self.kind == "pyproject" else ()
        return layer_of_file(self.path, within, found=True) if self.found else Layer()


def places(start: Path | None = None) -> tuple[Place, ...]:
    """Return the files, those that others override first.

    They are the user's own file; the nearest pyproject.toml that has `[tool.penstock]`, and the
    nearest penstock.toml, from `start` upwards, by default from the working directory.
    """
    folders = list(_upwards(start))
    user = user_file()
    return (
        Place("user", user, is_file(user)),
        _nearest("pyproject", "pyproject.toml", folders),
        _nearest("project", FILE, folders),
    )


def user_file() -> Path:
    """Return where the user's own file is, or would be."""
    import platformdirs

    return platformdirs.user_config_path("penstock", appauthor=False) / "config.toml"


def _nearest(kind: str, name: str, folders: list[Path]) -> Place:
    for folder in folders:
        path = folder / name
        if is_file(path) and (kind == "project" or has_section(path)):
            return Place(kind, path, found=True)
    return Place(kind, folders[0] / name if folders else Path(name), found=False)


def _upwards(start: Path | None) -> Iterator[Path]:
    try:
        here = (Path() if start is None else start).absolute()
    except OSError:  # the working directory is no more
        return
    yield from (here, *here.parents)
