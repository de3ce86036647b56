"""What kind of server it is: asked once, and told."""

from __future__ import annotations

import subprocess
import sys

import penstock
import pytest
from penstock import errors
from penstock_openai.testing import FaultServer, Received, Reply, error, json_reply, text_reply

pytestmark = pytest.mark.anyio


def listing(*models: dict, headers=()) -> Reply:
    return json_reply({"object": "list", "data": list(models)}, headers=headers)


SERVERS = {
    "vllm": (listing({"id": "test", "owned_by": "vllm", "max_model_len": 4096}), 4096),
    "sglang": (listing({"id": "test", "owned_by": "sglang", "max_model_len": 2048}), 2048),
    "llama-cpp-python": (listing({"id": "test", "owned_by": "me"}), None),
    "ollama": (listing({"id": "test", "owned_by": "library"}), None),
    "lmstudio": (listing({"id": "test", "owned_by": "organization_owner"}), None),
    "litellm": (listing({"id": "test"}, headers=(("x-litellm-version", "1.80"),)), None),
    "standard": (listing({"id": "test", "owned_by": "somebody", "context_length": 99}), 99),
}


@pytest.mark.parametrize(("flavor", "case"), SERVERS.items(), ids=SERVERS)
async def test_the_list_of_models_tells(flavor, case, server: FaultServer, connect) -> None:
    reply, context_length = case
    server.answer = lambda received: reply
    async with connect(flavor="auto") as model:
        info = model.info
    assert info.details["flavor"] == flavor
    assert info.context_length == context_length
    assert len(server.received) == 1
    assert info.details["found"]


async def test_llama_server_is_asked_for_the_length_of_a_slot(server, connect) -> None:
    def answer(received: Received) -> Reply:
        if received.path == "/props":
            return json_reply({"default_generation_settings": {"n_ctx": 1024}})
        return listing({"id": "test", "owned_by": "llamacpp", "meta": {"n_ctx_train": 4096}})

    server.answer = answer
    async with connect(flavor="auto") as model:
        assert model.info.context_length == 1024
        assert model.info.details["flavor"] == "llama-server"
        assert "mirostat" in model.info.capabilities.options
    assert [received.path for received in server.received] == ["/v1/models", "/props"]


async def test_a_flavor_that_is_named_asks_nothing(server: FaultServer, connect) -> None:
    async with connect(flavor="vllm"):
        pass
    assert server.received == []


@pytest.mark.parametrize(
    "reply", [error(404, "?"), error(403, "?"), error(405, "?"), json_reply({"x": 1})], ids=str
)
async def test_a_server_that_does_not_list_is_standard(reply, server, connect) -> None:
    server.answer = lambda received: reply
    async with connect(flavor="auto") as model:
        assert model.info.details["flavor"] == "standard"


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (error(401, "who are you"), "who are you"),
        (error(500, "broken"), "broken"),
        (text_reply("<html>", "text/html"), "not with JSON"),
    ],
)
async def test_a_server_that_fails_is_a_load_error(reply, words, server, connect) -> None:
    server.answer = lambda received: reply
    with pytest.raises(errors.LoadError, match=words):
        async with connect(flavor="auto"):
            pass


async def test_a_server_that_is_not_there_is_a_load_error(connect) -> None:
    with pytest.raises(errors.LoadError, match="cannot be reached") as caught:
        async with connect(flavor="auto", base_url="http://127.0.0.1:9/v1"):
            pass
    assert "127.0.0.1:9" in str(caught.value)


async def test_without_a_name_the_only_model_is_taken(server: FaultServer) -> None:
    async with penstock.load("openai:", options={"base_url": server.url}) as model:
        assert model.info.name == "echo"


@pytest.mark.parametrize("models", [(), ({"id": "a"}, {"id": "b"})])
async def test_without_a_name_among_several_they_are_listed(models, server) -> None:
    server.answer = lambda received: listing(*models)
    with pytest.raises(errors.ModelNotFound, match="no model is named") as caught:
        async with penstock.load("openai:", options={"base_url": server.url}):
            pass
    assert all(repr(model["id"]) in str(caught.value) for model in models)


async def test_a_load_can_be_given_up(server: FaultServer, connect) -> None:
    server.answer = lambda received: Reply(before=30)
    with pytest.raises(errors.DeadlineExceeded):
        async with connect(penstock.Deadlines(load=0.5), flavor="auto"):
            pass
    assert await server.until(lambda: server.open == 0)


async def test_what_it_found_is_logged(server: FaultServer, connect, caplog) -> None:
    caplog.set_level("INFO", logger="penstock_openai")
    async with connect(flavor="auto"):
        pass
    assert "standard" in caplog.text
    assert server.url in caplog.text


class TestTokens:
    async def test_are_counted_by_the_server(self, server: FaultServer, connect) -> None:
        async with connect(flavor="vllm") as model:
            ids = await model.tokenize("hello world")
            assert await model.detokenize(ids) == b"hello world"
            done = await model.complete("hello world", max_tokens=3)
        assert done.usage.prompt_tokens == len(ids)
        assert [received.path for received in server.received][:2] == ["/tokenize", "/detokenize"]

    async def test_are_not_where_it_cannot(self, connect) -> None:
        async with connect() as model:
            assert not model.info.capabilities.tokenize
            with pytest.raises(errors.Unsupported, match="standard"):
                await model.tokenize("hello")

    @pytest.mark.parametrize("body", [{}, {"tokens": "x"}, [1], None])
    async def test_odd_answers_are_refused(self, body, server: FaultServer, connect) -> None:
        server.answer = lambda received: json_reply(body)
        async with connect(flavor="vllm") as model:
            with pytest.raises(errors.MalformedAnswer):
                await model.tokenize("hello")


class TestEmbeddings:
    async def test_are_in_the_order_of_the_texts(self, server: FaultServer, connect) -> None:
        rows = [{"index": 1, "embedding": [0, 1]}, {"index": 0, "embedding": [1, 0]}]
        server.answer = lambda received: json_reply({"data": rows, "usage": {"prompt_tokens": 3}})
        async with connect() as model:
            found = await model.embed(["a", "b"])
        assert found.vectors == ((1.0, 0.0), (0.0, 1.0))
        assert (found.usage.prompt_tokens, found.usage.source) == (3, "reported")
        assert server.received[0].body["input"] == ["a", "b"]

    @pytest.mark.parametrize(
        "body", [{}, {"data": []}, {"data": [{"embedding": "x"}]}, {"data": [5]}, [], None]
    )
    async def test_odd_answers_are_refused(self, body, server: FaultServer, connect) -> None:
        server.answer = lambda received: json_reply(body)
        async with connect() as model:
            with pytest.raises(errors.MalformedAnswer):
                await model.embed(["a"])

    async def test_a_refusal_is_an_error(self, server: FaultServer, connect) -> None:
        server.answer = lambda received: error(501, "no embeddings here")
        async with connect() as model:
            with pytest.raises(errors.ServerFailed, match="no embeddings here"):
                await model.embed(["a"])


def test_the_plugin_costs_nothing_until_it_is_used() -> None:
    program = (
        "import sys, penstock_openai.plugin, penstock_openai.backend;"
        "print(sorted({'openai', 'httpx2', 'pydantic', 'jsonschema'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
