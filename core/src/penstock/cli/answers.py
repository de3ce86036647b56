"""Shows a generation: the text on stdout as it comes, figures and errors on stderr."""

from __future__ import annotations

import sys

from penstock.backend import ModelInfo
from penstock.cli.interrupts import stopped_by_interrupt
from penstock.cli.records import Form
from penstock.cli.status import INTERRUPTED, OK, report, status_of
from penstock.cli.terminal import is_screen
from penstock.cli.views import JsonLinesView, JsonView, MarkdownView, TextView, View
from penstock.errors import PenstockError
from penstock.events import Completion, ContextReport
from penstock.streams.generation import Generation
from penstock.values import dataclass

__all__ = ["Answers", "fate_of", "statistics"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """The way answers are shown to the user of one command.

    form      text, one JSON object at the end, or an object a line as it comes
    quiet     no figures
    markdown  text is read as Markdown, if it goes to a terminal
    """

    form: Form = "text"
    quiet: bool = False
    markdown: bool = False

    def show(self, generation: Generation, model: ModelInfo) -> int:
        """Show one answer to its end; return the status it deserves.

        Ctrl-C stops it; what came is shown like any answer.
        """
        view = self._view(generation, model)
        error = _read(generation, view)
        done = generation.completion
        view.end(done, error)
        if error is not None:
            report(error)
            return status_of(error)
        if self.form == "text" and not self.quiet:
            sys.stderr.write(statistics(done) + "\n")
        return INTERRUPTED if done.finish_reason == "stopped" else OK

    def _view(self, generation: Generation, model: ModelInfo) -> View:
        if self.form == "json":
            return JsonView(model)
        if self.form == "jsonl":
            return JsonLinesView(generation, model)
        return MarkdownView() if self.markdown and is_screen(sys.stdout) else TextView()


def _read(generation: Generation, view: View) -> PenstockError | None:
    with stopped_by_interrupt(generation), generation:
        try:
            for delta in generation:
                view.feed(delta)
        except PenstockError as error:
            return error
    return None


def fate_of(left: ContextReport) -> str:
    """Return what became of the turns that were not sent."""
    return "summarised" if left.summary else "left out"


def statistics(done: Completion) -> str:
    """Return a line of figures about a completion."""
    usage, timings = done.usage, done.timings
    counted = "" if usage.source == "engine" else f" ({usage.source})"
    parts = [f"{usage.completion_tokens} tokens{counted}"]
    if timings.decode_tps is not None:
        parts.append(f"{timings.decode_tps:.1f} tokens/s")
    if timings.ttft is not None:
        parts.append(f"first token after {timings.ttft:.3f} s")
    if done.context is not None:
        parts.append(f"{done.context.turns} turns {fate_of(done.context)}")
    end = "" if done.stop_sequence is None else f" {done.stop_sequence!r}"
    return f"[{', '.join([*parts, done.finish_reason + end])}]"
