"""Chat: a conversation that remembers."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

from penstock.errors import UsageError
from penstock.events import Completion, FinishReason
from penstock.messages import Message
from penstock.request import CallOptions, Deadlines, OtherOptions, Policy
from penstock.streams.generation import Generation

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from penstock.model import Model

R = TypeVar("R")

__all__ = ["Chat"]

_WHOLE: frozenset[FinishReason] = frozenset({"stop", "stop_sequence", "length", "tool_calls"})


class Chat:
    """A conversation with one model. `history` is plain data: a tuple of messages.

    A turn enters the history when its answer is complete. One that fails, or that you leave,
    leaves the history as it was; with `keep_partial=True` the part of the answer that was
    delivered is kept, if there is any.
    """

    def __init__(
        self, model: Model, *, system: str | None = None, keep_partial: bool = False
    ) -> None:
        self._model = model
        self._keep_partial = keep_partial
        self._answering = False
        self.history: tuple[Message, ...] = ()
        if system is not None:
            self.history = (Message("system", system),)

    @overload
    def send(
        self,
        text: str,
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def send(
        self,
        text: str,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def send(
        self,
        text: str,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Say `text`; return the answer, to be streamed or awaited.

        Raises `UsageError` while the answer before is still being given.
        """
        if self._answering:
            raise UsageError(
                "the last answer is not finished", hint="Read it to its end, or leave it, first"
            )
        asked = Message("user", text)
        generation = self._model.chat(
            (*self.history, asked),
            deadlines=deadlines,
            unsupported=unsupported,
            on_end=partial(self._take, asked),
            **options,
        )
        self._answering = True
        return generation

    def _take(self, asked: Message, completion: Completion) -> None:
        self._answering = False
        kept = self._keep_partial and completion.text
        if completion.finish_reason in _WHOLE or kept:
            answer = Message("assistant", completion.text, completion.tool_calls)
            self.history = (*self.history, asked, answer)
