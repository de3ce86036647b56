"""Leaving frees the server at once, however it is done, and the connection's place with it."""

from __future__ import annotations

import gc
import threading
import time

import anyio
import penstock
import pytest
from penstock_openai.testing import (
    FaultServer,
    Reply,
    Send,
    Stall,
    event,
    finish,
    role,
    stream,
    text,
)

pytestmark = pytest.mark.anyio

HI = ({"role": "user", "content": "Hi"},)
ENDLESS = Reply(steps=(Send(event(role())), Send(event(text("Hello"))), Stall()))


async def freed(server: FaultServer) -> bool:
    return await server.until(
        lambda: server.disconnects == 1 and server.open == 0 and server.answering == 0
    )


async def test_a_plain_break_frees_the_server(server, connect) -> None:
    server.queue(ENDLESS)
    async with connect() as model:
        generation = model.chat(HI)
        async for _ in generation:
            break
        assert await freed(server)
        assert generation.completion.text == "Hello"
        assert generation.completion.finish_reason == "stopped"


async def test_a_forgotten_handle_frees_the_server(server, connect) -> None:
    server.queue(ENDLESS)
    async with connect() as model:
        cursor = aiter(model.chat(HI))
        await anext(cursor)
        del cursor
        gc.collect()
        assert await freed(server)


async def test_a_cancelled_scope_frees_the_server_before_the_answer_begins(server, connect) -> None:
    server.queue(Reply(before=30))
    async with connect() as model:
        with anyio.move_on_after(0.1) as scope:
            await model.chat(HI)
        assert scope.cancelled_caught
        assert await freed(server)


async def test_an_answer_that_is_not_streamed_can_be_left_too(server, connect) -> None:
    server.queue(Reply(before=30))
    async with connect(stream=False) as model:
        generation = model.chat(HI)
        with anyio.move_on_after(0.1):
            await generation
        assert await freed(server)
    assert server.received[0].body["stream"] is False


async def test_a_stop_string_frees_the_server(server, connect) -> None:
    said = (Send(event(text(word))) for word in ("one ", "two ", "thr", "ee "))
    server.queue(Reply(steps=(*said, Stall())))
    async with connect() as model:
        done = await model.chat(HI, stop=["three"])
        assert (done.text, done.finish_reason) == ("one two ", "stop_sequence")
        assert done.stop_sequence == "three"
        assert await freed(server)


async def test_leaving_takes_no_place_of_the_next(server, connect) -> None:
    server.queue(*[ENDLESS] * 20)
    async with connect() as model:
        for _ in range(20):
            async for _ in model.chat(HI):
                break
        done = await model.chat(HI)
        assert done.text.startswith("Hi")
        assert await server.until(lambda: server.disconnects == 20)


async def test_a_connection_is_used_again_after_an_answer(server, connect) -> None:
    async with connect() as model:
        for _ in range(5):
            await model.chat(HI, max_tokens=3)
        assert server.connections == 1


async def test_closing_the_model_ends_its_answers(server, connect) -> None:
    server.queue(ENDLESS, ENDLESS)
    async with connect() as model:
        first, second = model.chat(HI), model.chat(HI)
        cursors = aiter(first), aiter(second)
        for cursor in cursors:
            assert (await anext(cursor)).text == "Hello"
    for generation in (first, second):
        with pytest.raises(penstock.ModelClosed):
            await generation
    assert await server.until(lambda: server.open == 0)


async def test_many_streams_run_side_by_side(server, connect) -> None:
    texts: list[str] = []

    async def one(model: penstock.Model) -> None:
        texts.append((await model.chat(HI)).text)

    server.queue(*[stream(text("a"), text("b"), finish(), pace=0.1)] * 30)
    async with connect() as model:
        began = time.perf_counter()
        async with anyio.create_task_group() as tasks:
            for _ in range(30):
                tasks.start_soon(one, model)
        took = time.perf_counter() - began
    assert texts == ["ab"] * 30
    assert took < 3.0  # one after the other, they would take twelve


async def test_parallel_holds_the_others_back(server, connect) -> None:
    server.queue(*[stream(text("a"), finish(), pace=0.05)] * 6)
    most = 0

    async def one(model: penstock.Model) -> None:
        nonlocal most
        async for _ in model.chat(HI):
            most = max(most, server.answering)

    async with connect(parallel=2) as model, anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(one, model)
    assert most == 2


def test_in_threads_too(server: FaultServer) -> None:
    server.queue(ENDLESS)
    before = set(threading.enumerate())
    options = {"base_url": server.url, "flavor": "standard"}
    with penstock.sync.load("openai:test", options=options) as model:
        for _ in model.chat(HI):
            break
        assert server.wait_for(lambda: server.disconnects == 1)
        assert model.chat(HI, max_tokens=2).result().usage.completion_tokens == 2
        assert len(model.embed(["a", "b"]).vectors) == 2
    assert set(threading.enumerate()) == before
