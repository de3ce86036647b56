"""Bound answers: what is parsed, what is an error, and what an error leaves behind."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import anyio
import pytest
from penstock import Completion, Sampling
from penstock.errors import IncompleteAnswer, InvalidAnswer, Unsupported, UsageError
from penstock.events import Aside, Delta, Finish
from penstock.testing import EchoBatchEngine, EchoEngine, EchoThreadEngine, hosted
from pydantic import ValidationError

from .bound import answering

pytestmark = pytest.mark.anyio


@dataclass
class Person:
    name: str
    age: int


MIA = ('{"name": ', '"Mia", ', '"age": 7}')


@pytest.fixture(
    params=[EchoEngine, EchoThreadEngine, EchoBatchEngine], ids=["async", "blocking", "batching"]
)
def engine(request):
    return request.param


async def test_awaited_a_value_of_the_type_comes(engine):
    async with answering(*MIA, engine=engine) as model:
        done = await model.complete("", schema=Person)
    assert done.parsed == Person("Mia", 7)
    assert done.text == "".join(MIA)
    assert done.finish_reason == "stop"


async def test_streamed_it_is_there_at_the_end():
    async with answering(*MIA) as model:
        generation = model.complete("", schema=Person)
        assert not generation.formed
        assert "".join([delta.text async for delta in generation]) == "".join(MIA)
    assert generation.formed
    assert generation.completion.parsed == Person("Mia", 7)


async def test_in_threads_too():
    async with answering(*MIA) as model:
        done = await anyio.to_thread.run_sync(lambda: model.complete("", schema=Person).result())
    assert done.parsed == Person("Mia", 7)


@pytest.mark.parametrize(
    ("options", "steps", "expected"),
    [
        ({"schema": {"type": "object"}}, MIA, {"name": "Mia", "age": 7}),
        ({"choices": ("yes", "no")}, ("ye", "s"), "yes"),
        ({"regex": "[0-9]+"}, ("1", "2"), "12"),
        ({"grammar": 'start: "a"+'}, ("a", "a"), "aa"),
        ({}, ("free",), None),
    ],
)
async def test_what_is_parsed_is_what_was_asked_for(options, steps, expected):
    async with answering(*steps) as model:
        assert (await model.complete("", **options)).parsed == expected


async def test_a_type_may_be_set_for_all_calls():
    async with answering(*MIA, sampling=Sampling(schema=Person)) as model:
        assert (await model.complete("")).parsed == Person("Mia", 7)
        assert (await model.complete("", schema=dict[str, str | int])).parsed["age"] == 7


async def test_in_a_session_the_answer_is_kept_as_text():
    async with answering(*MIA) as model:
        chat = model.session()
        assert (await chat.send("Who?", schema=Person)).parsed == Person("Mia", 7)
    assert chat.history[-1].content == "".join(MIA)


# cut answers


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"schema": Person}, MIA),
        ({"schema": {"type": "object"}}, MIA),
        ({"choices": ("yes", "no")}, ("y", "e", "s")),
        ({"regex": "[0-9]+"}, "123"),
        ({"grammar": 'start: "a"+'}, "aaa"),
    ],
)
async def test_an_answer_cut_by_its_limit_is_an_error_behind_its_deltas(options, steps):
    async with answering(*steps) as model:
        generation, texts = model.complete("", max_tokens=2, **options), []
        with pytest.raises(IncompleteAnswer) as caught:
            async for delta in generation:
                texts.append(delta.text)
        assert texts == list(steps[:2])
        assert caught.value.reason == "length"
        partial = caught.value.partial
        assert partial is generation.completion
        assert (partial.text, partial.finish_reason) == ("".join(texts), "error")
        assert partial.parsed is None
        assert partial.usage.completion_tokens == 2
        with pytest.raises(IncompleteAnswer):
            await model.complete("", max_tokens=2, **options)
        assert (await model.complete("", **options)).parsed is not None


async def test_an_answer_that_just_fits_is_whole():
    async with answering(*MIA) as model:
        done = await model.complete("", schema=Person, max_tokens=3)
    assert (done.parsed, done.finish_reason) == (Person("Mia", 7), "stop")


async def test_a_cut_answer_that_is_bound_to_nothing_is_none():
    async with answering(*MIA) as model:
        done = await model.complete("", max_tokens=2)
    assert (done.finish_reason, done.parsed) == ("length", None)


async def test_an_engine_that_says_itself_that_it_cut_the_answer_is_believed():
    async with answering("1", "2", Finish("length")) as model:
        with pytest.raises(IncompleteAnswer):
            await model.complete("", regex="[0-9]+")


async def test_a_cut_turn_is_a_failed_turn():
    async with answering(*MIA) as model:
        chat = model.session("Be brief.")
        with pytest.raises(IncompleteAnswer):
            await chat.send("Who?", schema=Person, max_tokens=2)
        assert [message.role for message in chat.history] == ["system"]
        await chat.send("Who?", schema=Person)
    assert len(chat.history) == 3


async def test_a_stop_string_cuts_json_too():
    async with answering(*MIA) as model:
        with pytest.raises(IncompleteAnswer) as caught:
            await model.complete("", schema=Person, stop='"age"')
    assert caught.value.reason == "stop_sequence"
    assert caught.value.partial.text == '{"name": "Mia", '


# wrong answers


async def test_an_answer_of_another_form_is_an_error_with_pydantics_as_its_cause():
    async with answering('{"name": "Mia"}') as model:
        with pytest.raises(InvalidAnswer, match="age: Field required") as caught:
            await model.complete("", schema=Person)
        assert isinstance(caught.value.__cause__, ValidationError)
        assert caught.value.partial.text == '{"name": "Mia"}'
        assert caught.value.partial.finish_reason == "error"
        chat = model.session()
        with pytest.raises(InvalidAnswer):
            await chat.send("Who?", schema=Person)
        assert chat.history == ()


async def test_on_a_wire_an_answer_of_another_form_ends_with_the_error():
    async with answering("{}") as model:
        lines = await model.complete("", schema=Person).ndjson().collect()
        events = await model.complete("", schema=Person).sse().collect()
    assert json.loads(lines[-1])["error"]["type"] == "InvalidAnswer"
    assert events[-1].startswith("event: error")


async def test_on_a_wire_there_is_the_text_and_not_the_value():
    async with answering(*MIA) as model:
        lines = await model.complete("", schema=Person).ndjson().collect()
    finish = json.loads(lines[-1])["finish"]
    assert "parsed" not in finish
    assert json.loads(finish["effective"]["schema"])["title"] == "Person"


# no answers


async def test_a_model_that_refuses_has_given_no_answer():
    refusal = Delta("", 1, aside=Aside(refusal="I will not."))
    async with answering(refusal) as model:
        generation = model.complete("", schema=Person)
        done = await generation
    assert (done.refusal, done.parsed, done.text) == ("I will not.", None, "")
    assert not generation.formed


async def test_one_that_is_left_is_no_error():
    async with answering(*MIA) as model:
        generation = model.complete("", schema=Person)
        async for _ in generation:
            break
    assert (generation.completion.finish_reason, generation.completion.parsed) == ("stopped", None)


async def test_where_the_schema_was_dropped_nothing_is_parsed():
    async with hosted(EchoEngine(lambda request: ["free"])) as model:
        done = await model.complete("", schema=Person, unsupported="drop")
        assert (done.text, done.parsed) == ("free", None)
        assert done.warnings == ("echo does not honour schema=Person",)
        with pytest.raises(Unsupported, match="does not honour schema=Person"):
            model.complete("", schema=Person)


async def test_where_another_kind_would_do_it_is_named():
    engine = EchoEngine()
    able = replace(engine.info.capabilities, options=frozenset({"schema", "seed"}))
    engine.info = replace(engine.info, capabilities=able)
    async with hosted(engine) as model:
        with pytest.raises(
            Unsupported, match="does not honour regex='a'.*bind an answer by schema"
        ):
            model.complete("", regex="a")
        with pytest.raises(Unsupported) as caught:
            model.complete("", top_k=5)
    assert "bind" not in str(caught.value)


async def test_what_is_no_type_is_refused_at_once():
    async with answering() as model:
        with pytest.raises(UsageError, match="of which no JSON schema"):
            model.complete("", schema=Person("Mia", 7))


def test_completions_are_compared_without_what_was_parsed():
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    made = [
        Completion(text="1", finish_reason="stop", usage=usage, parsed=value) for value in (1, "1")
    ]
    assert made[0] == made[1]
    assert "parsed" not in repr(made[0])
