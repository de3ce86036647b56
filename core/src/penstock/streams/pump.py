"""Pump: what runs the generations of an engine, where its kind wants them run."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

import anyio

from penstock.errors import BackendBug, ModelClosed, PenstockError
from penstock.streams.job import Job

__all__ = ["Pump", "begun", "closed_error", "no_stream", "steers", "translated"]

P = ParamSpec("P")
R = TypeVar("R")

_STEERING = (BaseExceptionGroup, GeneratorExit, KeyboardInterrupt, SystemExit)
"""Of these, groups that are an `Exception` hold nothing else."""


def begun(call: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """Call what a plugin defines. Raises `BackendBug` where it takes other arguments."""
    try:
        return call(*given, **named)
    except TypeError as error:
        inside = error.__traceback__ is not None and error.__traceback__.tb_next is not None
        if inside:
            raise
        raise BackendBug(f"a wrong signature: {error}", hint="Look at that of its base") from error


def no_stream(returned: object, hint: str) -> BackendBug:
    """Return the error for what `generate` returned in place of a stream."""
    if isinstance(returned, Coroutine):
        returned.close()  # nobody awaits it
    return BackendBug(f"generate() returned {returned!r}", hint=hint)


@contextmanager
def translated(what: str, kind: type[PenstockError]) -> Iterator[None]:
    """Raise what is not of our tree as this kind of error, which says what failed."""
    try:
        yield
    except PenstockError:
        raise
    except BaseException as error:
        if steers(error):
            raise
        raise kind(f"{what}: {error!r}") from error


class Pump(ABC):
    """Runs the generations of one engine, and closes it."""

    @abstractmethod
    def start(self, job: Job) -> None:
        """Take a job; from any thread, without waiting. Raises `ModelClosed`."""

    @abstractmethod
    async def aclose(self) -> None:
        """End all jobs with `ModelClosed`, free the engine, and wait until that is done."""

    @property
    @abstractmethod
    def running(self) -> int:
        """How many generations the engine is at work on."""


def steers(error: BaseException) -> bool:
    """Whether an error steers the program, and goes its way: an end, an interrupt, a cancellation.

    The panic of an engine is none, though it may not be an `Exception` either.
    """
    if isinstance(error, Exception):
        return False
    return isinstance(error, (*_STEERING, anyio.get_cancelled_exc_class()))


def closed_error(name: str) -> ModelClosed:
    """Return what a generation ends with whose model `name` is closed under it."""
    return ModelClosed(f"{name!r} was closed during the generation")
