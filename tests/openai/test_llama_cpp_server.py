"""A real server: llama-cpp-python's own, with the pocket model."""

from __future__ import annotations

from collections.abc import Iterator

import penstock
import pytest
from penstock import errors
from penstock.loading import Loading
from penstock.testing import Subject
from penstock.testing.conformance import Conformance

from tests.openai.real import llama_cpp_server

PROMPTS = [
    "Once upon a time", "The little dog", "A girl named Lily", "One day, the sun", "Tom and Ben",
    "The cat sat", "In a small house", "Mom said", "There was a big tree", "The bird flew",
    "It was raining", "Sam had a red ball", "The fish swam", "At the park", "Grandma made a cake",
    "The moon was", "A brave knight", "He opened the box", "She was very sad", "The train went",
]  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory) -> Iterator[str]:
    with llama_cpp_server(tmp_path_factory.mktemp("server")) as url:
        yield url


def on(url: str, **options) -> Loading:
    return penstock.load("openai:", options={"base_url": url, "context_length": 512, **options})


class TestLaws(Conformance):
    subject: Subject

    @pytest.fixture(autouse=True)
    def _subject(self, url: str) -> None:
        self.subject = Subject(
            load=lambda: on(url),
            unicode="<|user|>Say hello in Chinese.</s><|assistant|>",
            recall=("My name is Ada.", "What is my name?", "Ada"),
        )


@pytest.mark.anyio
async def test_it_is_known_for_what_it_is(url: str) -> None:
    async with on(url) as model:
        assert model.info.name == "pocket"
        assert model.info.details["flavor"] == "llama-cpp-python"
        assert model.info.capabilities.tokenize


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.anyio
async def test_greedy_text_is_that_of_the_engine_in_this_process(url: str) -> None:
    async with on(url) as there, penstock.load("llamacpp:pocket:") as here:
        for prompt in PROMPTS:
            options = {"temperature": 0.0, "max_tokens": 40, "repeat_penalty": 1.0}
            theirs = await there.complete(prompt, **options)
            ours = await here.complete(prompt, **options)
            assert (theirs.text, theirs.finish_reason) == (ours.text, ours.finish_reason), prompt
            assert theirs.usage.completion_tokens == ours.usage.completion_tokens


@pytest.mark.anyio
async def test_a_conversation_reads_the_same_as_in_this_process(url: str) -> None:
    async with on(url) as there, penstock.load("llamacpp:pocket:") as here:
        chats = there.session("You are kind."), here.session("You are kind.")
        for said in ("My name is Ada.", "What is my name?"):
            first, second = [
                (
                    await chat.send(said, temperature=0, max_tokens=30, repeat_penalty=1.0)
                ).text.strip()
                for chat in chats
            ]
            assert first == second


@pytest.mark.anyio
async def test_a_prompt_too_long_is_told_with_both_numbers(url: str) -> None:
    async with on(url) as model:
        with pytest.raises(errors.ContextOverflow) as caught:
            await model.complete("word " * 2000, max_tokens=4)
    assert caught.value.prompt_tokens > caught.value.context_length == 512


@pytest.mark.anyio
async def test_a_schema_binds_it(url: str) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with on(url) as model:
        talk = [{"role": "user", "content": "A number, please"}]
        try:
            text = (await model.chat(talk, schema=schema, max_tokens=60, temperature=0)).text
        except errors.IncompleteAnswer as cut:  # a small model may write digits for ever
            text = cut.partial.text
    assert text.lstrip().startswith("{")


@pytest.mark.anyio
async def test_logprobs(url: str) -> None:
    async with on(url) as model:
        done = await model.complete("Once upon a", logprobs=2, max_tokens=3, temperature=0)
    assert len(done.logprobs) >= 3
    assert all(one.logprob <= 0 for one in done.logprobs)
