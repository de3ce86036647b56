"""A conversation that outlives its model: what was said goes on with another one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING

from penstock import sync
from penstock.backend import OptionValue
from penstock.chat.policies import ContextName
from penstock.cli.answers import Answers, fate_of, statistics
from penstock.cli.opening import Opening
from penstock.cli.status import report, status_of
from penstock.cli.terminal import readable
from penstock.errors import PenstockError, UsageError
from penstock.events import Completion, ContextReport
from penstock.messages import Message

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Conversation"]


class Conversation:
    """Somebody talking with a model. Enter it with `with`: that loads the model.

    What came of an answer that was stopped stays in the history; a turn that failed does not.
    """

    model: sync.Model
    chat: sync.Chat

    def __init__(
        self,
        opening: Opening,
        answers: Answers,
        target: str | None,
        system: str | None,
        context: ContextName,
    ) -> None:
        self._opening = opening
        self._answers = answers
        self._target = target
        self._system = None if system is None else readable(system)
        self._context = context
        self._exits = ExitStack()
        self._unanswered: str | None = None
        self._done: list[Completion] = []
        self._told = False

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self.model = exits.enter_context(self._opening.opened(self._target))
            self.chat = self._session(self.model, self._system)
            self._exits = exits.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exits.__exit__(kind, error, trace)

    def say(self, text: str) -> int:
        """Say something and show the answer; return the status it deserves."""
        before = self.chat.history
        try:
            generation = self.chat.send(text)
        except PenstockError as error:
            self._unanswered = text
            report(error)
            return status_of(error)
        status = self._answers.show(generation, self.model.info)
        self._done.append(generation.completion)
        self._tell_of(generation.completion.context)
        self._unanswered = text if self.chat.history == before else None
        return status

    def described(self) -> str:
        """Say in one line which model answers."""
        info = self.model.info
        return f"{info.name}, by {info.backend} on {info.device}"

    def switch(self, target: str, options: Mapping[str, OptionValue]) -> None:
        """Go on with another model, which gets the history; if it cannot be loaded, with this."""
        opening = replace(self._opening, options=options)
        with ExitStack() as exits:
            model = exits.enter_context(opening.opened(target))
            chat = self._session(model, history=self.chat.history)
            before, self._exits = self._exits, exits.pop_all()
        self.model, self.chat = model, chat
        before.close()

    def undo(self, turns: int) -> tuple[Message, ...]:
        """Take the last turns back; return their messages. Raises `UsageError` for too many."""
        taken = self.chat.undo(turns)
        self._unanswered = None
        return taken

    def to_retry(self) -> str:
        """Return what to say again; if it was answered, that is taken back."""
        if self._unanswered is not None:
            return self._unanswered
        if not any(message.role == "user" for message in self.chat.history):
            raise UsageError("there is nothing to retry", hint="Say something first")
        return next(message.content for message in self.undo(1) if message.role == "user")

    def load(self, path: str) -> None:
        """Go on with a conversation from a file."""
        self.chat = self.model.load_session(path, keep_partial=True, context=self._context)
        self._unanswered = None

    def _tell_of(self, left: ContextReport | None) -> None:
        """Say once that not all is sent any more, where no figures say it each time."""
        if left is not None and self._answers.form == "text" and self._answers.quiet:
            if not self._told:
                sys.stderr.write(f"warning: the context is full: old turns are {fate_of(left)}\n")
            self._told = True

    def _session(
        self, model: sync.Model, system: str | None = None, history: tuple[Message, ...] = ()
    ) -> sync.Chat:
        return model.session(system, history=history, keep_partial=True, context=self._context)

    def stats(self) -> list[tuple[str, str]]:
        """Return figures, each with a name."""
        info, said = self.model.info, [m for m in self.chat.history if m.role == "user"]
        context = (
            "" if info.context_length is None else f", context of {info.context_length} tokens"
        )
        found = [
            ("model", self.described() + context),
            ("history", f"{len(said)} turns, {len(self.chat.history)} messages"),
        ]
        if self._done:
            usages = [done.usage for done in self._done]
            answered = sum(usage.completion_tokens for usage in usages)
            read = sum(usage.prompt_tokens for usage in usages)
            kept = sum(usage.cached_tokens for usage in usages)
            found += [
                ("last answer", statistics(self._done[-1]).strip("[]")),
                ("all answers", f"{answered} tokens in {len(usages)} answers"),
                ("all prompts", f"{read} tokens, {kept} of them kept from before"),
            ]
        return found
