"""Telling: from a setting, and an error about it, to the problem that it is."""

from __future__ import annotations

from typing import Final

from penstock.config.masking import MASK, brief
from penstock.config.origins import Setting
from penstock.errors import UsageError
from penstock.problem import Problem

__all__ = ["expectation", "problem_at"]

_MUST: Final = "It must be "


def problem_at(setting: Setting, what: str, hint: str = "", *, masked: bool = False) -> Problem:
    """Return the problem of one setting. Its value is shown if it has one, unless it is masked."""
    value = "" if setting.value is None else brief(setting.value)
    return Problem(
        where=setting.origin.where,
        line=setting.origin.line,
        key=setting.key,
        value=f'"{MASK}"' if masked else value,
        what=what,
        hint=f"{hint[:1].lower()}{hint[1:]}",
    )


def expectation(error: UsageError) -> str:
    """Return what an error says that a value must be, nothing if it does not say."""
    hint = error.hint or ""
    if not hint.startswith(_MUST):
        return ""
    # What is not set is left out of a file: nobody can write None.
    return f"must be {hint.removeprefix(_MUST).removesuffix(', or None')}"
