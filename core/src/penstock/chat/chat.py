"""Chat: a conversation that remembers."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, TypeVar, overload

import anyio

from penstock.chat.fitting import Fitting
from penstock.chat.policies import ContextPolicy, Summarize, policy_of
from penstock.chat.prompts import counts
from penstock.chat.summaries import summarized_by
from penstock.chat.turns import Course, cut, turns_of
from penstock.errors import LoadError, Unsupported, UsageError
from penstock.events import Completion, FinishReason
from penstock.messages import Message, MessageLike, as_messages
from penstock.request import CallOptions, Deadlines, OtherOptions, Policy
from penstock.streams.generation import Generation
from penstock.tools import ToolCall, ToolLike
from penstock.values import dataclass

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from typing_extensions import Unpack

    from penstock.model import Model

R = TypeVar("R")

__all__ = ["Chat", "KeptState"]

_WHOLE: frozenset[FinishReason] = frozenset({"stop", "stop_sequence", "length", "tool_calls"})


@dataclass(frozen=True, slots=True)
class KeptState:
    """What came of the state of an engine: tokens that need not be evaluated again, or why none."""

    tokens: int = 0
    reason: str = ""


class Chat:
    """A conversation with one model. `history` is plain data: a tuple of messages.

    A turn enters the history when its answer is complete. One that fails, or that you leave,
    leaves the history as it was; with `keep_partial=True` the part of the answer that was
    delivered is kept, if there is any.

    A context policy shortens what is sent, and never the history; `completion.context` tells what
    was left out. A summary is kept, and stands for the turns it is of from then on. One answer is
    given at a time.
    """

    def __init__(
        self,
        model: Model,
        *,
        system: str | None = None,
        history: Iterable[MessageLike] = (),
        keep_partial: bool = False,
        context: ContextPolicy = "error",
        summarize: Summarize | None = None,
    ) -> None:
        self._model = model
        self._keep_partial = keep_partial
        self._policy = policy_of(context, summarize, summarized_by(model))
        self._settings = (keep_partial, context, summarize)
        self._history = _begun(system, history)
        self._left_out = 0
        self._instead: tuple[Message, ...] = ()
        self._tools: tuple[ToolLike, ...] = ()
        self._turn = threading.Lock()  # held while an answer is given, or the history is changed
        self.state: KeptState | None = None

    @property
    def model(self) -> Model:
        """The model that answers."""
        return self._model

    @property
    def history(self) -> tuple[Message, ...]:
        """All that was said, the system message first, if there is one."""
        return self._history

    @property
    def system(self) -> str | None:
        """What the model is told first; None: nothing. Set it to say something else from now on."""
        first = self._history[:1]
        return first[0].content if first and first[0].role == "system" else None

    @system.setter
    def system(self, text: str | None) -> None:
        with self._alone("set system"):
            said = self._history if self.system is None else self._history[1:]
            self._history = _begun(text, said)

    @property
    def answering(self) -> bool:
        """Whether an answer is being given."""
        return self._turn.locked()

    @property
    def pending(self) -> tuple[ToolCall, ...]:
        """The calls of tools that the last answer asks for, and that have no results yet."""
        last = self._history[-1:]
        return last[0].tool_calls if last else ()

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
        asked = (Message("user", text),)
        return self._send(asked, deadlines, unsupported, options)

    @overload
    def send_results(
        self,
        results: Mapping[str, str] | Sequence[str],
        *,
        schema: type[R],
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]: ...
    @overload
    def send_results(
        self,
        results: Mapping[str, str] | Sequence[str],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation: ...
    def send_results(
        self,
        results: Mapping[str, str] | Sequence[str],
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[CallOptions],
    ) -> Generation:
        """Say what the tools returned that the last answer called; return the next answer.

        `results` has a text for the id of each call in `pending`, or the texts in their order. Give
        the same `tools` again. Raises `UsageError` for a result too few or too many.
        """
        calls = [call.id for call in self.pending]
        texts = _in_order(results, calls)
        asked = tuple(Message("tool", t, tool_call_id=c) for c, t in zip(calls, texts, strict=True))
        return self._send(asked, deadlines, unsupported, options)

    def fork(self) -> Chat:
        """Return another chat that begins with this history; neither knows of the other's turns."""
        keep_partial, context, summarize = self._settings
        other = Chat(
            self._model,
            history=self._history,
            keep_partial=keep_partial,
            context=context,
            summarize=summarize,
        )
        other._left_out, other._instead = self._left_out, self._instead
        other._tools = self._tools
        return other

    def undo(self, turns: int = 1) -> tuple[Message, ...]:
        """Take the last turns out; return their messages, to be sent again or not.

        A turn is what a user says and all that follows. The system message stays. Raises
        `UsageError` where there are not so many, and while an answer is being given.
        """
        with self._alone("undo"):
            count = len(turns_of(self._history))
            if not _are_among(turns, count):
                raise UsageError(f"undo({turns!r})", hint=f"There are {count} turns")
            self._history, taken = cut(self._history, turns)
            if not self._instead or self._left_out > count - turns:
                self._left_out, self._instead = 0, ()
            return taken

    async def save(self, path: str | Path, *, state: bool = False) -> KeptState:
        """Write the conversation to a file, as JSON; a file that is there is replaced at once.

        `state=True` saves beside it, as `<path>.state`, what the engine has evaluated, so that
        `load_session` need not evaluate it again. It is never needed: where the engine cannot, the
        returned `KeptState` says why. Raises `UsageError` for a file that cannot be written.
        """
        if self.answering:
            raise _unfinished("save")
        from pathlib import Path

        from penstock.chat import transcripts  # 10 ms that only files cost

        path = Path(path)
        beside = transcripts.state_path(path)
        kept = await self._save_state(beside) if state else KeptState()
        transcript = transcripts.Transcript(
            messages=self._history,
            left_out=self._left_out if self._instead else 0,
            instead=self._instead,
            model=self._model.info.name,
            state=beside.name if kept.tokens else None,
        )
        await anyio.to_thread.run_sync(transcripts.write, path, transcript)
        return kept

    @classmethod
    async def load(
        cls,
        model: Model,
        path: str | Path,
        *,
        keep_partial: bool = False,
        context: ContextPolicy = "error",
        summarize: Summarize | None = None,
    ) -> Self:
        """Go on with a conversation that was saved; see `Model.load_session`."""
        from pathlib import Path

        from penstock.chat import transcripts  # as above

        path = Path(path)
        told = await anyio.to_thread.run_sync(transcripts.read, path)
        chat = cls(
            model,
            history=told.messages,
            keep_partial=keep_partial,
            context=context,
            summarize=summarize,
        )
        chat._left_out, chat._instead = told.left_out, told.instead
        if told.state is not None:
            chat.state = await _taken_up(model, path.with_name(told.state))
        return chat

    def _send(
        self,
        asked: tuple[Message, ...],
        deadlines: Deadlines | None,
        unsupported: Policy | None,
        options: CallOptions,
    ) -> Generation:
        self._claim("send")
        try:
            as_messages(asked)
            fitting = self._fitting(asked)
            generation = self._model.answer(
                fitting,
                deadlines=deadlines,
                unsupported=unsupported,
                on_end=partial(self._take, asked, fitting),
                **options,
            )
        except BaseException:
            self._turn.release()
            raise
        self._tools = tuple(options.get("tools") or ())
        return generation

    def _fitting(self, asked: tuple[Message, ...]) -> Fitting:
        said = (*self._history, *asked)
        return Fitting(said, self._policy, left_out=self._left_out, instead=self._instead)

    def _take(self, asked: tuple[Message, ...], fitting: Fitting, completion: Completion) -> None:
        try:
            self._enter(asked, fitting, completion)
        finally:
            self._turn.release()  # last: who sends from another thread sees this turn

    def _enter(self, asked: tuple[Message, ...], fitting: Fitting, completion: Completion) -> None:
        whole = completion.finish_reason in _WHOLE
        enters = whole or (self._keep_partial and bool(completion.text))
        if self._policy is not None:
            self._keep(fitting.course, enters)
        if enters:
            calls = completion.tool_calls if whole else ()  # one that is cut off has no result
            answer = Message("assistant", completion.text, calls)
            self._history = (*self._history, *asked, answer)

    def _keep(self, course: Course, enters: bool) -> None:
        """Keep what is left out, where it would cost something to find it out again.

        Of a turn that does not enter the history only a summary stays.
        """
        if not enters and course.instead in ((), self._instead):
            return
        info = self._model.info
        if course.instead or info.capabilities.messages or not counts(info):
            self._left_out, self._instead = course.left_out, course.instead

    async def _save_state(self, path: Path) -> KeptState:
        info = self._model.info
        if not info.capabilities.state:
            return KeptState(reason=f"{info.name!r} cannot save what it has evaluated")
        said = self._history
        while said and said[-1].role == "assistant":  # what is evaluated ends with its answer
            said = said[:-1]
        try:
            prompt = await self._model.render(said, self._tools)
            return KeptState(await self._model.save_state(path, prompt))
        except (Unsupported, UsageError) as error:
            return KeptState(reason=str(error))

    def _claim(self, what: str) -> None:
        if not self._turn.acquire(blocking=False):
            raise _unfinished(what)

    @contextmanager
    def _alone(self, what: str) -> Iterator[None]:
        """Let nobody send meanwhile. Raises `UsageError` while an answer is being given."""
        self._claim(what)
        try:
            yield
        finally:
            self._turn.release()


def _are_among(turns: object, count: int) -> bool:
    return isinstance(turns, int) and 1 <= turns <= count


def _unfinished(what: str) -> UsageError:
    return UsageError(
        f"{what}: the last answer is not finished", hint="Read it to its end, or leave it, first"
    )


def _in_order(results: Mapping[str, str] | Sequence[str], calls: list[str]) -> list[str]:
    """Return the results in the order of the calls. Raises `UsageError`."""
    named = isinstance(results, Mapping)
    listed = isinstance(results, Sequence) and not isinstance(results, str)
    fits = (named or listed) and len(results) == len(calls)
    if named:
        fits = fits and set(results) == set(calls)
    if not calls or not fits:
        raise UsageError(
            f"the results are {results!r:.200}",
            hint=f"The last answer calls {calls!r}" if calls else "It called no tool",
        )
    return [results[call] for call in calls] if isinstance(results, Mapping) else list(results)


def _begun(system: str | None, history: Iterable[MessageLike]) -> tuple[Message, ...]:
    """Return a history that begins with a system message, if there is one. Raises `UsageError`."""
    said = tuple(history) if _are_several(history) else history
    messages = as_messages(said) if said != () else ()
    if system is None:
        return messages
    if messages and messages[0].role == "system":
        raise UsageError(
            "there are two system messages: the history begins with one",
            hint="Leave system out, or set chat.system afterwards",
        )
    return as_messages((Message("system", system), *messages))


def _are_several(history: object) -> bool:
    return isinstance(history, Iterable) and not isinstance(history, str | Mapping)


async def _taken_up(model: Model, path: Path) -> KeptState:
    try:
        return KeptState(await model.load_state(path))
    except (Unsupported, UsageError, LoadError) as error:
        return KeptState(reason=str(error))
