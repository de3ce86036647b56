"""Echo: a backend that says what a script tells it to, with every fault a stream can have.

Without a script it says the prompt back, in tokens of up to three bytes, so that characters split
over tokens; with a temperature it shuffles the words by its seed.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import count
from random import Random
from string import ascii_lowercase
from time import perf_counter
from typing import NoReturn, TypeAlias

import anyio

from penstock.backend import (
    Backend,
    BlockingEngine,
    CancelFlag,
    Capabilities,
    Engine,
    LoadProgress,
    ModelInfo,
    ModelSpec,
    OptionValue,
    ProgressSink,
)
from penstock.errors import ContextOverflow, LoadError, UsageError
from penstock.events import Embeddings, EngineEvent, Finish, Prefill, Token, Usage
from penstock.messages import PromptLike, as_segments
from penstock.request import Request, Sampling
from penstock.values import dataclass

__all__ = [
    "Echo",
    "EchoBackend",
    "EchoEngine",
    "EchoOptions",
    "EchoThreadBackend",
    "EchoThreadEngine",
    "Fail",
    "Pause",
    "Script",
    "Stall",
    "Step",
    "described",
    "loaded",
    "token_of",
    "tokens_of",
]

TOKEN_BYTES = 3
TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Pause:
    """A step of a script: wait so many seconds, or until the consumer leaves."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Stall:
    """A step of a script: never go on."""


@dataclass(frozen=True, slots=True)
class Fail:
    """A step of a script: raise this."""

    error: Exception


Step: TypeAlias = EngineEvent | Pause | Stall | Fail
Script: TypeAlias = Callable[[Request], Iterable[Step]]
"""What an echo engine does for a request, step by step; steps without a pause are a burst."""


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_seconds(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and value >= 0  # type: ignore[operator]


_KINDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "bool": (lambda value: isinstance(value, bool), "True or False"),
    "float": (_is_seconds, "a number of 0 or more"),
    "int": (_is_count, "a whole number of 0 or more"),
    "int | None": (lambda value: value is None or _is_count(value), "a whole number, or None"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoOptions:
    """How echo behaves, where a script is too much.

    delay           seconds before each burst of tokens
    burst           tokens that come at once
    fail_after      tokens after which the generation fails
    stall_after     tokens after which it never goes on
    fail_load       whether loading fails
    load_seconds    how long loading takes
    context_length  tokens of prompt and answer together
    """

    delay: float = 0.0
    burst: int = 1
    fail_after: int | None = None
    stall_after: int | None = None
    fail_load: bool = False
    load_seconds: float = 0.0
    context_length: int = 4096

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> EchoOptions:
        """Read the options of a `ModelSpec`.

        Raises `UsageError` for one that does not exist, and for a value of another kind.
        """
        kinds = {field.name: str(field.type) for field in fields(cls)}
        for name, value in options.items():
            if name not in kinds:
                raise UsageError(f"echo has no option {name!r}", hint=f"It has {', '.join(kinds)}")
            holds, expected = _KINDS[kinds[name]]
            if not holds(value):
                raise UsageError(
                    f"the echo option {name} is {value!r}", hint=f"It must be {expected}"
                )
        return cls(**options)  # type: ignore[arg-type]  # each was looked at

    def script(self, request: Request) -> Iterator[Step]:
        """Say the prompt back, with the faults asked for."""
        prompt = tokens_of(request.prompt)
        yield Prefill(0, len(prompt))
        if len(prompt) >= self.context_length:
            yield Fail(ContextOverflow(len(prompt), self.context_length))
        yield Prefill(len(prompt), len(prompt))
        yield from self._paced(_answer(request), self.context_length - len(prompt))

    def _paced(self, tokens: Iterator[bytes], room: int) -> Iterator[Step]:
        for at, data in enumerate(tokens):
            if at == room:
                yield Finish("length")
                return
            if at == self.fail_after:
                yield Fail(RuntimeError("echo was told to fail"))
            if at == self.stall_after:
                yield Stall()
            if self.delay and at % self.burst == 0:
                yield Pause(self.delay)
            yield Token(token_of(data), data, perf_counter())


class Echo:
    """What all flavours share."""

    info: ModelInfo
    script: Script

    def tokenize(self, prompt: PromptLike) -> list[int]:
        """Return a token for each three bytes of a segment."""
        return [token_of(data) for data in tokens_of(as_segments(prompt))]

    def detokenize(self, ids: list[int]) -> bytes:
        """Return the bytes again."""
        return b"".join(known.to_bytes(TOKEN_BYTES + 1, "big").lstrip(b"\0")[1:] for known in ids)

    def embed(self, texts: Sequence[str]) -> Embeddings:
        """Return how often each letter is in each text, at length 1."""
        sizes = [len(tokens_of(text)) for text in texts]
        for size in sizes:
            if size > (self.info.context_length or size):
                raise ContextOverflow(size, self.info.context_length or size)
        vectors = tuple(_unit([text.count(letter) for letter in ascii_lowercase]) for text in texts)
        return Embeddings(vectors, Usage(prompt_tokens=sum(sizes), completion_tokens=0))


class EchoEngine(Echo, Engine):
    """The asynchronous flavour: any number of generations at once."""

    def __init__(self, script: Script | None = None, *, options: EchoOptions | None = None) -> None:
        options = options or EchoOptions()
        self.script = script or options.script
        self.info = described("echo", options, parallel=None)

    async def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        """Do what the script says."""
        for step in self.script(request):
            match step:
                case Pause(seconds):
                    await anyio.sleep(seconds)
                case Stall():
                    await anyio.sleep_forever()
                case Fail(error):
                    _fail(error)
                case _:
                    yield step


class EchoThreadEngine(Echo, BlockingEngine):
    """The blocking flavour: one generation at a time, on a thread."""

    def __init__(self, script: Script | None = None, *, options: EchoOptions | None = None) -> None:
        options = options or EchoOptions()
        self.script = script or options.script
        self.info = described("echo-blocking", options, parallel=1)

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        """Do what the script says."""
        for step in self.script(request):
            if cancel:
                return
            match step:
                case Pause(seconds):
                    cancel.wait(seconds)
                case Stall():
                    while not cancel.wait(60):
                        continue
                case Fail(error):
                    _fail(error)
                case _:
                    yield step


class EchoBackend(Backend):
    """Loads an `EchoEngine`; its options are `EchoOptions`."""

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> EchoEngine:
        """Load it, in four steps of progress."""
        return EchoEngine(options=await loaded(spec, progress))


class EchoThreadBackend(Backend):
    """Loads an `EchoThreadEngine`; its options are `EchoOptions`."""

    async def load(self, spec: ModelSpec, progress: ProgressSink) -> EchoThreadEngine:
        """Load it, in four steps of progress."""
        return EchoThreadEngine(options=await loaded(spec, progress))


def tokens_of(prompt: PromptLike) -> list[bytes]:
    """Return the tokens of a prompt, as bytes; none goes over the end of a segment."""
    return [
        data for segment in as_segments(prompt) for data in _chunks(segment.text.encode("utf-8"))
    ]


def token_of(data: bytes) -> int:
    """Return the id of a token: its bytes as a number, behind a 1 that keeps leading zeros."""
    return int.from_bytes(b"\1" + data, "big")


def _unit(numbers: Sequence[float]) -> tuple[float, ...]:
    length = math.hypot(*numbers) or 1.0
    return tuple(number / length for number in numbers)


def _chunks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), TOKEN_BYTES):
        yield data[at : at + TOKEN_BYTES]


def _answer(request: Request) -> Iterator[bytes]:
    text = " ".join(s.text for s in request.prompt if not s.control)
    sampling = request.sampling
    rounds: Iterable[int] = count() if sampling.ignore_eos else range(1)
    chance = Random(sampling.seed)
    for _ in rounds:
        words = text.split(" ")
        if sampling.temperature:
            chance.shuffle(words)
        yield from _chunks((" ".join(words) or " ").encode("utf-8"))


def described(name: str, options: EchoOptions, parallel: int | None) -> ModelInfo:
    """Describe a flavour."""
    return ModelInfo(
        name="echo",
        backend=name,
        context_length=options.context_length,
        chat_template=TEMPLATE,
        device="cpu",
        capabilities=Capabilities(
            options=frozenset({"temperature", "seed", "ignore_eos"}),
            tokenize=True,
            embed=True,
            parallel=parallel,
        ),
        defaults=Sampling(temperature=0.0, ignore_eos=False),
    )


async def loaded(spec: ModelSpec, progress: ProgressSink) -> EchoOptions:
    """Load, in four steps of progress, and return the options."""
    options = EchoOptions.of(spec.options)
    for quarter in range(4):
        progress(LoadProgress("loading", quarter / 4))
        await anyio.sleep(options.load_seconds / 4)
    if options.fail_load:
        raise LoadError("echo was told to fail", hint="Leave out the option 'fail_load'")
    progress(LoadProgress("loading", 1.0))
    return options


def _fail(error: Exception) -> NoReturn:
    raise error
