"""Laws 1, 2, 4 and 5: what the text of a generation is, and when it comes."""

from __future__ import annotations

from time import perf_counter

from penstock.events import Delta
from penstock.model import Model
from penstock.streams.generation import Generation
from penstock.testing.laws.law import require
from penstock.testing.subject import Subject

__all__ = ["check_characters", "check_join", "check_stop_strings", "check_streaming"]

ATTEMPTS = 3
"""Tries for what a busy machine may spoil; a backend that breaks the law fails them all."""
EARLY = 0.6
"""The share of a generation's time in which its first delta must have come."""


async def check_join(subject: Subject) -> None:
    """The deltas joined are the completion's text; awaited or streamed, it is the same."""
    async with subject.load() as model:
        awaited = await subject.greedy(model)
        generation = subject.greedy(model)
        streamed = "".join([delta.text async for delta in generation])
        require(
            streamed == generation.completion.text,
            f"joined {streamed!r}, completed {generation.completion.text!r}",
        )
        require(streamed == awaited.text, f"streamed {streamed!r}, awaited {awaited.text!r}")
        require(len(awaited.text) > 0, "there is no text; give the subject another prompt")


async def check_streaming(subject: Subject) -> None:
    """The first delta arrives while the engine still generates."""
    async with subject.load() as model:
        shares = []
        for _ in range(ATTEMPTS):
            shares.append(await _share_before_first(subject.greedy(model)))
            if shares[-1] < EARLY:
                return
    require(False, f"the first delta came after these shares of the time: {shares}")


async def check_stop_strings(subject: Subject) -> None:
    """Stop strings cut the text before the first of them, wherever tokens cut it."""
    async with subject.load() as model:
        whole = (await subject.greedy(model)).text
        require(len(whole) >= 24, f"{whole!r} is too short to look for stop strings in")
        for stops in _stops_in(whole):
            await _check_stop(subject, model, whole, stops)


async def check_characters(subject: Subject) -> None:
    """Deltas hold whole characters, and what was valid stays valid."""
    async with subject.load() as model:
        generation = subject.greedy(model, subject.unicode or subject.prompt)
        deltas: list[Delta] = [delta async for delta in generation]
        text = generation.completion.text
        for delta in deltas:
            require("\ufffd" not in delta.text, f"{delta!r} holds a replacement character")
            require(_is_encodable(delta.text), f"{delta!r} holds half a character")
        if subject.unicode is not None:
            require(not text.isascii(), f"{text!r} has no character of several bytes")


async def _share_before_first(generation: Generation) -> float:
    began = perf_counter()
    first = began
    async for delta in generation:
        if first == began and delta.text:
            first = perf_counter()
    return (first - began) / (perf_counter() - began)


def _stops_in(text: str) -> list[list[str]]:
    """Strings of several lengths from the text, alone and together, in both orders."""
    half, third = len(text) // 2, len(text) // 3
    late, early = text[half : half + 9], text[third : third + 2]
    return [[late], [early], [late, early], [early, late], [text[half], "\0"], [text[-5:]]]


async def _check_stop(subject: Subject, model: Model, whole: str, stops: list[str]) -> None:
    start = min(whole.find(stop) for stop in stops if stop in whole)
    for include in (False, True):
        options = subject.greedy_options(model)
        options |= {"stop": stops, "include_stop": include}
        generation = model.complete(subject.prompt, **options)
        text = "".join([delta.text async for delta in generation])
        done = generation.completion
        require(done.finish_reason == "stop_sequence", f"{stops!r} ended with {done!r}")
        found = done.stop_sequence
        require(found in stops, f"{stops!r} stopped at {found!r}")
        expected = whole[:start] + (found or "") * include
        require(text == expected, f"{stops!r} gave {text!r} and should give {expected!r}")


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
