"""`penstock pull`: bring a model to this machine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from penstock.backend import LoadProgress
from penstock.cli import options
from penstock.cli.progress import ProgressDisplay
from penstock.cli.status import OK
from penstock.errors import UsageError
from penstock.progress import Forward
from penstock.registry import Registry
from penstock.sources import SourceContext

__all__ = ["pull"]


def pull(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A preset, or a source such as hf:owner/repo.")
    ],
    quiet: options.Quiet = False,
) -> int:
    """Download the model NAME unless it is here; print the path of its file.

    What Ctrl-C, a cut or a full disk leaves is gone on from by the next call.
    """
    registry = Registry.installed()
    target = registry.parse(name)
    display = ProgressDisplay(sys.stderr, quiet=quiet)
    hashes = _Hashes()
    forward = Forward(display.show, hashes.see)
    try:
        forward(LoadProgress("resolving", 0.0))
        path = registry.resolve(target, SourceContext(progress=forward))
    finally:
        display.clear()
    if path is None:
        raise UsageError(
            f"{name!r} names nothing to download",
            hint="Name a preset, as `penstock models --presets` lists them, or a source",
        )
    if not quiet:
        hashes.show()
    sys.stdout.write(f"{path}\n")
    return OK


class _Hashes:
    """The hashes of files whose source did not know them."""

    def __init__(self) -> None:
        self._seen: dict[str, str] = {}

    def see(self, progress: LoadProgress) -> None:
        if progress.sha256 is not None:
            self._seen[progress.file or ""] = progress.sha256

    def show(self) -> None:
        """Say what was seen."""
        for file, sha256 in self._seen.items():
            sys.stderr.write(f"sha256 {sha256} {file}\n")
