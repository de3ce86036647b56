"""Pump: what runs the generations of an engine, where its kind wants them run."""

from __future__ import annotations

from abc import ABC, abstractmethod

import anyio

from penstock.errors import ModelClosed
from penstock.streams.job import Job

__all__ = ["Pump", "closed_error", "steers"]

_STEERING = (BaseExceptionGroup, GeneratorExit, KeyboardInterrupt, SystemExit)
"""Of these, groups that are an `Exception` hold nothing else."""


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
