"""`penstock pull`: bring a model to this machine."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from penstock.backend import LoadProgress
from penstock.cli import options
from penstock.cli.progress import ProgressDisplay
from penstock.cli.records import form_of, write_json
from penstock.cli.status import OK
from penstock.config import Config
from penstock.config.choosing import choose
from penstock.errors import UsageError
from penstock.progress import Forward
from penstock.registry import Registry
from penstock.sources import SourceContext

__all__ = ["pull"]


def pull(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A name of the configuration, a preset, or a source such as hf:owner/repo.",
        ),
    ],
    as_json: options.Json = False,
    as_jsonl: options.JsonLines = False,
    quiet: options.Quiet = False,
) -> int:
    """Download the model NAME unless it is here; print the path of its file.

    After Ctrl-C, a lost connection or a full disk, the next call goes on from there.
    """
    form = form_of(as_json=as_json, as_jsonl=as_jsonl)
    choice = choose(Config.discovered(), name, Registry.installed())
    registry, target = choice.registry, choice.target
    display = ProgressDisplay(sys.stderr, quiet=quiet or form == "jsonl")
    hashes = _Hashes()
    forward = Forward(*([_tell] if form == "jsonl" else []), display.show, hashes.see)
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
    if not quiet and form == "text":
        hashes.show()
    record = {"name": target.source, "path": str(path), "sha256": hashes.seen}
    if form == "text":
        sys.stdout.write(f"{path}\n")
    else:
        write_json(record)
    return OK


def _tell(progress: LoadProgress) -> None:
    told = {name: value for name, value in asdict(progress).items() if value is not None}
    write_json({"progress": told})


class _Hashes:
    """The hashes of files whose source did not know them."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def see(self, progress: LoadProgress) -> None:
        if progress.sha256 is not None:
            self.seen[progress.file or ""] = progress.sha256

    def show(self) -> None:
        """Say what was seen."""
        for file, sha256 in self.seen.items():
            sys.stderr.write(f"sha256 {sha256} {file}\n")
