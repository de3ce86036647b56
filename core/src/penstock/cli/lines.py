"""What the user of a conversation says: lines of a terminal, or of any other input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TextIO, TypeAlias

__all__ = ["TypedLines", "lines_of"]

EXIT = "/exit"
PROMPT = "> "

TypedLines: TypeAlias = Iterator[str]


def lines_of(source: TextIO, screen: TextIO) -> TypedLines:
    """Return the lines that say something, up to the end of the input or `/exit`.

    Where both ends are a terminal, they are asked for with a prompt and can be edited; Ctrl-C
    then drops the line only, as it does in a shell.
    """
    typed = source.isatty() and screen.isatty()
    for line in _typed() if typed else source:
        said = line.strip()
        if said == EXIT:
            return
        if said:
            yield said


def _typed() -> Iterator[str]:
    _allow_editing()
    while True:
        try:
            yield input(PROMPT)
        except EOFError:
            sys.stdout.write("\n")
            return
        except KeyboardInterrupt:
            sys.stdout.write("\n")


def _allow_editing() -> None:
    try:
        import readline  # noqa: F401  # `input` makes use of it once it is there
    except ImportError:
        return
