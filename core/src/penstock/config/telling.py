"""Telling: from a setting, and an error about it, to the problem that it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from penstock.config.masking import MASK, brief
from penstock.config.origins import Origin, Setting, quoted
from penstock.errors import UsageError
from penstock.problem import Problem

__all__ = ["expectation", "problem_at", "problem_of"]

_MUST: Final = "It must be "


def problem_at(setting: Setting, what: str, hint: str = "", *, masked: bool = False) -> Problem:
    """Return the problem of one setting. Its value is shown if it has one, unless it is masked."""
    value = "" if setting.value is None else brief(setting.value)
    about = problem_of(setting.origin, setting.key, what, hint)
    return replace(about, value=quoted(MASK) if masked else value)


def problem_of(origin: Origin, key: str, what: str, hint: str = "") -> Problem:
    """Return the problem of a table, or of whatever has no value to show."""
    hint = f"{hint[:1].lower()}{hint[1:]}"  # in brackets, no sentence begins
    return Problem(where=origin.where, line=origin.line, key=key, what=what, hint=hint)


def expectation(error: UsageError) -> str:
    """Return what an error says that a value must be, nothing if it does not say."""
    hint = error.hint or ""
    if not hint.startswith(_MUST):
        return ""
    # What is not set is left out of a file: nobody can write None.
    return f"must be {hint.removeprefix(_MUST).removesuffix(', or None')}"
