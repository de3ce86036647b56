"""What authors of backends get wrong is told as theirs, and hurts nothing else."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import anyio
import pytest
from penstock import (
    Activity,
    BatchingEngine,
    BlockingEngine,
    Capabilities,
    Delta,
    Engine,
    Finish,
    ModelInfo,
    Prefill,
    Report,
    Token,
)
from penstock.errors import BackendBug, EngineError
from penstock.testing import EchoBatchEngine, EchoEngine, EchoThreadEngine, hosted

pytestmark = pytest.mark.anyio


class Panic(BaseException):
    """What a library of another language fails with."""


def blocking(generate: Callable[..., object]) -> BlockingEngine:
    members = {"generate": generate, "info": ModelInfo(name="made")}
    return type("Made", (BlockingEngine,), members)()


def asynchronous(generate: Callable[..., object]) -> Engine:
    return type("Made", (Engine,), {"generate": generate, "info": ModelInfo(name="made")})()


async def error_of(engine) -> Exception:
    """Return what a generation fails with; the model is usable afterwards, and closed."""
    with anyio.fail_after(10):
        async with hosted(engine) as model:
            with pytest.raises((BackendBug, EngineError)) as caught:
                await model.complete("hello")
            await model.complete("x", max_tokens=1).aclose()
            return caught.value


# what generate() is


def of_no_argument(self):
    yield "x"


def of_three(self, request, cancel, more):
    yield "x"


@pytest.mark.parametrize("make", [blocking, asynchronous])
@pytest.mark.parametrize("generate", [of_no_argument, of_three])
async def test_a_wrong_signature_is_the_backends_bug(make, generate):
    error = await error_of(make(generate))
    assert type(error) is BackendBug
    assert "a wrong signature: " in str(error)
    assert f"{generate.__name__}()" in str(error)


async def test_a_type_error_inside_an_engine_is_its_failure():
    def generate(self, request, cancel):
        return iter(len(5))

    error = await error_of(blocking(generate))
    assert type(error) is EngineError
    assert isinstance(error.__cause__, TypeError)


async def nothing(*_):
    return None


def plain(*_):
    return None


@pytest.mark.parametrize(
    ("make", "generate", "said"),
    [
        (blocking, plain, "returned None. It must yield events"),
        (blocking, nothing, "returned <coroutine .*It must yield events"),
        (asynchronous, plain, "returned None. It must yield events, as an async"),
        (asynchronous, nothing, "returned <coroutine .*It must yield events, as an async"),
        (asynchronous, lambda *_: ["x"], r"returned \['x'\]. It must yield events, as an async"),
    ],
)
async def test_what_is_no_stream_is_the_backends_bug(make, generate, said):
    error = await error_of(make(generate))
    assert type(error) is BackendBug
    assert re.search(said, str(error))


# what it yields


@pytest.mark.parametrize("make", [blocking, asynchronous])
@pytest.mark.parametrize(
    "event",
    [
        None,
        3,
        {"text": "x"},
        Finish,
        Token(1, "text"),
        Token(b"x", 1),
        Delta(None),
        Delta(b"x"),
        Prefill(None, None),
        Report(["x"]),
        Finish("eos"),
        Finish(None),
        Finish("stopped"),
        Finish("stop", {"prompt_tokens": 3}),
    ],
    ids=repr,
)
async def test_what_is_no_event_is_told_with_its_value(make, event):
    def generate(self, request, cancel):
        yield "so far"
        yield event

    async def generate_async(self, request):
        yield "so far"
        yield event

    error = await error_of(make(generate if make is blocking else generate_async))
    assert type(error) is BackendBug
    assert f"the engine yielded {event!r}" in str(error)
    assert error.partial.text == "so far"


async def test_a_delta_that_is_passed_on_untouched_is_text_too():
    class Shaping(EchoThreadEngine):
        def generate(self, request, cancel):
            yield Delta(b"bytes")

    engine = Shaping()
    engine.info = ModelInfo(name="made", capabilities=Capabilities(shapes=True))
    assert type(await error_of(engine)) is BackendBug


# what it says of itself


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Capabilities(parallel=0), r"Capabilities\(parallel=0\)"),
        (lambda: Capabilities(parallel="4"), r"parallel='4'.*a whole number, or None"),
        (lambda: Capabilities(options=["seed"]), r"options=\['seed'\].*a frozenset of names"),
        (lambda: Capabilities(options="seed"), r"options='seed'.*a frozenset of names"),
        (lambda: ModelInfo(name=None), r"ModelInfo\(name=None\). It must be a text"),
        (lambda: ModelInfo(name="x", capabilities=None), "It must be Capabilities"),
        (lambda: ModelInfo(name="x", context_length="9"), "context_length='9'.*a whole number"),
        (lambda: ModelInfo(name="x", chat_template=3), "chat_template=3.*the text of a template"),
        (lambda: ModelInfo(name="x", defaults={}), r"defaults=\{\}.*a Sampling"),
        (lambda: ModelInfo(name="x", details=None), "details=None.*a mapping"),
    ],
)
async def test_a_description_that_cannot_be_is_the_backends_bug(made, said):
    with pytest.raises(BackendBug, match=said):
        made()


# its other calls


@pytest.mark.parametrize("error", [ValueError("broken"), StopIteration("broken"), Panic("broken")])
async def test_what_else_an_engine_is_asked_for_fails_with_an_engine_error(error, tmp_path):
    def fail(self, *_):
        raise error

    names = ("tokenize", "detokenize", "embed", "save_state", "load_state")
    engine = type("Made", (EchoThreadEngine,), dict.fromkeys(names, fail))()
    async with hosted(engine) as model:
        for call in (
            lambda: model.tokenize("x"),
            lambda: model.detokenize([1]),
            lambda: model.embed(["x"]),
            lambda: model.save_state(tmp_path / "x", "x"),
            lambda: model.load_state(tmp_path / "x"),
        ):
            with pytest.raises(EngineError, match=r"'echo' could not .*(broken|StopIteration)"):
                await call()
        assert (await model.complete("as before")).text == "as before"


@pytest.mark.parametrize("error", [ValueError("stuck"), Panic("stuck")])
@pytest.mark.parametrize("kind", [EchoEngine, EchoThreadEngine, EchoBatchEngine])
async def test_an_engine_that_cannot_be_closed_is_the_backends_bug(kind, error):
    def close(self):
        super(kind, self).close()
        raise error

    async def aclose(self):
        raise error

    made = type("Made", (kind,), {"aclose": aclose} if kind is EchoEngine else {"close": close})()
    with pytest.raises(BackendBug, match=r"'echo' could not be closed: .*stuck") as caught:
        async with hosted(made) as model:
            await model.complete("x")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio's nobody else can raise
async def test_an_engine_that_lets_out_a_cancellation_of_its_own_has_failed(anyio_backend):
    async def generate(self, request):
        yield "so far"
        raise asyncio.CancelledError

    error = await error_of(asynchronous(generate))
    assert type(error) is EngineError
    assert error.partial.text == "so far"


# engines that batch


class Batching(BatchingEngine):
    info = ModelInfo(name="made")

    def __init__(self, submit):
        self.submitted = submit

    def submit(self, ticket):
        self.submitted(ticket)

    def activity(self):
        return Activity(0, 0)

    def close(self):
        pass


@pytest.mark.parametrize("end", ["it failed", ValueError])
async def test_a_ticket_that_is_ended_with_no_error_ends_all_the_same(end):
    error = await error_of(Batching(lambda ticket: ticket.end(end)))
    assert type(error) is BackendBug
    assert f"a ticket was ended with {end!r}" in str(error)


async def test_a_panic_in_submit_reaches_the_reader():
    def submit(ticket):
        raise Panic("out of bounds")

    error = await error_of(Batching(submit))
    assert type(error) is EngineError
    assert isinstance(error.__cause__, Panic)
