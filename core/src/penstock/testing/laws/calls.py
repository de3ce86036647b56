"""Laws 3, 7, 9, 11 and 12: what a call promises about its end, its limits and its figures."""

from __future__ import annotations

from itertools import islice
from typing import get_args

import anyio

from penstock.backend import BatchingEngine, BlockingEngine, CancelFlag
from penstock.errors import ContextOverflow, PenstockError
from penstock.events import Completion, EngineEvent, Finish, UsageSource
from penstock.messages import as_segments
from penstock.model import Model
from penstock.request import Request, Sampling
from penstock.streams.generation import Generation
from penstock.testing.laws.law import LawBroken, require
from penstock.testing.record import Record
from penstock.testing.subject import Subject

__all__ = [
    "check_chat",
    "check_errors",
    "check_limits",
    "check_one_end",
    "check_usage",
]

ENGINE_REASONS = {"stop", "stop_sequence", "length", "tool_calls", "content_filter"}
MANY = 400
"""Events after which an engine has shown whether it ends."""
AFTERWARDS = 0.05
"""Seconds in which an engine that does not stop at its end delivers more."""


async def check_one_end(subject: Subject) -> None:
    """An engine ends once: nothing comes after its `Finish`, and its reason is one of ours."""
    async with subject.load() as model:
        events = await _events(subject, model)
        ends = [at for at, event in enumerate(events) if isinstance(event, Finish)]
        require(len(ends) <= 1, f"the engine finished {len(ends)} times")
        require(not ends or ends[0] == len(events) - 1, "the engine went on after its Finish")
        for at in ends:
            finish = events[at]
            assert isinstance(finish, Finish)
            require(finish.reason in ENGINE_REASONS, f"no engine ends with {finish.reason!r}")
        generation = subject.greedy(model)
        done = await generation
        require(done is await generation, "a generation awaited twice ended twice")


async def check_errors(subject: Subject) -> None:
    """An error is raised where the stream is read, and from `await`, with the text so far."""
    async with subject.load() as model:
        expected = (await subject.greedy(model)).text
        texts: list[str] = []
        _assert_can_fail(subject, model)
        streamed = _failing(subject, model)
        error = await _error_of(streamed, texts)
        partial = error.partial
        require(partial is not None, f"{error!r} lost the text so far")
        assert partial is not None
        require(partial.text == "".join(texts), f"partial {partial.text!r}, read {texts!r}")
        require(partial.finish_reason == "error", repr(partial))
        await _error_of(_failing(subject, model), None)
        again = (await subject.greedy(model)).text
        require(again == expected, f"after an error the next request gave {again!r}")


async def check_limits(subject: Subject) -> None:
    """`max_tokens` holds, and a prompt too long is refused before any work."""
    async with subject.load() as model:
        for limit in (1, 7):
            done = await subject.endless(model, max_tokens=limit)
            require(done.finish_reason == "length", f"max_tokens={limit} ended with {done!r}")
            used = done.usage.completion_tokens
            require(used <= limit, f"max_tokens={limit} gave {used} tokens")
        if model.info.context_length is not None:
            await _check_overflow(subject, model, model.info.context_length)


async def check_chat(subject: Subject) -> None:
    """Turn 2 sees turn 1; a turn that fails or is left leaves the history as it was."""
    async with subject.load() as model:
        if not model.info.chat_template and not model.info.capabilities.messages:
            return
        said, asked, expected = subject.recall or (subject.prompt, subject.prompt, "")
        chat = model.session()
        options = subject.greedy_options(model)
        await chat.send(said, **options)
        require(len(chat.history) == 2, f"after a turn: {chat.history!r}")
        before = chat.history
        async for _ in chat.send(asked, **options):
            break
        require(chat.history == before, f"a turn that was left changed it: {chat.history!r}")
        answer = await chat.send(asked, **options)
        require(expected in answer.text, f"{answer.text!r} does not hold {expected!r}")
        require(len(chat.history) == 4, f"after two turns: {chat.history!r}")


async def check_usage(subject: Subject) -> None:
    """Every completion says how many tokens it took, and who counted them."""
    async with subject.load() as model:
        generation = subject.greedy(model)
        tokens = sum([delta.tokens async for delta in generation])
        _check_figures(generation.completion, tokens)
        usage = generation.completion.usage
        if model.info.capabilities.tokenize:
            counted, told = len(await _tokenized(subject, model)), usage.prompt_tokens
            right = told == counted or usage.source == "estimated"
            require(right, f"a prompt of {counted} tokens was told as {told}")
        left = subject.endless(model)
        async for _ in left:
            break
        _check_figures(left.completion, 1)


async def _tokenized(subject: Subject, model: Model) -> list[int]:
    """Return the tokens of the prompt, of which it can be made again."""
    try:
        ids = await model.tokenize(subject.prompt)
        text = (await model.detokenize(ids)).decode("utf-8", "replace")
    except PenstockError as error:
        raise LawBroken(f"it says that it can tokenize: {error!r}") from error
    require(
        subject.prompt in text, f"{subject.prompt!r} was tokenized to {ids} and back to {text!r}"
    )
    return ids


async def _events(subject: Subject, model: Model) -> list[EngineEvent]:
    """Return all that the engine yields for a request, pulled past its end."""
    engine = model.engine
    sampling = Sampling(**subject.greedy_options(model)).over(model.info.defaults)
    request = Request(prompt=as_segments(subject.prompt), sampling=sampling)
    if isinstance(engine, BlockingEngine):
        events = engine.generate(request, CancelFlag())
        return await anyio.to_thread.run_sync(lambda: list(islice(events, MANY)))
    if isinstance(engine, BatchingEngine):
        return await _pushed(engine, request, 10 * subject.patience)
    found: list[EngineEvent] = []
    async for event in engine.generate(request):
        found.append(event)
        if len(found) == MANY:
            break
    return found


async def _pushed(engine: BatchingEngine, request: Request, seconds: float) -> list[EngineEvent]:
    record = Record(request, most=MANY)
    engine.submit(record)
    try:
        await anyio.to_thread.run_sync(record.wait, seconds)
    except TimeoutError as error:
        raise LawBroken(f"the engine told no end within {seconds:g} s") from error
    await anyio.sleep(AFTERWARDS)
    require(not record.late, f"the engine delivered {record.late!r} after the end it told")
    return record.events


def _failing(subject: Subject, model: Model) -> Generation:
    if subject.failing is not None:
        return subject.greedy(model, subject.failing)
    return model.complete(_overlong(subject, model.info.context_length or 0), max_tokens=4)


def _assert_can_fail(subject: Subject, model: Model) -> None:
    possible = subject.failing is not None or model.info.context_length is not None
    require(possible, "nothing can fail: give the subject `failing`, or the model a context length")


def _overlong(subject: Subject, context_length: int) -> str:
    return f"{subject.prompt} " * context_length


async def _error_of(generation: Generation, texts: list[str] | None) -> PenstockError:
    try:
        if texts is None:
            await generation
        else:
            async for delta in generation:
                texts.append(delta.text)
    except PenstockError as error:
        return error
    except Exception as error:
        raise LawBroken(f"{error!r} came out, which is not of penstock's tree") from error
    done = generation.completion
    raise LawBroken(
        f"an engine that failed ended in silence, or nothing failed: it ended with "
        f"{done.finish_reason!r} after {done.usage.completion_tokens} tokens"
    )


async def _check_overflow(subject: Subject, model: Model, context_length: int) -> None:
    generation = model.complete(_overlong(subject, context_length))
    try:
        await generation
    except ContextOverflow as error:
        asked, room = error.prompt_tokens, error.context_length
        right = asked is not None and room is not None and asked >= room > 0
        require(right, f"{error!r} has wrong figures: {asked!r} and {room!r}")
        require(generation.text == "", "a prompt too long was worked on")
    else:
        raise LawBroken("a prompt longer than the context was taken")


def _check_figures(done: Completion, tokens: int) -> None:
    usage = done.usage
    require(usage.prompt_tokens > 0, f"no prompt tokens: {usage!r}")
    require(usage.completion_tokens >= tokens, f"{tokens} tokens came, and {usage!r} is told")
    require(usage.source in get_args(UsageSource), f"nobody counts as {usage.source!r}")
