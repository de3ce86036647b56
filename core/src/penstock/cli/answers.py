"""Shows a generation: the text on stdout as it comes, figures and errors on stderr."""

from __future__ import annotations

import json
import sys
from typing import Any

from penstock.backend import ModelInfo
from penstock.cli.interrupts import stopped_by_interrupt
from penstock.cli.status import INTERRUPTED, OK, report, status_of
from penstock.errors import PenstockError
from penstock.events import Completion
from penstock.streams.generation import Generation
from penstock.streams.wire import completion_record

__all__ = ["Answers", "statistics"]


class Answers:
    """The way answers are shown to the user of one command."""

    def __init__(self, model: ModelInfo, *, as_json: bool, quiet: bool) -> None:
        self._model = model
        self._as_json = as_json
        self._quiet = quiet

    def show(self, generation: Generation) -> int:
        """Show one answer to its end; return the status it deserves.

        Ctrl-C stops it; what came is shown like any answer.
        """
        error = self._read(generation)
        done = generation.completion
        if self._as_json:
            _write(json.dumps(self._record(done, error), ensure_ascii=False) + "\n")
        elif done.text and not done.text.endswith("\n"):
            _write("\n")
        if error is not None:
            report(error)
            return status_of(error)
        if not self._as_json and not self._quiet:
            sys.stderr.write(statistics(done) + "\n")
        return INTERRUPTED if done.finish_reason == "stopped" else OK

    def _read(self, generation: Generation) -> PenstockError | None:
        with stopped_by_interrupt(generation), generation:
            try:
                for delta in generation:
                    if not self._as_json:
                        _write(delta.text)
            except PenstockError as error:
                return error
        return None

    def _record(self, done: Completion, error: PenstockError | None) -> dict[str, Any]:
        record = completion_record(done, text=True)
        record |= {"model": self._model.name, "backend": self._model.backend}
        if error is not None:
            record["error"] = {"type": type(error).__name__, "message": str(error)}
        return record


def statistics(done: Completion) -> str:
    """Return a line of figures about a completion."""
    usage, timings = done.usage, done.timings
    counted = "" if usage.source == "engine" else f" ({usage.source})"
    parts = [f"{usage.completion_tokens} tokens{counted}"]
    if timings.decode_tps is not None:
        parts.append(f"{timings.decode_tps:.1f} tokens/s")
    if timings.ttft is not None:
        parts.append(f"first token after {timings.ttft:.3f} s")
    end = "" if done.stop_sequence is None else f" {done.stop_sequence!r}"
    return f"[{', '.join([*parts, done.finish_reason + end])}]"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
