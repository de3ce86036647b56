"""Values are what `dataclasses.dataclass` makes of them, as soon as anybody looks."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys
import threading
import typing
from collections.abc import Hashable

import penstock
import pydantic
import pytest
from penstock.values import dataclass

R = typing.TypeVar("R")


def one_of_each():
    """Return classes nobody has looked at yet, and the same from the standard library."""
    pairs = []
    for decorate in (dataclass, dataclasses.dataclass):

        @decorate(frozen=True, slots=True)
        class Frozen:
            """A point."""

            x: int
            y: list[int] = dataclasses.field(default_factory=list, compare=False)
            name: str = dataclasses.field(default="p", repr=False)

            @property
            def twice(self) -> int:
                return 2 * self.x

        @decorate(slots=True, kw_only=True)
        class Mutable:
            """A point that moves."""

            x: int
            y: int = 3

            def __post_init__(self) -> None:
                self.y += 1

        @decorate(frozen=True, slots=True)
        class Shared(typing.Generic[R]):  # noqa: PLW1641  # `frozen` makes its hash
            """A box."""

            content: R

            def __eq__(self, other: object) -> bool:
                return type(other) is type(self)

            def __repr__(self) -> str:
                return "a box"

        @decorate(frozen=True, slots=True, eq=False)
        class Single:
            """Equal to itself alone."""

            x: int = 0

        pairs.append((Frozen, Mutable, Shared, Single))
    return list(zip(*pairs, strict=True))


ARGUMENTS = [{"x": 1}, {"x": 1}, {"content": "c"}, {}]
LOOKS = {
    "an instance": lambda cls, given: repr(cls(**given)),
    "equality": lambda cls, given: cls(**given) == cls(**given),
    "another class": lambda cls, given: cls(**given) == 1,
    "hash": lambda cls, given: isinstance(cls(**given), Hashable),
    "fields": lambda cls, given: [(f.name, f.type, f.repr) for f in dataclasses.fields(cls)],
    "is_dataclass": lambda cls, given: dataclasses.is_dataclass(cls),
    "frozen": lambda cls, given: cls.__dataclass_params__.frozen,
    "signature": lambda cls, given: str(inspect.signature(cls)),
    "match_args": lambda cls, given: cls.__match_args__,
    "repr of the class's": lambda cls, given: cls.__repr__.__qualname__,
    "setattr": lambda cls, given: cls.__setattr__ is object.__setattr__,
    "doc": lambda cls, given: cls.__doc__,
    "slots": lambda cls, given: cls.__slots__,
    "no dict": lambda cls, given: hasattr(cls(**given), "__dict__"),
    "asdict": lambda cls, given: dataclasses.asdict(cls(**given)),
    "replace": lambda cls, given: repr(dataclasses.replace(cls(**given), **given)),
    "copy": lambda cls, given: repr(copy.copy(cls(**given))),
    "module": lambda cls, given: (cls.__name__, cls.__qualname__, cls.__module__),
    "bases": lambda cls, given: cls.__bases__,
}


@pytest.mark.parametrize("kind", range(4), ids=["frozen", "mutable", "generic", "single"])
@pytest.mark.parametrize("look", LOOKS)
def test_whoever_looks_first_sees_what_the_standard_library_makes(look, kind):
    ours, theirs = one_of_each()[kind]
    assert LOOKS[look](ours, ARGUMENTS[kind]) == LOOKS[look](theirs, ARGUMENTS[kind])
    assert ours.__init__
    assert ours.__dataclass_params__
    assert vars(ours).keys() == vars(theirs).keys()


@pytest.mark.parametrize("missing", [{}, {"x": 1, "z": 2}])
def test_wrong_arguments_are_refused_in_the_same_words(missing):
    said = []
    for cls in one_of_each()[0]:
        with pytest.raises(TypeError) as told:
            cls(**missing)
        said.append(str(told.value))
    assert said[0] == said[1]


def test_what_is_frozen_stays_as_it_is():
    point = one_of_each()[0][0](1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        del point.x
    assert point.x == 1


def test_the_first_to_come_may_be_the_type_of_an_instance_made_without_init():
    cls = one_of_each()[0][0]
    point = object.__new__(cls)
    with pytest.raises(dataclasses.FrozenInstanceError):
        point.x = 2


def test_a_subclass_has_the_fields_of_both():
    base = one_of_each()[0][0]

    @dataclass(frozen=True, slots=True)
    class More(base):
        z: int = 0

    assert repr(More(1, [], "n", 4)).endswith("More(x=1, y=[], z=4)")
    assert More(1) == More(1) != base(1)
    assert [field.name for field in dataclasses.fields(More)] == ["x", "y", "name", "z"]


def test_a_subclass_that_is_no_dataclass_may_be_first():
    class Plain(one_of_each()[0][0]):
        pass

    assert Plain(1).x == 1
    assert Plain(1) == Plain(1)


def test_pydantic_takes_one_that_nobody_has_used():
    point = pydantic.TypeAdapter(one_of_each()[0][0]).validate_python({"x": "3", "y": ["4"]})
    assert (point.x, point.y, point.twice) == (3, [4], 6)


def test_threads_that_come_together_see_one_class():
    cls = one_of_each()[0][0]
    start = threading.Barrier(8)
    made = []

    def make() -> None:
        start.wait()
        made.append((cls(1), cls.__init__, cls.__eq__))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({init for _, init, _ in made}) == 1
    assert all(point == made[0][0] for point, *_ in made)


def test_a_value_outlives_its_process():
    token = penstock.Token(7, b"x", 1.0, penstock.Logprob(7, b"x", -1.0))
    program = "import pickle, sys; print(repr(pickle.load(sys.stdin.buffer)))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=pickle.dumps((token, penstock.ToolCall("1", "f", "{}"))),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().strip() == repr((token, penstock.ToolCall("1", "f", "{}")))


def values_of_penstock():
    for info in pkgutil.walk_packages(penstock.__path__, "penstock."):
        for thing in vars(importlib.import_module(info.name)).values():
            own = inspect.isclass(thing) and thing.__module__ == info.name
            if own and dataclasses.is_dataclass(thing):
                yield thing


@pytest.mark.parametrize("cls", list(values_of_penstock()), ids=lambda cls: cls.__name__)
def test_every_value_has_a_slot_for_each_field_and_no_other(cls):
    assert cls.__slots__ == tuple(field.name for field in dataclasses.fields(cls))


def test_importing_penstock_makes_none_of_them():
    program = """
import sys, penstock
from penstock.values import _Door
values = {
    thing
    for name, module in sys.modules.items() if name.startswith("penstock")
    for thing in vars(module).values() if isinstance(thing, type) and "__slots__" in vars(thing)
}
waiting = {value for value in values if isinstance(vars(value).get("__init__"), _Door)}
made = {value for value in values - waiting if "__dataclass_fields__" in vars(value)}
print(len(waiting), sorted(value.__name__ for value in made))
"""
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    count, _, made = done.stdout.strip().partition(" ")
    assert int(count) > 40
    assert made == "[]"
