"""User code, for type checkers: every public call, and the type that comes out of it."""

from __future__ import annotations

import queue
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict, assert_type

import anyio
import penstock
from penstock import (
    Activity,
    Backend,
    BackendDeclaration,
    BlockingEngine,
    CancelFlag,
    Capabilities,
    Chat,
    Completion,
    Constraint,
    ContextReport,
    Deadlines,
    Delta,
    Embeddings,
    Engine,
    EngineEvent,
    Finding,
    Finish,
    Generation,
    KeptState,
    LoadProgress,
    Message,
    Model,
    ModelInfo,
    ModelSpec,
    Prefill,
    PresetDeclaration,
    Problem,
    Progress,
    ProgressSink,
    Registry,
    Request,
    Sampling,
    Segment,
    SourceContext,
    SourceDeclaration,
    Stage,
    StoredModel,
    Task,
    Token,
    Tool,
    ToolCall,
    Usage,
    hookimpl,
)
from penstock.config import Config, Origin, Setting
from penstock.testing import LAWS, EchoEngine, EchoOptions, Subject, hosted
from pydantic import BaseModel

# loading and calling


def on_progress(progress: LoadProgress) -> None:
    assert_type(progress.phase, str)
    assert_type(progress.fraction, float)
    assert_type(progress.bytes, int | None)
    assert_type(progress.total, int | None)
    assert_type(progress.rate, float | None)
    assert_type(progress.file, str | None)
    assert_type(progress.sha256, str | None)


async def load_and_complete() -> None:
    loading = penstock.load(
        "backend:source",
        device="cpu",
        options={"n": 1, "flag": True, "name": "x", "share": 0.5},
        sampling=Sampling(temperature=0.7, stop=["END"]),
        deadlines=Deadlines(load=30, idle=10.0),
        unsupported="warn",
        on_progress=on_progress,
        registry=Registry.installed(),
    )
    async for progress in loading.progress():
        assert_type(progress, LoadProgress)
    async with loading as model:
        assert_type(model, Model)
        assert_type(model.info, ModelInfo)
        assert_type(model.running, int)
        assert_type(model.complete("Hi"), Generation)
        assert_type(await model.complete("Hi", max_tokens=8), Completion)
        assert_type(await model.tokenize("Hi"), list[int])
        assert_type(await model.detokenize([1, 2]), bytes)
        assert_type(await model.embed(["Hi"]), Embeddings)
        every = model.complete(
            [Segment("<s>", control=True), Segment("Hi")],
            temperature=0,
            top_k=40,
            top_p=0.95,
            min_p=0.05,
            repeat_penalty=1.1,
            presence_penalty=0.1,
            frequency_penalty=0.1,
            seed=7,
            max_tokens=60,
            stop=["a", "b"],
            include_stop=True,
            ignore_eos=False,
            deadlines=Deadlines(total=60),
            unsupported="drop",
        )
        every.stop()


async def constrained(model: Model) -> None:
    await model.complete("Hi", schema={"type": "object", "required": ["a"]})
    await model.complete("Hi", schema='{"type": "integer"}')
    await model.complete("Hi", regex="[0-9]+")
    await model.complete("Hi", choices=["yes", "no"])
    done = await model.complete("Hi", grammar='start: "yes" | "no"')
    assert_type(done.effective.constraint, Constraint | None)


@dataclass
class Person:
    name: str
    age: int


class Point(TypedDict):
    x: int


class Pet(BaseModel):
    name: str


async def structured(model: Model, chat: Chat) -> None:
    done = await model.complete("Hi", schema=Person, max_tokens=9)
    assert_type(done, Completion[Person])
    assert_type(done.parsed.age, int)
    assert_type((await model.chat([Message("user", "Hi")], schema=Person)).parsed, Person)
    assert_type((await chat.send("Hi", schema=list[int])).parsed, list[int])
    assert_type((await model.complete("Hi", schema={"type": "integer"})).parsed, Any)
    assert_type((await model.complete("Hi", schema=int | str)).parsed, Any)
    assert_type((await model.complete("Hi", schema=Literal["a", "b"])).parsed, Any)
    assert_type((await model.complete("Hi", schema=Point)).parsed["x"], int)
    assert_type((await model.complete("Hi", schema=list[Pet])).parsed[0].name, str)
    generation = model.complete("Hi", schema=Person)
    async for state in generation.partials(growing=True):
        assert_type(state, Any)
    assert_type(generation.completion.parsed, Person)
    assert_type(generation.formed, bool)
    assert_type(generation.constraint, Constraint | None)
    task = model.task("Extract.", schema=Person, examples=[("Al, 9", Person("Al", 9))], seed=1)
    assert_type(task, Task[Person])
    assert_type(await task("Mia is seven", max_tokens=9), Completion[Person])
    assert_type(task.run("Mia is seven"), Generation[Person])
    assert_type(model.task("Mood?", choices=("good", "bad"), system="Be exact."), Task)
    try:
        await task("Mia is seven", deadlines=Deadlines(total=9), unsupported="warn")
    except penstock.IncompleteAnswer as cut:
        print(cut.reason, cut.partial)
    except penstock.InvalidAnswer as wrong:
        print(wrong.__cause__)


def structured_in_threads(model: penstock.sync.Model) -> None:
    assert_type(model.complete("Hi", schema=Person).result(), Completion[Person])
    assert_type(model.chat([Message("user", "Hi")], schema=Person).result().parsed, Person)
    assert_type(model.task("Extract.", schema=Person)("Mia").result().parsed, Person)


async def read(model: Model) -> None:
    async with model.complete("Hi", stop="END") as generation:
        async for delta in generation:
            assert_type(delta, Delta)
            assert_type(delta.text, str)
            assert_type(delta.tokens, int)
            assert_type(delta.ids, tuple[int, ...])
            break
    await generation.idle()
    assert_type(generation.text, str)
    assert_type(generation.ended, bool)
    done = generation.completion
    assert_type(done.usage, Usage)
    assert_type(done.usage.total_tokens, int)
    assert_type(done.timings.ttft, float | None)
    assert_type(done.effective, Sampling)
    assert_type(done.stop_sequence, str | None)
    assert_type(done.warnings, tuple[str, ...])
    if done.finish_reason == "stop_sequence":
        print(done.text)


# stages and receivers


def told(progress: Progress) -> None:
    assert_type(progress.tokens_per_second, float)


class Upper(Stage[Delta, str]):
    def feed(self, item: Delta) -> Iterable[str]:
        return (item.text.upper(),)


async def stages(model: Model) -> None:
    assert_type(await model.complete("Hi").read(), str)
    assert_type(await model.complete("Hi").collect(), list[Delta])
    assert_type(await model.complete("Hi").words().collect(), list[str])
    assert_type(await model.complete("Hi").through(Upper()).collect(), list[str])
    piped = model.complete("Hi").until("END", include=True).buffered(tokens=5).take(3)
    async for delta in piped.tap(lambda delta: len(delta.text) < 9).progress(told, tokens=10):
        assert_type(delta, Delta)
    async for sentence in model.complete("Hi").sentences():
        assert_type(sentence, str)
    async for paragraph in model.complete("Hi").paragraphs().take(1):
        assert_type(paragraph, str)
    async for line in model.complete("Hi").sse():
        assert_type(line, str)
    async for line in model.complete("Hi").ndjson():
        assert_type(line, str)
    one, other = model.complete("Hi").tee()
    assert_type(await one.collect(), list[Delta])
    await other.aclose()


async def receivers(model: Model) -> None:
    send, receive = anyio.create_memory_object_stream[Delta](8)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(model.complete("Hi").send_to, send)
        async for delta in receive:
            assert_type(delta, Delta)
    target: queue.Queue[str | None] = queue.Queue()
    await model.complete("Hi").words().put_to(target)


# chats


async def chats(model: Model) -> None:
    assert_type(model.chat([{"role": "user", "content": "Hi"}]), Generation)
    await model.chat([Message("system", "Be brief."), Message("user", "Hi")], temperature=0)
    chat = model.session(system="Be brief.", keep_partial=True)
    assert_type(chat, Chat)
    assert_type(await chat.send("Hi", max_tokens=8), Completion)
    assert_type(chat.history, tuple[Message, ...])
    async for delta in chat.send("And?"):
        assert_type(delta, Delta)
    assert_type(chat.undo(), tuple[Message, ...])
    assert_type(chat.fork(), Chat)
    assert_type(chat.system, str | None)
    chat.system = None
    assert_type(chat.pending, tuple[ToolCall, ...])
    assert_type(chat.send_results({"id": "text"}), Generation)
    assert_type(await chat.save("chat.json", state=True), KeptState)
    again = await model.load_session("chat.json", context="drop_oldest")
    assert_type(again, Chat)
    assert_type(again.state, KeptState | None)
    assert_type((await again.send("Hi")).context, ContextReport | None)
    assert_type(await model.render(chat.history, [Tool("look")]), tuple[Segment, ...])


def shorter(messages: tuple[Message, ...], overflow: penstock.ContextOverflow) -> list[Message]:
    return list(messages[-2:])


async def summary(messages: tuple[Message, ...]) -> str:
    return f"{len(messages)} messages"


async def policies(model: Model) -> None:
    model.session(context=shorter, history=[{"role": "user", "content": "Hi"}])
    model.session(context="summarize", summarize=summary)
    model.session(context="summarize", summarize=model.chat)
    model.session(context="summarize", summarize=lambda messages: messages[-1:])


# threads


def threads() -> None:
    with penstock.sync.load("backend:source", sampling=Sampling(seed=1)) as model:
        assert_type(model, penstock.sync.Model)
        assert_type(model.complete("Hi").result(), Completion)
        for delta in model.complete("Hi", max_tokens=3):
            assert_type(delta, Delta)
        for word in model.complete("Hi").words():
            assert_type(word, str)
        with model.complete("Hi") as generation:
            assert_type(next(iter(generation)), Delta)
        generation.wait_idle()
        chat = model.session("Be brief.")
        assert_type(chat, penstock.sync.Chat)
        assert_type(chat.send("Hi").result(), Completion)
        assert_type(chat.fork().undo(), tuple[Message, ...])
        assert_type(chat.save("chat.json"), KeptState)
        assert_type(model.load_session("chat.json"), penstock.sync.Chat)
        assert_type(model.render(chat.history), tuple[Segment, ...])
        assert_type(model.tokenize("Hi"), list[int])
        assert_type(model.embed(("Hi", "you")).vectors, tuple[Sequence[float], ...])
        model.chat([{"role": "user", "content": "Hi"}]).result()


# errors


async def errors(model: Model) -> None:
    try:
        await model.complete("Hi")
    except penstock.ContextOverflow as error:
        assert_type(error.prompt_tokens, int | None)
        assert_type(error.context_length, int | None)
    except penstock.DeadlineExceeded as error:
        assert_type(error.deadline, str)
        assert_type(error.seconds, float)
    except penstock.PenstockError as error:
        assert_type(error.partial, Completion | None)
        assert_type(error.hint, str | None)
        assert_type(error.retryable, bool)


# a plugin


class Mine(Engine):
    def __init__(self) -> None:
        capabilities = Capabilities(options=frozenset({"seed"}), parallel=None)
        self.info = ModelInfo(name="mine", capabilities=capabilities, details={"layers": 6})

    async def generate(self, request: Request) -> AsyncIterator[EngineEvent]:
        assert_type(request.text, str)
        yield Prefill(3, 3)
        yield Token(7, b"caf")
        yield "plain text"
        yield Finish("stop", Usage(prompt_tokens=3, completion_tokens=2))

    def activity(self) -> Activity:
        return Activity(running=0, tokens=2)


class MineInThreads(BlockingEngine):
    def __init__(self) -> None:
        self.info = ModelInfo(name="mine")

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        yield from request.text.split()
        if cancel or cancel.wait(0.1):
            return
        yield b"\xc3\xa9"


class MyBackend(Backend):
    async def load(self, spec: ModelSpec, progress: ProgressSink) -> Engine | BlockingEngine:
        assert_type(spec.path, Path | None)
        progress(LoadProgress("loading", 1.0))
        return Mine() if spec.device == "cpu" else MineInThreads()

    def diagnose(self) -> Iterator[Finding]:
        yield Finding("library", "1.0", ok=True)


@hookimpl
def penstock_backends() -> Iterable[BackendDeclaration]:
    yield BackendDeclaration(name="mine", factory="my_plugin:MyBackend", formats=("bin",))


@hookimpl
def penstock_sources() -> Iterable[SourceDeclaration]:
    yield SourceDeclaration(
        scheme="box",
        resolve="my_plugin:resolve",
        stored="my_plugin:stored",
        remove="my_plugin:remove",
        default=True,
    )


@hookimpl
def penstock_presets() -> Iterable[PresetDeclaration]:
    yield PresetDeclaration(name="tale-1b", target="box:tale", summary="1 GB, MIT")


def resolve(rest: str, context: SourceContext) -> Path:
    context.progress(LoadProgress("downloading", 0.5, bytes=1, total=2, rate=1.0, file=rest))
    context.assert_wanted()
    assert_type(context.cancel, CancelFlag)
    return Path(rest)


def stored(wanted: str) -> Iterable[StoredModel]:
    yield StoredModel(source=f"box:{wanted}", path=Path("x"), size=1, files=(Path("x"),))


# tests of a plugin


async def test_mine() -> None:
    async with hosted(EchoEngine(options=EchoOptions(burst=3))) as model:
        assert_type(model, Model)
    subject = Subject(load=lambda: penstock.load("mine:model"), prompt="Once")
    for law in LAWS:
        assert_type(law.number, int)
        await law.check(subject)


# configuration


def configure() -> None:
    config = Config.discovered(flags=["models.local.device=cpu"])
    assert_type(config.models, tuple[str, ...])
    assert_type(config.default, str | None)
    assert_type(Config.of({"default": "echo:"}), Config)
    assert_type(Config.read("penstock.toml"), Config)
    for given in (config, {"default": "echo:"}, "penstock.toml", Path("penstock.toml"), None):
        penstock.load("local", config=given)
        penstock.sync.load("local", config=given)
    penstock.load("echo:", config=False)
    for setting in config.of_model("local").values():
        assert_type(setting, Setting)
        assert_type(setting.origin, Origin)
        assert_type(setting.origin.line, int | None)


def mend(error: penstock.ConfigError) -> None:
    assert_type(error.problems, tuple[Problem, ...])
    for problem in error.problems:
        assert_type(problem.place, str)
        assert_type(problem.hint, str)
