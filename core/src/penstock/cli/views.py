"""The forms of an answer on stdout: plain text, Markdown, JSON, and lines of JSON."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from penstock.backend import ModelInfo
from penstock.cli.records import portable, write_json
from penstock.cli.terminal import harmless
from penstock.errors import PenstockError
from penstock.events import Completion, Delta
from penstock.streams.generation import Generation
from penstock.streams.wire import JsonLines, completion_record

__all__ = ["JsonLinesView", "JsonView", "MarkdownView", "TextView", "View"]


class View(ABC):
    """Shows one answer on stdout."""

    @abstractmethod
    def feed(self, delta: Delta) -> None:
        """Show a piece of it, as soon as it is there."""

    @abstractmethod
    def end(self, done: Completion, error: PenstockError | None) -> None:
        """Show what is left: it is `done`, and `error` is what went wrong, if anything did."""


class TextView(View):
    """The text as it is, and a line end behind it."""

    def __init__(self) -> None:
        self._safe = sys.stdout.isatty()  # one that calls itself dumb may not be

    def feed(self, delta: Delta) -> None:
        _write(harmless(delta.text) if self._safe else delta.text)

    def end(self, done: Completion, error: PenstockError | None) -> None:
        del error
        if done.text and not done.text.endswith("\n"):
            _write("\n")


class MarkdownView(View):
    """The text as Markdown; what the model thinks before it is shown in grey."""

    def __init__(self) -> None:
        from penstock.cli.painting import MarkdownPainter

        self._painter = MarkdownPainter(sys.stdout)

    def feed(self, delta: Delta) -> None:
        if delta.reasoning:
            self._painter.aside(delta.reasoning)
        if delta.text:
            self._painter.feed(delta.text)

    def end(self, done: Completion, error: PenstockError | None) -> None:
        del done, error
        self._painter.flush()


class JsonView(View):
    """One object at the end."""

    def __init__(self, model: ModelInfo) -> None:
        self._model = model

    def feed(self, delta: Delta) -> None:
        del delta

    def end(self, done: Completion, error: PenstockError | None) -> None:
        record = completion_record(done, text=True) | _origin(self._model)
        if error is not None:
            record["error"] = {"type": type(error).__name__, "message": str(error)}
        write_json(record)


class JsonLinesView(View):
    """An object for each piece; the last has `finish` or `error`."""

    def __init__(self, generation: Generation, model: ModelInfo) -> None:
        self._wire = JsonLines(generation)
        self._model = model

    def feed(self, delta: Delta) -> None:
        _lines(self._wire.feed(delta))

    def end(self, done: Completion, error: PenstockError | None) -> None:
        if error is not None:
            _lines(self._wire.absorb(error))
        else:
            write_json({"finish": completion_record(done) | _origin(self._model)})


def _origin(model: ModelInfo) -> dict[str, Any]:
    return {"model": model.name, "backend": model.backend}


def _lines(lines: Iterable[str]) -> None:
    for line in lines:
        _write(portable(line))


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
