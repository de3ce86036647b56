"""From what an engine yields to deltas: whole characters, stop strings, counts, one end."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter

from penstock.errors import BackendBug
from penstock.events import (
    Aside,
    Delta,
    EngineEvent,
    Finish,
    FinishReason,
    Logprob,
    Prefill,
    Report,
    Retry,
    Token,
    Usage,
)
from penstock.request import Sampling
from penstock.streams.decoding import CharacterDecoder
from penstock.streams.stopping import StopMatcher
from penstock.streams.timing import Trace

__all__ = ["Assembly", "assembly_of", "unlike"]

_EVENTS = "It may yield str, bytes, Token, Delta, Prefill, Usage, Report, Retry and Finish"
_REASONS = ("stop", "stop_sequence", "length", "tool_calls", "content_filter")
"""What an engine may end with; the others are for those who read, and for its errors."""


class Assembly:
    """Fed with an engine's events, gives deltas, and knows when the generation is over.

    `finish` is None until the end: the engine's own, a stop string, or `max_tokens`, whichever
    comes first; nothing fed after it has an effect. With `shaped=True` the engine did the text
    work itself and its deltas are passed on untouched. `retries` and `details` are what the engine
    told of itself.
    """

    __slots__ = (
        "_decoder",
        "_exact",
        "_held_ids",
        "_held_tokens",
        "_limit",
        "_prefill",
        "_shaped",
        "_stops",
        "_usage",
        "details",
        "finish",
        "retries",
        "trace",
    )

    def __init__(self, sampling: Sampling, *, trace: Trace, shaped: bool = False) -> None:
        self.trace = trace
        self.finish: Finish | None = None
        self._decoder = CharacterDecoder()
        stops = sampling.stop or ()
        self._stops = StopMatcher(stops, include=bool(sampling.include_stop)) if stops else None
        self._limit = sampling.max_tokens
        self._shaped = shaped
        self._held_tokens = 0
        self._held_ids: tuple[int, ...] = ()
        self._exact = True
        self._prefill: Prefill | None = None
        self._usage: Usage | None = None
        self.retries = 0
        self.details: dict[str, str | int | float | bool] = {}

    def feed(self, event: EngineEvent) -> Delta | None:
        """Take one event; return the delta it completes, if any.

        Raises `BackendBug` for anything an engine may not yield.
        """
        if self.finish is not None:
            return None
        if type(event) is Token:
            return self._text(self._decoder.feed(event.data), 1, (event.id,), event.at)
        if type(event) is Delta:
            return self._delta(event)
        return self._other(event)

    def end(self) -> Delta | None:
        """Take the end of the engine's events; return the text still held back, if any."""
        if self.finish is None:
            self.finish = Finish()
        if self._shaped or (self._stops is not None and self._stops.matched is not None):
            return None
        text = self._decoder.flush()
        if self._stops is not None:
            text = self._stops.feed(text) + self._stops.flush()
            if self._stops.matched is not None:
                self._finish("stop_sequence", self._stops.matched)
        return self._emit(text, perf_counter()) if text else None

    def usage(self, estimate: Callable[[], int]) -> Usage:
        """Return the engine's usage, or a count of what was seen.

        `estimate` is asked where the engine never told the length of its prompt.
        """
        if self.finish is not None and self.finish.usage is not None:
            return self.finish.usage
        if self._usage is not None:
            return self._usage
        prefill = self._prefill
        return Usage(
            prompt_tokens=estimate() if prefill is None else prefill.total,
            completion_tokens=self.trace.tokens,
            cached_tokens=0 if prefill is None else prefill.cached,
            source="engine" if self._exact and prefill is not None else "estimated",
        )

    def _delta(self, delta: Delta) -> Delta | None:
        if delta.aside is not None:
            return self._beside(delta, delta.aside)
        if not isinstance(delta.text, str):
            raise unlike(delta)
        if not self._shaped:
            text = self._decoder.feed_text(delta.text)
            if self._stops is not None or self._held_tokens or text is not delta.text:
                return self._text(text, delta.tokens, delta.ids, delta.at)
        delta.at = delta.at or perf_counter()
        self._count(delta.tokens, delta.at)
        if delta.text:
            self.trace.text(delta.at)
        return delta

    def _beside(self, delta: Delta, aside: Aside) -> Delta:
        """Pass an aside on at once, though the text beside it may be held back."""
        at = delta.at = delta.at or perf_counter()
        if self._shaped:
            self._count(delta.tokens, at)
            return delta
        text = self._decoder.feed_text(delta.text) if delta.text else ""
        made = self._text(text, delta.tokens, delta.ids, at) or self._emit("", at)
        made.aside = aside
        return made

    def _other(self, event: EngineEvent) -> Delta | None:
        match event:
            case str():
                self._exact = False
                return self._text(self._decoder.feed_text(event), 1, (), 0.0)
            case bytes():
                self._exact = False
                return self._text(self._decoder.feed(event), 1, (), 0.0)
            case Token():
                return self._text(self._decoder.feed(event.data), 1, (event.id,), event.at)
            case Delta():
                return self._delta(event)
            case Finish():
                self.finish = _ended(event)
            case _:
                self._note(event)
        return None

    def _note(self, event: Prefill | Usage | Report | Retry) -> None:
        match event:
            case Prefill():
                self._prefill = event
                self.trace.progress(perf_counter(), event.processed - event.cached)
            case Usage():
                self._usage = event
            case Report():
                self.details.update(event.details)
            case Retry():
                self.retries += 1
            case _:
                raise unlike(event)

    def _text(self, text: str, tokens: int, ids: tuple[int, ...], at: float) -> Delta | None:
        at = at or perf_counter()
        self._held_tokens += tokens
        self._held_ids += ids
        if self._stops is not None and text:
            text = self._stops.feed(text)
            if self._stops.matched is not None:
                self._finish("stop_sequence", self._stops.matched)
        self._count(tokens, at)
        return self._emit(text, at) if text else None

    def _emit(self, text: str, at: float) -> Delta:
        delta = Delta(text, self._held_tokens, self._held_ids, at)
        self._held_tokens = 0
        self._held_ids = ()
        if text:
            self.trace.text(at)
        return delta

    def _count(self, tokens: int, at: float) -> None:
        self.trace.token(at, tokens)
        if self._limit is not None and self.trace.tokens >= self._limit and not self._shaped:
            self._finish("length")

    def _finish(self, reason: FinishReason, stop_sequence: str | None = None) -> None:
        if self.finish is None or reason == "stop_sequence":
            usage = None if self.finish is None else self.finish.usage
            self.finish = Finish(reason, usage, stop_sequence)


class _ScoredAssembly(Assembly):
    """An assembly that hands log probabilities on, apart so that other generations pay nothing."""

    __slots__ = ("_held_logprobs",)

    def __init__(self, sampling: Sampling, *, trace: Trace, shaped: bool = False) -> None:
        super().__init__(sampling, trace=trace, shaped=shaped)
        self._held_logprobs: tuple[Logprob, ...] = ()

    def feed(self, event: EngineEvent) -> Delta | None:
        if self.finish is None:
            self._held_logprobs += _logprobs_of(event)
        delta = super().feed(event)
        if delta is event:  # passed on untouched, with its own
            self._held_logprobs = ()
        return delta

    def _emit(self, text: str, at: float) -> Delta:
        delta = super()._emit(text, at)
        delta.logprobs, self._held_logprobs = self._held_logprobs, ()
        return delta


def unlike(event: object) -> BackendBug:
    """Return the error for what no engine may yield."""
    return BackendBug(f"the engine yielded {event!r}", hint=_EVENTS)


def _ended(finish: Finish) -> Finish:
    if finish.reason in _REASONS and isinstance(finish.usage, Usage | None):
        return finish
    raise BackendBug(
        f"the engine yielded {finish!r}",
        hint=f"The reason is one of {', '.join(_REASONS)}, and the usage a Usage or None",
    )


def _logprobs_of(event: EngineEvent) -> tuple[Logprob, ...]:
    if isinstance(event, Token):
        return () if event.logprob is None else (event.logprob,)
    return event.logprobs if isinstance(event, Delta) else ()


def assembly_of(sampling: Sampling, *, trace: Trace, shaped: bool = False) -> Assembly:
    """Return an assembly for these options."""
    kind = Assembly if sampling.logprobs is None else _ScoredAssembly
    return kind(sampling, trace=trace, shaped=shaped)
