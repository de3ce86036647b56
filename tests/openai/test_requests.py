"""What goes over the wire: the whole history, the right roles, options in the server's words."""

from __future__ import annotations

import math
import re

import pytest
from penstock import Request, Sampling, errors
from penstock.messages import as_messages, as_segments
from penstock_openai.body import Speech
from penstock_openai.flavors import FLAVORS
from penstock_openai.options import LoadOptions
from penstock_openai.testing import FaultServer

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}}
TALK = as_messages([{"role": "user", "content": "Hi"}])


def chat_body(flavor: str, **sampling) -> dict:
    speech = Speech("m", FLAVORS[flavor], LoadOptions.of({"base_url": "http://127.0.0.1:1/v1"}))
    return speech.body(Request(messages=TALK, sampling=Sampling(**sampling)))


def raw_body(flavor: str, **sampling) -> dict:
    speech = Speech("m", FLAVORS[flavor], LoadOptions.of({"base_url": "http://127.0.0.1:1/v1"}))
    return speech.body(Request(prompt=as_segments("Once"), sampling=Sampling(**sampling)))


@pytest.mark.anyio
async def test_a_conversation_is_sent_whole_with_its_roles(server: FaultServer, connect) -> None:
    async with connect() as model:
        chat = model.session("Be brief.")
        answers = [(await chat.send(f"Question {n}", max_tokens=4)).text for n in range(3)]
    bodies = [received.body for received in server.received]
    assert [received.path for received in server.received] == ["/v1/chat/completions"] * 3
    expected = [{"role": "system", "content": "Be brief."}]
    for n, body in enumerate(bodies):
        expected.append({"role": "user", "content": f"Question {n}"})
        assert body["messages"] == expected
        expected.append({"role": "assistant", "content": answers[n]})


@pytest.mark.anyio
async def test_a_turn_that_was_left_is_not_sent_again(server: FaultServer, connect) -> None:
    async with connect() as model:
        chat = model.session()
        async for _ in chat.send("First"):
            break
        await chat.send("Second", max_tokens=4)
    assert server.received[1].body["messages"] == [{"role": "user", "content": "Second"}]


def test_what_every_request_says() -> None:
    body = chat_body("standard")
    assert body == {
        "model": "m",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "user", "content": "Hi"}],
    }


def test_options_by_their_names_in_every_flavor() -> None:
    given = {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "repeat_penalty": 1.1}
    for flavor in FLAVORS.values():
        honoured = {name: value for name, value in given.items() if name in flavor.options}
        body = chat_body(flavor.name, **honoured)
        assert {flavor.renamed[name]: value for name, value in honoured.items()}.items() <= (
            body.items()
        )


@pytest.mark.parametrize(
    ("flavor", "ours", "theirs"),
    [
        ("vllm", "repeat_penalty", "repetition_penalty"),
        ("openrouter", "repeat_penalty", "repetition_penalty"),
        ("llama-server", "repeat_penalty", "repeat_penalty"),
        ("llama-cpp-python", "mirostat", "mirostat_mode"),
        ("llama-server", "mirostat", "mirostat"),
    ],
)
def test_names_that_differ(flavor, ours, theirs) -> None:
    body = chat_body(flavor, **{ours: 1})
    assert body[theirs] == 1
    assert ours == theirs or ours not in body


class TestLimit:
    @pytest.mark.parametrize("flavor", FLAVORS)
    def test_of_a_chat(self, flavor) -> None:
        name = "max_completion_tokens" if flavor == "openai" else "max_tokens"
        assert chat_body(flavor, max_tokens=5)[name] == 5
        assert not {"max_tokens", "max_completion_tokens"} & set(chat_body(flavor))

    @pytest.mark.parametrize(
        ("flavor", "expected"),
        [("vllm", None), ("llama-server", -1), ("llama-cpp-python", 0), ("ollama", -1)],
    )
    def test_of_a_raw_completion_that_is_to_be_as_long_as_it_likes(self, flavor, expected) -> None:
        """Otherwise several servers stop after 16 tokens."""
        assert raw_body(flavor)["max_tokens"] == expected
        assert raw_body(flavor, max_tokens=5)["max_tokens"] == 5

    def test_of_a_raw_completion_elsewhere(self) -> None:
        assert "max_tokens" not in raw_body("standard")


class TestBiases:
    def test_ban_in_the_words_of_the_standard(self) -> None:
        body = chat_body("standard", logit_bias={5: 1.5, 7: -math.inf, 9: -500})
        assert body["logit_bias"] == {"5": 1.5, "7": -100.0, "9": -500}

    def test_in_the_words_of_llama_server(self) -> None:
        body = chat_body("llama-server", logit_bias={5: 1.5, 7: -math.inf})
        assert body["logit_bias"] == [[5, 1.5], [7, False]]

    @pytest.mark.parametrize("flavor", ["ollama", "tgi"])
    def test_are_refused_where_they_are_ignored(self, flavor) -> None:
        assert "logit_bias" not in FLAVORS[flavor].options


def test_nothing_is_made_smaller_in_silence() -> None:
    """A server that tells fewer alternatives refuses, and says so."""
    assert chat_body("standard", logprobs=50)["top_logprobs"] == 50


class TestGuides:
    def test_a_schema(self) -> None:
        named = {"name": "answer", "schema": SCHEMA}
        expected = {"type": "json_schema", "json_schema": named}
        assert chat_body("standard", schema=SCHEMA)["response_format"] == expected
        assert chat_body("vllm", schema=SCHEMA)["response_format"] == expected
        assert chat_body("llama-server", schema=SCHEMA)["response_format"] == expected
        assert raw_body("llama-server", schema=SCHEMA)["json_schema"] == SCHEMA
        closed = {**SCHEMA, "additionalProperties": False, "required": ["n"]}
        told = {"name": "answer", "schema": closed, "strict": True}
        strict = {"type": "json_schema", "json_schema": told}
        assert chat_body("openai", schema=SCHEMA)["response_format"] == strict
        older = {"type": "json_object", "schema": SCHEMA}
        assert chat_body("llama-cpp-python", schema=SCHEMA)["response_format"] == older

    def test_a_schema_where_raw_completions_take_none(self) -> None:
        with pytest.raises(errors.Unsupported, match="in chats only"):
            raw_body("llama-cpp-python", schema=SCHEMA)

    def test_the_others(self) -> None:
        assert chat_body("vllm", regex="[0-9]+")["structured_outputs"] == {"regex": "[0-9]+"}
        assert chat_body("vllm", choices=["a", "b"])["structured_outputs"] == {"choice": ["a", "b"]}
        assert chat_body("sglang", regex="[0-9]+")["regex"] == "[0-9]+"
        grammar = 'root ::= "a"'
        assert chat_body("llama-server", grammar=grammar)["grammar"] == grammar
        assert chat_body("sglang", grammar=grammar)["ebnf"] == grammar

    def test_choices_as_a_grammar(self) -> None:
        body = chat_body("llama-server", choices=['say "no"', "back\\slash", "two\nlines", "né"])
        assert body["grammar"] == (r'root ::= "say \"no\"" | "back\\slash" | "two\x0alines" | "né"')

    def test_choices_as_an_expression(self) -> None:
        body = chat_body("sglang", choices=["a.b", "1+1 (two)", "back\\slash", "né"])
        assert body["regex"] == r"a\.b|1\+1 \(two\)|back\\slash|né"
        assert [re.fullmatch(body["regex"], text) is not None for text in ("a.b", "axb")] == [
            True,
            False,
        ]

    @pytest.mark.parametrize("flavor", ["llama-server", "sglang"])
    def test_a_grammar_in_lark_is_refused(self, flavor) -> None:
        with pytest.raises(errors.Unsupported, match="GBNF"):
            chat_body(flavor, grammar='start: "a"')

    def test_nobody_is_asked_for_what_it_ignores(self) -> None:
        guides = {flavor.name: set(flavor.guides) for flavor in FLAVORS.values()}
        assert guides["standard"] == guides["openai"] == guides["ollama"] == {"schema"}
        assert guides["vllm"] == {"schema", "regex", "choices", "grammar"}


class TestTools:
    def test_are_functions(self) -> None:
        tools = [{"name": "look", "description": "Look.", "parameters": SCHEMA}]
        body = chat_body("standard", tools=tools, tool_choice="look")
        assert body["tools"] == [
            {
                "type": "function",
                "function": {"name": "look", "description": "Look.", "parameters": SCHEMA},
            }
        ]
        assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}

    @pytest.mark.parametrize("choice", ["auto", "none", "required"])
    def test_choices_of_the_standard(self, choice) -> None:
        assert chat_body("standard", tools=[{"name": "f"}], tool_choice=choice)["tool_choice"] == (
            choice
        )


class TestKnobs:
    GIVEN = {  # noqa: RUF012
        "cache_prompt": True,
        "id_slot": 1,
        "return_progress": True,
        "chat_template_kwargs": '{"enable_thinking": false}',
    }

    @pytest.mark.anyio
    async def test_reach_who_knows_them(self, server: FaultServer, connect) -> None:
        async with connect(flavor="llama-server", **self.GIVEN) as model:
            await model.chat([{"role": "user", "content": "Hi"}], max_tokens=2)
        body = server.received[0].body
        assert (body["cache_prompt"], body["id_slot"], body["return_progress"]) == (True, 1, True)
        assert body["chat_template_kwargs"] == {"enable_thinking": False}

    @pytest.mark.anyio
    @pytest.mark.parametrize("name", GIVEN)
    async def test_are_refused_where_nobody_knows_them(self, name, connect) -> None:
        with pytest.raises(errors.UsageError, match=name) as caught:
            async with connect(flavor="ollama", **{name: self.GIVEN[name]}):
                pass
        assert "llama-server" in str(caught.value)

    @pytest.mark.anyio
    async def test_how_long_to_think(self, server: FaultServer, connect) -> None:
        async with connect(flavor="openai", reasoning_effort="low") as model:
            await model.chat([{"role": "user", "content": "Hi"}], max_tokens=2)
        assert server.received[0].body["reasoning_effort"] == "low"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("flavor", "drawn"), [("standard", False), ("openai", False), ("vllm", True)]
)
async def test_a_seed_is_drawn_where_servers_are_known_to_take_one(
    flavor, drawn, server: FaultServer, connect
) -> None:
    talk = [{"role": "user", "content": "Hi"}]
    async with connect(flavor=flavor) as model:
        done = await model.chat(talk, max_tokens=2)
        told = await model.chat(talk, max_tokens=2, seed=7)
    assert ("seed" in server.received[0].body) is drawn
    assert server.received[0].body.get("seed") == done.effective.seed
    assert server.received[1].body["seed"] == told.effective.seed == 7


@pytest.mark.anyio
async def test_an_option_nobody_honours_here_follows_the_policy(server, connect) -> None:
    async with connect() as model:
        with pytest.raises(errors.Unsupported, match="top_k"):
            model.chat([{"role": "user", "content": "Hi"}], top_k=5)
        talk = [{"role": "user", "content": "Hi"}]
        done = await model.chat(talk, top_k=5, max_tokens=2, unsupported="drop")
    assert "top_k" not in server.received[0].body
    assert done.effective.top_k is None
