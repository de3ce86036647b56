"""Exposure: secrets that stand where others can read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from penstock.config.auditing import Auditor
from penstock.config.config import Config
from penstock.config.masking import holds_secret, is_secretive
from penstock.config.origins import Setting
from penstock.config.reading import shown
from penstock.config.references import Reference, is_open
from penstock.config.telling import problem_at
from penstock.problem import Problem

__all__ = ["exposed", "is_secret"]


def exposed(config: Config, auditor: Auditor) -> Iterator[Problem]:
    """Yield a warning for each secret that a file holds in plain text, and that all can read."""
    open_files: dict[Path, None] = {}
    for layer in config.layers:
        for key, setting in layer.settings.items():
            if key[:1] != ("models",) or key[2:3] != ("options",) or len(key) != 4:
                continue
            if isinstance(setting.value, Mapping):
                yield from _of_the_reference(setting)
            elif setting.origin.file is not None and (
                is_secret(key[1], key[3], auditor) or holds_secret(setting.value)
            ):
                yield problem_at(setting, "a secret in plain text", _elsewhere(key[3]), masked=True)
                open_files |= dict.fromkeys([setting.origin.file])
    for file in open_files:
        if is_open(file):
            yield Problem(
                where=shown(file),
                what="holds a secret, and everybody on this machine can read it",
                hint=f"chmod o-r {shown(file)}",
            )


def is_secret(model: str, option: str, auditor: Auditor) -> bool:
    """Whether an option of a model is a secret, as its backend says, or else as its name does."""
    able = [takes for takes in auditor.takes_of_model(model) if option in takes.fields]
    return any(takes.is_secret(option) for takes in able) if able else is_secretive(option)


def _of_the_reference(setting: Setting) -> Iterator[Problem]:
    reference = Reference.seen(setting.value) if isinstance(setting.value, Mapping) else None
    if reference is None or reference.kind != "file":
        return
    path = reference.path(setting.origin)
    if is_open(path):
        hint = f"chmod o-r {shown(path)}"
        yield problem_at(setting, "everybody on this machine can read the file", hint)


def _elsewhere(option: str) -> str:
    return f'write {option} = {{ env = "NAME" }}, or name a file, a keyring or a command'
