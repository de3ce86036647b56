"""Laws 6 and 8: leaving frees the engine, and nobody who dawdles fills the memory."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from functools import partial

import anyio
import anyio.lowlevel

from penstock.errors import DeadlineExceeded
from penstock.events import Completion, FinishReason
from penstock.model import Model
from penstock.request import Deadlines
from penstock.streams.generation import Generation
from penstock.testing.laws.law import LawBroken, require
from penstock.testing.subject import Subject

__all__ = ["check_bounded", "check_leaving"]

READ = 3
"""Deltas read before leaving."""
DAWDLE = 0.3
"""Seconds a slow consumer does nothing."""
AHEAD = 600
"""Tokens an engine may be ahead of a consumer that reads nothing: twice the high water, about."""


async def check_leaving(subject: Subject) -> None:
    """However a consumer leaves, the engine stops, what it gave is kept, and the next one runs."""
    async with subject.load() as model:
        expected = (await subject.greedy(model)).text
        for name, (leave, reasons) in _WAYS.items():
            generation = subject.endless(model)
            texts: list[str] = []
            await leave(generation, texts)
            await _check_left(subject, model, generation, name)
            done = generation.completion
            require(done.finish_reason in reasons, f"after {name}: {done.finish_reason!r}")
            require(done.text == "".join(texts), f"after {name}: {done.text!r}, read {texts!r}")
            require(done.usage.completion_tokens >= 1, f"after {name}: {done.usage!r}")
            again = (await subject.greedy(model)).text
            require(again == expected, f"after {name} the next request gave {again!r}")
        await _check_prompt(subject, model)
        await _check_dropped(subject, model)
        await _check_deadline(subject, model)


async def check_bounded(subject: Subject) -> None:
    """A consumer that dawdles slows its own stream only, and loses nothing."""
    async with subject.load() as model:
        await _check_ahead(subject, model)
        whole = (await subject.greedy(model)).text
        slow = aiter(subject.greedy(model))
        texts = [(await anext(slow)).text]
        other = await _beside(subject, model)
        require(other.text == whole, f"beside a slow stream: {other.text!r}, alone: {whole!r}")
        texts += [delta.text async for delta in slow]
        require("".join(texts) == whole, f"read slowly: {''.join(texts)!r}, at once: {whole!r}")


async def _check_left(subject: Subject, model: Model, generation: Generation, name: str) -> None:
    with anyio.move_on_after(subject.patience) as scope:
        await generation.idle()
        while _running(model):
            await anyio.sleep(0.005)
    require(not scope.cancelled_caught, f"after {name} the engine went on")
    before = _generated(model, generation)
    await anyio.sleep(0.05)
    now = _generated(model, generation)
    require(now == before, f"after {name} the engine generated {now - before} more tokens")


def _running(model: Model) -> bool:
    activity = model.engine.activity()
    return model.running > 0 or (activity is not None and activity.running > 0)


def _generated(model: Model, generation: Generation) -> int:
    activity = model.engine.activity()
    return generation.trace.tokens if activity is None else activity.tokens


async def _check_ahead(subject: Subject, model: Model) -> None:
    generation = subject.endless(model)
    try:
        cursor = aiter(generation)
        await anext(cursor)
        before = _generated(model, generation)
        await anyio.sleep(DAWDLE)
        ahead = _generated(model, generation) - before
        require(ahead <= AHEAD, f"{ahead} tokens ahead of a consumer that reads nothing")
        if model.info.capabilities.parallel != 1:
            await _beside(subject, model)
    finally:  # a defect must not hang the end of the model too
        generation.leave()
        with anyio.move_on_after(subject.patience):  # law 6 looks at that
            await generation.idle()


async def _beside(subject: Subject, model: Model) -> Completion:
    """Return a generation made beside one that nobody reads."""
    with anyio.move_on_after(10 * subject.patience):
        return await subject.greedy(model)
    raise LawBroken("a stream that nobody reads holds up another")


async def _check_prompt(subject: Subject, model: Model) -> None:
    """A consumer may leave while the prompt, here half a context long, is being evaluated."""
    words = (model.info.context_length or 1024) // 2 // (len(subject.prompt.split()) * 2)
    generation = model.complete(f"{subject.prompt} " * max(1, words))
    with anyio.move_on_after(0.002):
        await generation
    await _check_left(subject, model, generation, "a cancelled prompt")


async def _check_dropped(subject: Subject, model: Model) -> None:
    """A generation nobody holds any more stops by itself."""
    generation = subject.endless(model)
    cursor = aiter(generation)
    await anext(cursor)
    del generation, cursor
    gc.collect()
    with anyio.move_on_after(subject.patience) as scope:
        while _running(model):
            await anyio.sleep(0.005)
    require(not scope.cancelled_caught, "after being dropped the engine went on")


async def _check_deadline(subject: Subject, model: Model) -> None:
    generation = subject.endless(model, deadlines=Deadlines(total=0.0))
    try:
        await generation
    except DeadlineExceeded as error:
        require(error.partial is not None, "a deadline lost the text so far")
    else:
        raise LawBroken("a total deadline of 0 s did not end the generation")
    require(generation.completion.finish_reason == "deadline", repr(generation.completion))
    await _check_left(subject, model, generation, "a deadline")


async def _break(generation: Generation, texts: list[str]) -> None:
    async for delta in generation:
        texts.append(delta.text)
        if len(texts) == READ:
            break


async def _raise(generation: Generation, texts: list[str]) -> None:
    class Enough(Exception):
        pass

    try:
        async with generation:
            async for delta in generation:
                texts.append(delta.text)
                if len(texts) == READ:
                    raise Enough  # noqa: TRY301  # leaving by an exception is what is looked at
    except Enough:
        return


async def _aclose(generation: Generation, texts: list[str]) -> None:
    cursor = aiter(generation)
    texts.extend([(await anext(cursor)).text for _ in range(READ)])
    await generation.aclose()


async def _stop(generation: Generation, texts: list[str]) -> None:
    async for delta in generation:
        texts.append(delta.text)
        if len(texts) == READ:
            generation.stop()


async def _take(generation: Generation, texts: list[str]) -> None:
    texts.extend([delta.text async for delta in generation.take(READ)])


async def _tap(generation: Generation, texts: list[str]) -> None:
    def enough(_delta: object) -> bool:
        return len(texts) < READ - 1

    async for delta in generation.tap(enough):
        texts.append(delta.text)  # noqa: PERF401  # the callback counts them


async def _cancel(generation: Generation, texts: list[str]) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(_read_all, generation, texts))
        while not texts:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


async def _read_all(generation: Generation, texts: list[str]) -> None:
    async for delta in generation:
        texts.append(delta.text)
        await anyio.lowlevel.checkpoint()


_Leave = Callable[[Generation, list[str]], Awaitable[None]]
_LEFT: frozenset[FinishReason] = frozenset({"stopped"})
_CANCELLED: frozenset[FinishReason] = frozenset({"cancelled", "stopped"})
"""Cancelled while it waited for the engine, or left because the loop's body was cancelled."""

_WAYS: dict[str, tuple[_Leave, frozenset[FinishReason]]] = {
    "break": (_break, _LEFT),
    "an error in the loop": (_raise, _LEFT),
    "aclose()": (_aclose, _LEFT),
    "stop()": (_stop, _LEFT),
    "take()": (_take, _LEFT),
    "a tap that returns False": (_tap, _LEFT),
    "a cancelled scope": (_cancel, _CANCELLED),
}
