"""Budget: what one run of a template may take."""

from __future__ import annotations

import time
from collections.abc import ItemsView, KeysView, Mapping, ValuesView

__all__ = ["Budget", "Spent"]

LOOKS = 32
"""Steps between two looks at the clock."""

TEXTS = 64
"""Texts of the greatest size that may be made in one run."""

PARTS = 4096
"""Parts of a list between two looks at the clock."""

MAX_PARTS = 1_000_000
"""What a list may hold that is printed or compared, counted through all that is in it."""


class Spent(Exception):  # it says what has happened
    """A template takes more than it may."""


class Budget:
    """Seconds of this thread's time, and characters of one text. Raises `Spent`.

    All texts together may have so many times more: what is thrown away again does no harm, but
    nobody can tell what is.
    """

    def __init__(self, seconds: float, characters: int) -> None:
        self._seconds = seconds
        self._until = time.thread_time() + seconds
        self._characters = characters
        self._left = TEXTS * characters
        self._steps = 0

    def step(self) -> None:
        """Take note of a turn of a loop, or a call."""
        self._steps += 1
        if self._steps % LOOKS == 0:
            self._look()

    def make(self, characters: int) -> None:
        """Take note of a text, before it is made."""
        self._left -= characters
        if characters > self._characters or self._left < 0:
            raise Spent(f"makes more than {self._characters:,} characters")

    def weigh(self, value: object) -> None:
        """Take note of a value of which every part is to be looked at, texts among them."""
        parts, open_ = 0, [value]
        while open_:
            one = open_.pop()
            parts += 1
            if parts > MAX_PARTS:
                raise Spent(f"looks at more than {MAX_PARTS:,} parts of a list")
            if parts % PARTS == 0:
                self._look()
            if isinstance(one, str):
                self.make(len(one))
            elif isinstance(one, Mapping):
                open_ += [*one.keys(), *one.values()]
            elif isinstance(one, list | tuple | KeysView | ItemsView | ValuesView):
                open_ += one

    def _look(self) -> None:
        if time.thread_time() > self._until:
            raise Spent(f"takes more than {self._seconds:g} s")
