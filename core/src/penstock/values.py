"""The decorator of Penstock's values: `dataclasses.dataclass`, put off until a class is used.

The standard library compiles six methods for a class where it is defined, which takes a
millisecond. Penstock defines over fifty such classes; a program makes instances of some, and
compares and prints almost none.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal

__all__ = ["dataclass"]

_OF_INSTANCES = ("__dict__", "__weakref__")
_TO_MAKE = (
    "__dataclass_fields__",
    "__match_args__",
    "__signature__",
    "__init__",
    "__setattr__",
    "__delattr__",
    "__getstate__",
    "__setstate__",
)
"""What it takes to make an instance. A signature is not made, but looked for before `__init__`."""
_TO_LOOK = ("__dataclass_params__", "__repr__", "__eq__", "__hash__")
"""What it takes to look at one, which most programs do with none."""
_ONE_AT_A_TIME = RLock()


class _Door:
    """Stands in a class for what `dataclasses` puts there; when looked up, lets it be made.

    All that `make` makes is put in place of the doors that have it in common.
    """

    __slots__ = ("make", "name", "owner")

    def __init__(self, make: Callable[[], type]) -> None:
        self.make = make

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: object, owner: type) -> Any:
        with _ONE_AT_A_TIME:
            if vars(self.owner).get(self.name) is self:
                self._open()
        return getattr(owner if instance is None else instance, self.name)

    def _open(self) -> None:
        made, there = vars(self.make()), dict(vars(self.owner))
        for name in (*_TO_MAKE, *_TO_LOOK):
            door = there.get(name)
            if not isinstance(door, _Door) or door.make is not self.make:
                continue
            if name in made:
                setattr(self.owner, name, made[name])
            else:
                delattr(self.owner, name)
        for name in made.keys() - there.keys():  # what only later Pythons put there
            setattr(self.owner, name, made[name])


def _put_off(written: type, options: dict[str, bool]) -> type:
    body = {name: what for name, what in vars(written).items() if name not in _OF_INSTANCES}
    fields = tuple(written.__annotations__)

    def again(body: dict[str, Any]) -> type:
        cls: type = type(written)(written.__name__, written.__bases__, body)
        cls.__qualname__ = written.__qualname__
        return cls

    def to_make() -> type:
        return dataclasses.dataclass(**{**options, "repr": False, "eq": False})(again(body))

    def to_look() -> type:
        return dataclasses.dataclass(**{**options, "init": False})(again(body))

    doors = {name: _Door(to_make) for name in _TO_MAKE}
    doors |= {name: _Door(to_look) for name in _TO_LOOK}
    rest = {name: what for name, what in body.items() if name not in fields}
    if rest.get("__hash__") is None:  # Python itself puts None beside an `__eq__`
        rest["__hash__"] = None if options["eq"] and not options["frozen"] else doors["__hash__"]
    return again({**doors, **rest, "__slots__": fields})


if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(
        *, slots: Literal[True], frozen: bool = False, kw_only: bool = False, eq: bool = True
    ) -> Callable[[type], type]:
        """Take what `dataclasses.dataclass` takes; such classes always have slots."""
        options = {"slots": slots, "frozen": frozen, "kw_only": kw_only, "eq": eq}
        return lambda written: _put_off(written, options)
