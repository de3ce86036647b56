"""One typed answer, the same from every backend: in this process, and from servers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import penstock
import pytest
from penstock.errors import IncompleteAnswer, InvalidAnswer
from penstock.loading import Loading
from penstock_openai.testing import FaultServer, finish, stream, text
from pydantic import (
    UUID4,
    AnyUrl,
    BaseModel,
    ConfigDict,
    Field,
    IPvAnyAddress,
    SecretStr,
    TypeAdapter,
)
from typing_extensions import TypedDict

from tests.openai.real import llama_cpp_server

pytestmark = pytest.mark.anyio

TALK = [{"role": "user", "content": "Who is at the lake?"}]


class Mood(Enum):
    HAPPY = "happy"
    SAD = "sad"


class Place(BaseModel):
    name: Literal["lake", "park"]
    far: bool


class Person(BaseModel):
    """Somebody in a story."""

    name: Annotated[str, Field(max_length=8, pattern="^[A-Z][a-z]{1,7}$")]
    age: Annotated[int, Field(ge=1, le=99)]
    mood: Mood
    place: Place | None
    friends: Annotated[list[Literal["Ada", "Ben"]], Field(max_length=2)]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with llama_cpp_server(tmp_path_factory.mktemp("server"), n_ctx=1024) as url:
        yield url


@pytest.fixture
def obeying() -> Iterator[str]:
    """A server that gives a good answer to whoever asks for a person, in pieces."""
    good = Person(name="Mia", age=7, mood=Mood.HAPPY, place=None, friends=["Ben"])
    said = good.model_dump_json()
    pieces = [said[at : at + 5] for at in range(0, len(said), 5)]
    with FaultServer(lambda received: stream(*map(text, pieces), finish())) as server:
        yield server.url


@pytest.fixture(params=["llamacpp", "ctransformers", "a real server", "a scripted server"])
def model(request: pytest.FixtureRequest) -> Loading:
    match request.param:
        case "a real server":
            url = request.getfixturevalue("real")
            return penstock.load("openai:", options={"base_url": url, "context_length": 1024})
        case "a scripted server":
            options = {"base_url": request.getfixturevalue("obeying"), "flavor": "vllm"}
            return penstock.load("openai:any", options=options)
        case backend:
            return penstock.load(f"{backend}:pocket:")


@pytest.fixture(params=["asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    """One loop: what differs here is the backends."""
    return request.param


async def test_the_same_call_gives_a_person_everywhere(model: Loading) -> None:
    async with model as loaded:
        answer = loaded.chat(TALK, schema=Person, temperature=0.7, seed=3, max_tokens=400)
        states = [state async for state in answer.partials()]
        done = answer.completion
    assert isinstance(done.parsed, Person)
    assert Person.model_validate_json(done.text) == done.parsed
    assert states[-1] is done.parsed
    assert all(isinstance(state, dict) for state in states[:-1])
    assert len(states) > 3


async def test_a_cut_answer_is_the_same_error_everywhere(model: Loading) -> None:
    async with model as loaded:
        with pytest.raises(IncompleteAnswer) as caught:
            await loaded.chat(TALK, schema=Person, max_tokens=3)
        assert caught.value.reason == "length"
        assert caught.value.partial.text
        assert (await loaded.chat(TALK, schema=Person, max_tokens=400, seed=3)).parsed.age > 0


async def test_a_task_gives_a_person_everywhere(model: Loading) -> None:
    examples = [
        (
            "Al is sad, nine, and at the park. He is alone.",
            {
                "name": "Al",
                "age": 9,
                "mood": "sad",
                "place": {"name": "park", "far": False},
                "friends": [],
            },
        )
    ]
    async with model as loaded:
        extract = loaded.task("Extract the person.", schema=Person, examples=examples)
        done = await extract("Mia is seven and happy.", max_tokens=400, seed=5)
    assert isinstance(done.parsed, Person)


# what pydantic makes of types, under the grammars of the engines in this process


@dataclass
class Simple:
    name: Literal["Mia", "Ben"]
    age: Literal[7, 8] = 7


class Point(TypedDict):
    x: Annotated[int, Field(ge=0, le=9)]
    y: Annotated[int, Field(ge=0, le=9)]


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: Literal[7, 9]


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


class Tree(BaseModel):
    name: Literal["oak", "elm"]
    inner: Tree | None = Field(default=None, description="Within it")


class Around(BaseModel):
    model_config = ConfigDict(regex_engine="python-re")
    text: Annotated[str, Field(pattern=r"^(?!x)[a-z]*$", max_length=0)]


Lower = Annotated[str, Field(pattern="^[a-z]{1,3}$")]
Short = Annotated[str, Field(max_length=5, pattern="^[a-z]+$")]
TYPES: dict[str, Any] = {
    "a dataclass": Simple,
    "a typed dict": Point,
    "a union told apart by a field": Annotated[Cat | Dog, Field(discriminator="kind")],
    "a union": Cat | Dog | None,
    "a recursive model": Tree,
    "a list": Annotated[list[Point], Field(min_length=1, max_length=2)],
    "a set": Annotated[set[Literal[1, 2, 3]], Field(min_length=1, max_length=3)],
    "a tuple": tuple[Literal["a", "b"], bool],
    "a mapping": dict[Literal["a", "b"], bool],
    "a mapping of names": Annotated[dict[Lower, bool], Field(min_length=1, max_length=2)],
    "a literal": Literal["yes", "no"],
    "an enum": Mood,
    "a date": date,
    "a uuid": UUID,
    "a uuid of a version": UUID4,
    "a decimal": Annotated[Decimal, Field(ge=0, le=9, multiple_of=1)],
    "a price": Annotated[Decimal, Field(ge=0, max_digits=3, decimal_places=1)],
    "a pattern": Short,
    "a pattern that looks around": Around,
    "nothing": None | bool,
}
ENDLESS = [
    Path, AnyUrl, SecretStr, bytes, datetime, timedelta, time, float, str, dict[str, Any], Any,
    dict[int, str], IPvAnyAddress, list[list[Decimal]],
]  # fmt: skip
"""Types whose values may be long: that they can be begun is enough."""


@pytest.mark.parametrize("backend", ["llamacpp", "ctransformers"])
async def test_every_kind_of_type_binds_an_engine(backend: str) -> None:
    async with penstock.load(f"{backend}:pocket:") as model:
        for name, wanted in TYPES.items():
            done = await _first(model, wanted)
            again = TypeAdapter(wanted).validate_json(done.text)
            assert (done.parsed, type(done.parsed)) == (again, type(again)), name


@pytest.mark.parametrize("backend", ["llamacpp", "ctransformers"])
async def test_a_type_of_long_values_binds_an_engine_too(backend: str) -> None:
    async with penstock.load(f"{backend}:pocket:") as model:
        for wanted in ENDLESS:
            with pytest.raises((IncompleteAnswer, InvalidAnswer)):
                await model.complete("Once", schema=list[wanted], max_tokens=1, seed=1)


async def _first(model: penstock.Model, wanted: object) -> penstock.Completion:
    """Return an answer: a small model may well write an endless one."""
    for seed in range(20):
        try:
            return await model.complete("Once", schema=wanted, seed=seed, max_tokens=150)
        except IncompleteAnswer:
            continue
    raise AssertionError(f"{wanted!r} never came to an end")


class Never(BaseModel):
    value: Literal[1, 2]

    def model_post_init(self, context: object) -> None:
        raise ValueError("never right")


@pytest.mark.parametrize("backend", ["llamacpp", "ctransformers"])
async def test_a_validator_has_the_last_word(backend: str) -> None:
    async with penstock.load(f"{backend}:pocket:") as model:
        with pytest.raises(InvalidAnswer, match="never right") as caught:
            await model.complete("Once", schema=Never)
        assert json.loads(caught.value.partial.text)["value"] in (1, 2)
        assert (await model.complete("Once", schema=Simple, max_tokens=60)).parsed.age in (7, 8)


BINDINGS: list[tuple[dict[str, Any], Callable[[str], bool]]] = [
    ({"choices": ("red", "green")}, lambda text: text in {"red", "green"}),
    ({"regex": "[0-2]\\d:[0-5]\\d"}, lambda text: len(text) == 5 and text[2] == ":"),
    ({"grammar": 'start: "a" | "b"'}, lambda text: text in {"a", "b"}),
    ({"grammar": 'root ::= "a" | "b"'}, lambda text: text in {"a", "b"}),
]


@pytest.mark.parametrize("backend", ["llamacpp", "ctransformers"])
@pytest.mark.parametrize(("options", "right"), BINDINGS)
async def test_the_other_kinds_mean_the_same_on_both_engines(backend, options, right) -> None:
    async with penstock.load(f"{backend}:pocket:") as model:
        done = await model.complete("Once upon a time", max_tokens=20, seed=1, **options)
        assert right(done.text)
        assert done.parsed == done.text
        with pytest.raises(IncompleteAnswer):
            await model.complete("Once upon a time", max_tokens=3, regex="[a-z]{60}")


@pytest.mark.parametrize("backend", ["llamacpp", "ctransformers"])
async def test_the_beginning_of_a_task_is_evaluated_once(backend: str) -> None:
    examples = [("Al, 8", Simple("Ben", 8)), ("Bo, 7", Simple("Mia", 7))]
    async with penstock.load(f"{backend}:pocket:") as model:
        task = model.task("Tell who it is. Be exact.", schema=Simple, examples=examples)
        first = await task("Mia, 7", max_tokens=60)
        second = await task("Ben, 8", max_tokens=60)
        shared = await model.chat([*task.prefix, {"role": "user", "content": "x"}], max_tokens=1)
    assert first.usage.cached_tokens == 0
    begun = shared.usage.prompt_tokens - 4  # the question, its end, and who answers
    assert second.usage.cached_tokens >= begun > 30
