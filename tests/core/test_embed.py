"""Embedding: one call of the engine, off the event loop, with errors that help."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence

import penstock
import pytest
from penstock import sync
from penstock.backend import BlockingEngine, CancelFlag, Capabilities, ModelInfo
from penstock.errors import ContextOverflow, ModelClosed, Unsupported, UsageError
from penstock.events import Embeddings, EngineEvent, Usage
from penstock.loading import Loading
from penstock.request import Request

pytestmark = pytest.mark.anyio

TEXTS = ["abba", "baba", "zz", ""]


@pytest.fixture(params=["echo:", "echo-blocking:"])
def target(request) -> str:
    return request.param


async def test_every_text_has_a_vector(target):
    async with penstock.load(target) as model:
        assert model.info.capabilities.embed
        found = await model.embed(TEXTS)
    assert len(found.vectors) == 4
    assert {len(vector) for vector in found.vectors} == {26}
    assert found.vectors[0] == found.vectors[1] != found.vectors[2]
    assert math.hypot(*found.vectors[0]) == pytest.approx(1)
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (5, 0)


async def test_no_texts_have_no_vectors(target):
    async with penstock.load(target) as model:
        assert (await model.embed([])).vectors == ()


async def test_a_text_that_is_too_long_is_refused(target):
    async with penstock.load(target, options={"context_length": 4}) as model:
        with pytest.raises(ContextOverflow):
            await model.embed(["a", "long " * 10])


@pytest.mark.parametrize("texts", ["text", ["a", None], [b"bytes"], [["a"]], None])
async def test_what_is_no_list_of_texts_is_refused(target, texts):
    async with penstock.load(target) as model:
        with pytest.raises(UsageError, match="Give a list of"):
            await model.embed(texts)


async def test_a_closed_model_does_not_embed(target):
    async with penstock.load(target) as model:
        pass
    with pytest.raises(ModelClosed):
        await model.embed(TEXTS)


class Lone(BlockingEngine):
    """An engine that writes nothing; embeds only if it is told on which thread it was."""

    def __init__(self, threads: list[int] | None) -> None:
        self.info = ModelInfo(name="lone", capabilities=Capabilities(embed=threads is not None))
        self.threads = threads

    def generate(self, request: Request, cancel: CancelFlag) -> Iterator[EngineEvent]:
        return iter(())

    def embed(self, texts: Sequence[str]) -> Embeddings:
        if self.threads is None:
            return super().embed(texts)
        self.threads.append(threading.get_ident())
        return Embeddings((), Usage(prompt_tokens=0, completion_tokens=0))


async def lone(threads: list[int] | None) -> Lone:
    return Lone(threads)


async def test_it_runs_beside_the_event_loop():
    threads: list[int] = []
    async with Loading(lambda: lone(threads)) as model:
        await model.embed(TEXTS)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_an_engine_that_cannot_says_so():
    async with Loading(lambda: lone(None)) as model:
        with pytest.raises(Unsupported, match="'lone' cannot embed 4 texts"):
            await model.embed(TEXTS)


def test_the_blocking_model_embeds_too(target):
    with sync.load(target) as model:
        assert len(model.embed(TEXTS).vectors) == 4
