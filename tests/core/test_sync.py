"""The blocking façade: the same objects, in threads."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import anyio
import penstock
import pytest
from penstock import Deadlines, sync
from penstock.errors import (
    DeadlineExceeded,
    EngineError,
    LoadError,
    ModelClosed,
    StreamClosed,
    UsageError,
)

FLAVOURS = ["echo:", "echo-blocking:"]
SLOW = {"delay": 0.01}
WORDS = " ".join(f"word{number}" for number in range(200))


def threads_return_to(count: int) -> bool:
    """Whether so few are left, soon: a loop tells its idle workers to end, and does not wait."""
    last = time.monotonic() + 2
    while threading.active_count() > count and time.monotonic() < last:
        time.sleep(0.01)
    return threading.active_count() <= count


@pytest.fixture(params=FLAVOURS)
def target(request) -> str:
    return request.param


@pytest.fixture
def model(target):
    with sync.load(target) as model:
        yield model


@pytest.fixture
def slow(target):
    with sync.load(target, options=SLOW) as model:
        yield model


def test_a_generation_is_read_with_for(model):
    generation = model.complete("hello world")
    assert "".join(delta.text for delta in generation) == "hello world"
    assert generation.completion.finish_reason == "stop"


def test_result_stands_for_await(model):
    done = model.complete("hello world").result()
    assert (done.text, done.finish_reason) == ("hello world", "stop")


def test_the_first_delta_comes_while_the_engine_still_works(slow):
    generation = slow.complete(WORDS)
    begun = time.monotonic()
    next(iter(generation))
    assert time.monotonic() - begun < 1
    generation.stop()


def test_stages_are_the_same(model):
    assert list(model.complete("one two three").words()) == ["one ", "two ", "three"]
    assert [delta.text for delta in model.complete("abcdefghi").take(2)] == ["abc", "def"]
    assert "".join(d.text for d in model.complete("the quick fox").until("ick")) == "the qu"


def test_a_session_remembers(model):
    chat = model.session()
    assert chat.send("red").result().text == "red"
    assert chat.send("green").result().text == "red red green"


def test_a_conversation_is_answered(model):
    assert model.chat([{"role": "user", "content": "hi"}]).result().text == "hi"


def test_text_becomes_tokens_and_text_again(model):
    ids = model.tokenize("hello wörld")
    assert len(ids) == 4
    assert model.detokenize(ids) == "hello wörld".encode()


def test_break_stops_the_engine_and_keeps_what_came(slow):
    generation = slow.complete(WORDS)
    texts = []
    for delta in generation:
        texts.append(delta.text)
        if len(texts) == 3:
            break
    assert generation.completion.finish_reason == "stopped"
    assert generation.completion.text == "".join(texts)
    generation.wait_idle()
    assert slow.complete("next").result().text == "next"


def test_leaving_a_with_block_waits_until_the_engine_is_free(slow):
    with slow.complete(WORDS) as generation:
        next(iter(generation))
    begun = time.monotonic()
    generation.wait_idle()
    assert time.monotonic() - begun < 0.05
    assert generation.completion.finish_reason == "stopped"


def test_another_thread_may_stop_a_generation(slow):
    generation = slow.complete(WORDS)
    timer = threading.Timer(0.1, generation.stop)
    timer.start()
    text = "".join(delta.text for delta in generation)
    timer.join()
    assert generation.completion.finish_reason == "stopped"
    assert WORDS.startswith(text)
    assert len(text) < len(WORDS)


def test_several_threads_may_use_a_model_at_once(model):
    def ask(number: int) -> bool:
        prompt = f"thread {number} " * 20
        return model.complete(prompt).result().text == prompt

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(ask, range(24)))


def test_a_left_generation_cannot_be_read_again(model):
    generation = model.complete("a b c d e f")
    for _ in generation:
        break
    with pytest.raises(StreamClosed):
        iter(generation)


def test_errors_are_raised_where_the_stream_is_read(target):
    with sync.load(target, options={"fail_after": 2}) as model:
        texts = []
        with pytest.raises(EngineError) as caught:
            texts.extend(delta.text for delta in model.complete("abcdefghi"))
        assert caught.value.partial is not None
        assert caught.value.partial.text == "abcdef"
        with pytest.raises(EngineError):
            model.complete("abcdefghi").result()


def test_deadlines_pass_in_threads_too(target):
    with sync.load(target, options={"stall_after": 1}) as model:
        generation = model.complete("abcdef", deadlines=Deadlines(idle=0.05))
        with pytest.raises(DeadlineExceeded, match="'idle'"):
            generation.result()
        assert generation.completion.text == "abc"


def test_a_deadline_may_be_farther_than_a_thread_can_wait(target):
    with sync.load(target, options={"delay": 0.02}) as model:
        generation = model.complete("abc", deadlines=Deadlines(idle=1e12, total=1e300))
        assert "".join(delta.text for delta in generation) == "abc"


def test_a_load_that_fails_leaves_no_thread_behind(target):
    before = threading.active_count()
    with pytest.raises(LoadError), sync.load(target, options={"fail_load": True}):
        pass
    assert threads_return_to(before)


def test_leaving_gives_the_threads_back(target):
    before = threading.active_count()
    with sync.load(target) as model:
        model.complete("x").result()
    assert threads_return_to(before)


def test_a_model_is_closed_behind_its_block(target):
    with sync.load(target) as model:
        pass
    with pytest.raises(ModelClosed):
        model.complete("too late")
    with pytest.raises(ModelClosed):
        model.tokenize("too late")


def test_a_conversation_can_be_saved_behind_the_block(target, tmp_path):
    with sync.load(target) as model:
        chat = model.session()
        chat.send("red").result()
    chat.save(tmp_path / "chat.json")
    with sync.load(target) as model:
        assert model.load_session(tmp_path / "chat.json").history == chat.history


def test_the_users_own_exception_comes_out_unwrapped(target):
    with pytest.raises(KeyError, match="mine"), sync.load(target) as model:
        for _ in model.complete("a b c d"):
            raise KeyError("mine")


@pytest.mark.anyio
async def test_waiting_in_the_thread_of_the_event_loop_is_refused():
    async with penstock.load("echo:") as model:
        generation = model.complete("x")
        with pytest.raises(UsageError, match="would block the event loop"):
            iter(generation)
        with pytest.raises(UsageError, match="would block the event loop"):
            generation.result()
        await generation


@pytest.mark.anyio
async def test_a_thread_may_read_a_generation_of_an_async_model():
    async with penstock.load("echo:", options={"delay": 0.001}) as model:
        generation = model.complete("from a thread")
        done = await anyio.to_thread.run_sync(generation.result)
    assert done.text == "from a thread"


def test_ctrl_c_in_a_loop_ends_the_program_in_order():
    program = (
        "import os, signal, threading, penstock\n"
        "stop = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))\n"
        "try:\n"
        "    with penstock.sync.load('echo:', options={'stall_after': 1}) as model:\n"
        "        stop.start()\n"
        "        for delta in model.complete('abcdef'):\n"
        "            print(delta.text, flush=True)\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False
    )
    assert done.stdout.split() == ["abc", "interrupted"]
    assert done.stderr == ""


EARLY = """
import os, signal, sys, threading, time
from penstock import sync

class Early:
    def find_spec(self, name, path, target=None):
        if name == "anyio._backends._asyncio":  # by the thread of the loop, which is about to start
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

sys.meta_path.insert(0, Early())
try:
    with sync.load("echo:"):
        pass
except KeyboardInterrupt:
    print("interrupted", threading.active_count())
"""


def test_ctrl_c_while_the_loop_starts_ends_the_program_in_order():
    done = subprocess.run(
        [sys.executable, "-c", EARLY], capture_output=True, text=True, timeout=20, check=False
    )
    assert (done.stdout, done.stderr) == ("interrupted 1\n", "")


LEFT_OPEN = """
from contextlib import ExitStack
from penstock import sync

exits = ExitStack()
model = exits.enter_context(sync.load({target!r}, options={{"delay": 0.01}}))
words = iter(model.complete("a story that goes on " * 99).words())
print(next(words))
"""


def test_a_program_ends_though_it_leaves_a_model_open(target):
    done = subprocess.run(
        [sys.executable, "-c", LEFT_OPEN.format(target=target)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "a \n", "")


def test_a_model_that_was_left_is_not_kept_for_the_end_of_the_program(target, monkeypatch):
    kept = []
    monkeypatch.setattr(atexit, "register", lambda call, *_: kept.append(call))
    monkeypatch.setattr(atexit, "unregister", kept.remove)
    with sync.load(target):
        assert len(kept) == 1
    assert kept == []


FORKED = """
import os, threading
from penstock import sync

loaded, over = threading.Event(), threading.Event()

def serve():
    with sync.load("echo-blocking:"):
        loaded.set()
        over.wait()

server = threading.Thread(target=serve)
server.start()
loaded.wait()
child = os.fork()
if child:
    print(os.waitpid(child, 0)[1])
    over.set()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_ends_without_the_model_of_its_parent():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


USED_IN_A_FORK = """
import os
from contextlib import ExitStack, nullcontext
from penstock import sync
from penstock.errors import ModelClosed

exits = ExitStack()
with {left} as _:
    model = exits.enter_context(sync.load({target!r}))
    chat = model.session()
    child = os.fork()
    for call in (model.complete, model.tokenize, chat.send) * (not child):
        try:
            call("x")
        except ModelClosed as error:
            print(error, flush=True)
if child:
    print(os.waitpid(child, 0)[1])
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("left", ["exits", "nullcontext()"])
def test_a_model_is_refused_in_a_fork_which_ends(target, left):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", USED_IN_A_FORK.format(target=target, left=left)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    refused = "'echo' was loaded before a fork. Load it in this process"
    assert (done.stdout.splitlines(), done.stderr) == ([refused] * 3 + ["0"], "")
