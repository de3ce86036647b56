"""Tasks: what a call of one says, and what is refused when it is made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, replace

import anyio
import pytest
from penstock import Message, Sampling, Task
from penstock.errors import IncompleteAnswer, Unsupported, UsageError
from penstock.request import ENGINE_OPTIONS
from penstock.testing import EchoEngine, hosted

from .bound import answering

pytestmark = pytest.mark.anyio


@dataclass
class Person:
    name: str
    age: int


MIA = ('{"name": ', '"Mia", ', '"age": 7}')
EXAMPLES = [("Al is nine.", Person("Al", 9)), ("Bo, 4", {"name": "Bo", "age": 4})]


async def test_a_call_says_the_instruction_the_examples_and_the_text():
    asked = []

    def script(request):
        asked.append(request)
        return MIA

    engine = EchoEngine(script)
    able = replace(engine.info.capabilities, options=ENGINE_OPTIONS, messages=True)
    engine.info = replace(engine.info, capabilities=able)
    async with hosted(engine) as model:
        extract = model.task("Extract the person.", schema=Person, examples=EXAMPLES, seed=5)
        done = await extract("Mia is seven.", max_tokens=30)
    assert done.parsed == Person("Mia", 7)
    assert asked[0].messages == (
        Message("system", "Extract the person."),
        Message("user", "Al is nine."),
        Message("assistant", '{"name": "Al", "age": 9}'),
        Message("user", "Bo, 4"),
        Message("assistant", '{"name": "Bo", "age": 4}'),
        Message("user", "Mia is seven."),
    )
    assert (asked[0].sampling.seed, asked[0].sampling.max_tokens) == (5, 30)


async def test_it_is_used_again_and_never_changes():
    async with answering(*MIA) as model:
        task = model.task("Extract the person.", schema=Person)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(task("Mia is seven.").read)
        async for item in task("Mia is seven.").partials():
            last = item
        assert last == (await task.run("Mia is seven.")).parsed == Person("Mia", 7)
        assert task.prefix == (Message("system", "Extract the person."),)
        with pytest.raises(dataclasses.FrozenInstanceError):
            task.prefix = ()


async def test_a_system_message_of_its_own_comes_first():
    async with answering() as model:
        task = model.task("Extract the person.", system="You are exact.")
    assert task.prefix == (Message("system", "You are exact.\n\nExtract the person."),)
    assert isinstance(task, Task)


async def test_choices_and_free_text_are_tasks_too():
    async with answering("po", "sitive") as model:
        mood = model.task(
            "What is the mood?", choices=("positive", "negative"), examples=[("Bad.", "negative")]
        )
        assert (await mood("I love it.")).parsed == "positive"
        assert (await model.task("Sum it up.", examples=[("a b", "a")])("long")).parsed is None


async def test_a_call_that_is_cut_is_an_error_and_the_next_one_works():
    async with answering(*MIA) as model:
        task = model.task("Extract the person.", schema=Person)
        with pytest.raises(IncompleteAnswer):
            await task("Mia is seven.", max_tokens=1)
        assert (await task("Mia is seven.")).parsed.age == 7


@pytest.mark.parametrize(
    ("examples", "words"),
    [
        ([("Al", {"name": "Al"})], "example 0 answers .*: age: Field required"),
        ([EXAMPLES[0], ("Al", "nobody")], "example 1 answers 'nobody'"),
        (["Al"], "example 0 is 'Al'"),
        ([5], "example 0 is 5"),
    ],
)
async def test_an_example_that_no_call_could_give_is_refused_when_the_task_is_made(examples, words):
    async with answering() as model:
        with pytest.raises(UsageError, match=words) as caught:
            model.task("Extract the person.", schema=Person, examples=examples)
    assert caught.value.hint is not None


async def test_examples_follow_what_binds_all_calls():
    async with answering(sampling=Sampling(schema={"type": "integer"})) as model:
        assert model.task("Count.", examples=[("a a", 2)]).prefix[-1] == Message("assistant", "2")
        with pytest.raises(UsageError, match="is not of type 'integer'"):
            model.task("Count.", examples=[("a a", "two")])


async def test_what_no_call_could_do_is_refused_when_the_task_is_made():
    async with answering() as model:
        with pytest.raises(UsageError, match="did you mean|Did you mean 'schema'"):
            model.task("Extract.", schemas=Person)
        with pytest.raises(UsageError, match="unknown option 'top_q'"):
            model.task("Extract.")("Mia", top_q=1)
    engine = EchoEngine()
    engine.info = replace(engine.info, chat_template=None)
    async with hosted(engine) as model:
        with pytest.raises(Unsupported, match="no chat template"):
            model.task("Extract.")


def test_in_the_facade_it_is_the_same():
    with_sync = answering(*MIA)
    from penstock.sync import Loading

    with Loading(with_sync) as model:
        task = model.task("Extract the person.", schema=Person, examples=EXAMPLES)
        assert task("Mia is seven.").result().parsed == Person("Mia", 7)
        assert list(task("Mia").partials())[-1] == Person("Mia", 7)
