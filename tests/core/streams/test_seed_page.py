"""What a page of recipes for another library needs a loop, a channel or a thread for, in a line."""

from __future__ import annotations

import json
import queue
import threading

import anyio
import penstock
import pytest
from penstock.errors import EngineError, GenerationError
from penstock.testing import EchoEngine, EchoOptions, hosted

pytestmark = pytest.mark.anyio
STORY = (
    "Once upon a time there was a pipe. It carried water all day long. THE END and nothing more."
)


@pytest.fixture
async def model():
    async with penstock.load("echo:") as model:
        yield model


async def test_basic_streaming(model, capsys):
    async for delta in model.complete(STORY, max_tokens=200):
        print(delta.text, end="", flush=True)
    assert capsys.readouterr().out == STORY


async def test_basic_streaming_in_a_plain_program(capsys):
    with penstock.sync.load("echo:") as model:
        for delta in model.complete(STORY, max_tokens=200):
            print(delta.text, end="", flush=True)
    assert capsys.readouterr().out == STORY


async def test_early_stopping_after_so_many_tokens(model):
    done = await model.complete(STORY, max_tokens=10)
    assert (done.usage.completion_tokens, done.finish_reason) == (10, "length")


async def test_early_stopping_at_a_text_that_tokens_cut(model):
    text = await model.complete(STORY).until("THE END").read()
    assert text == STORY[: STORY.index("THE END")]


async def test_early_stopping_by_the_engine_itself(model):
    done = await model.complete(STORY, stop="THE END")
    assert (done.finish_reason, done.stop_sequence) == ("stop_sequence", "THE END")


async def test_early_stopping_from_a_callback(model):
    gen = model.complete(STORY)
    await gen.tap(lambda delta: "time" not in gen.text).collect()
    assert gen.completion.finish_reason == "stopped"
    assert gen.text == STORY[:18]  # up to the token that completes the word


async def test_early_stopping_by_leaving_the_loop(model):
    gen = model.complete(STORY)
    async for _ in gen:
        if "pipe" in gen.text:
            break
    assert gen.completion.finish_reason == "stopped"


async def test_collecting_while_streaming(model, capsys):
    gen = model.complete(STORY)
    async for delta in gen:
        print(delta.text, end="")
    assert gen.completion.text == capsys.readouterr().out == STORY


async def test_collecting_without_streaming(model):
    assert (await model.complete(STORY)).text == STORY


async def test_progress_tracking(model):
    told = []
    gen = model.complete(STORY)
    await gen.progress(told.append, tokens=10).read()
    assert [progress.tokens for progress in told[:3]] == [10, 20, 30]
    assert told[-1].tokens == gen.completion.usage.completion_tokens
    assert gen.completion.timings.e2e > 0


async def test_channels_to_a_thread(model):
    deltas, heard = queue.Queue(32), []
    thread = threading.Thread(target=lambda: heard.extend(d.text for d in iter(deltas.get, None)))
    thread.start()
    await model.complete(STORY).put_to(deltas)
    await anyio.to_thread.run_sync(thread.join)
    assert "".join(heard) == STORY


async def test_a_thread_can_read_the_generation_itself(model):
    texts = await anyio.to_thread.run_sync(lambda: [d.text for d in model.complete(STORY)])
    assert "".join(texts) == STORY


async def test_async_streaming_to_another_task(model):
    send, receive = anyio.create_memory_object_stream(32)
    async with anyio.create_task_group() as tasks, receive:
        tasks.start_soon(model.complete(STORY).send_to, send)
        assert "".join([delta.text async for delta in receive]) == STORY


async def test_server_sent_events(model):
    body = "".join([event async for event in model.complete(STORY).sse()])
    *deltas, finish = [
        json.loads(line[6:]) for line in body.split("\n") if line.startswith("data: ")
    ]
    assert "".join(delta["text"] for delta in deltas) == STORY
    assert finish["finish_reason"] == "stop"


async def test_websocket_streaming(model):
    to_server, prompts = anyio.create_memory_object_stream(9)
    to_client, answers = anyio.create_memory_object_stream(999)
    with to_server, answers:
        to_server.send_nowait("Hello there")
        to_server.send_nowait("And you")
        to_server.close()

        async with prompts, to_client:  # they stand for a socket
            async for prompt in prompts:
                async for word in model.complete(prompt).words():
                    await to_client.send(word)

        assert [word async for word in answers] == ["Hello ", "there", "And ", "you"]


async def test_buffered_streaming(model):
    pieces = [delta.text async for delta in model.complete(STORY).buffered(tokens=5)]
    assert pieces[0] == STORY[:15]
    assert "".join(pieces) == STORY


async def test_error_handling(capsys):
    async with hosted(EchoEngine(options=EchoOptions(fail_after=4))) as model:
        try:
            async for delta in model.complete(STORY):
                print(delta.text, end="")
        except GenerationError as error:
            failed = error
    assert isinstance(failed, EngineError)
    assert failed.partial.text == capsys.readouterr().out == STORY[:12]


async def test_best_practice_words_instead_of_flushing_each_token(model):
    assert await model.complete(STORY).words().take(3).collect() == ["Once ", "upon ", "a "]


async def test_best_practice_a_slow_reader_slows_nobody_else(model):
    slow = aiter(model.complete(STORY))
    await anext(slow)
    assert (await model.complete(STORY)).text == STORY
    del slow


async def test_best_practice_leaving_frees_the_engine(model):
    async with model.complete(STORY) as gen:
        async for _ in gen:
            break
    assert model.running == 0


async def test_best_practice_the_figures_are_in_the_completion(model):
    done = await model.complete(STORY)
    assert done.usage.source == "engine"
    assert done.timings.ttft <= done.timings.e2e
