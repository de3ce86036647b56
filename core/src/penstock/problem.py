"""Problem: what is wrong with one value of the configuration, and where it stands."""

from __future__ import annotations

from penstock.values import dataclass

__all__ = ["Problem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong with one value; `str()` of it is one line for people.

    where  a file, a variable, a flag or an argument
    line   the line of a file, from 1; None elsewhere
    key    the dotted key as it was written there; empty where `where` says it, or where it is about
           all of a file
    value  as it was written, with secrets masked; empty where there is none to show
    what   what is wrong
    hint   the nearest right name, or what is allowed; empty where `what` says all
    """

    where: str
    line: int | None = None
    key: str = ""
    value: str = ""
    what: str
    hint: str = ""

    @property
    def place(self) -> str:
        """Where it stands: `penstock.toml:7`, `PENSTOCK_MODEL`."""
        return self.where if self.line is None else f"{self.where}:{self.line}"

    def __str__(self) -> str:
        subject = ": ".join(part for part in (self.place, self.key) if part)
        if self.value:
            subject = f"{subject} = {self.value}"
        return f"{subject}: {self.what} ({self.hint})" if self.hint else f"{subject}: {self.what}"
