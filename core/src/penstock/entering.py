"""Entering: what is said to who takes a load for its model, or enters it in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NoReturn

from penstock.errors import UsageError

__all__ = ["Entered"]


class Entered:
    """What gives something inside a block alone; `entering` is how the block begins, for people."""

    entering: ClassVar[str]

    if not TYPE_CHECKING:  # a type checker refuses all of these by itself

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"a load has no {name!r}, the model has: {self.entering}")

        def _refuse(self, *_: object) -> NoReturn:
            raise UsageError("a load is not entered in this way", hint=f"Write {self.entering}")

        __enter__ = __exit__ = __aenter__ = __aexit__ = __await__ = _refuse
