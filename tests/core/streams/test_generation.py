"""Generation: streamed, awaited, left, failed, and read from wherever you like."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import weakref
from collections import deque
from itertools import pairwise
from time import perf_counter

import anyio
import penstock
import pytest
from penstock.chat.fitting import Fitting
from penstock.errors import (
    BackendBug,
    ContextOverflow,
    DeadlineExceeded,
    EngineError,
    ModelClosed,
    StreamClosed,
    UsageError,
)
from penstock.events import Delta, Finish, Prefill, Token
from penstock.messages import Message
from penstock.request import Deadlines
from penstock.streams import task_pump
from penstock.streams.channel import Outcome
from penstock.testing import EchoEngine, EchoThreadEngine, Fail, Pause, Stall, hosted

pytestmark = pytest.mark.anyio


class Kaputt(Exception):
    """An engine's own error."""


BROKEN = Fail(Kaputt("broken"))


async def read(gen):
    return [delta.text async for delta in gen]


# streamed, awaited, both


async def test_it_can_be_awaited(saying, flavour):
    async with saying("a", "b", flavour=flavour) as model:
        done = await model.complete("")
    assert (done.text, done.finish_reason, done.usage.completion_tokens) == ("ab", "stop", 2)


async def test_it_can_be_awaited_twice(saying):
    async with saying("a") as model:
        gen = model.complete("")
        assert await gen is await gen


async def test_it_can_be_streamed(saying, flavour):
    async with saying("a", "b", flavour=flavour) as model:
        gen = model.complete("")
        assert await read(gen) == ["a", "b"]
        assert gen.completion.text == "ab"


async def test_streamed_and_awaited_give_the_same_text(saying, flavour):
    steps = [Token(1, "é".encode()[:1]), Token(2, "é".encode()[1:]), "b", Finish("length")]
    async with saying(*steps, flavour=flavour) as model:
        assert "".join(await read(model.complete(""))) == (await model.complete("")).text == "éb"


async def test_awaiting_after_some_reading_reads_the_rest(saying, flavour):
    async with saying(*"abc", flavour=flavour) as model:
        gen = model.complete("")
        reader = aiter(gen)
        assert (await anext(reader)).text == "a"
        assert (await gen).text == "abc"


async def test_awaiting_inside_its_own_loop_ends_the_loop(saying):
    async with saying(*"abc") as model:
        gen = model.complete("")
        async for delta in gen:
            assert delta.text == "a"
            assert (await gen).text == "abc"


async def test_an_iterator_that_is_kept_can_pause(saying):
    async with saying(*"abc") as model:
        gen = model.complete("")
        reader = aiter(gen)
        first = await anext(reader)
        await anyio.sleep(0.02)
        assert first.text + "".join([delta.text async for delta in reader]) == "abc"


async def test_text_is_what_was_delivered_so_far(saying):
    async with saying(*"abc") as model:
        gen = model.complete("")
        seen = [gen.text]
        async for _ in gen:
            seen.append(gen.text)
    assert seen == ["", "a", "ab", "abc"]


async def test_deltas_come_while_the_engine_still_works(saying, flavour):
    async with saying("a", Stall(), flavour=flavour) as model:
        with anyio.fail_after(5):
            async for delta in model.complete(""):
                assert delta.text == "a"
                break


async def test_a_second_loop_is_refused(saying):
    async with saying("a") as model:
        gen = model.complete("")
        await read(gen)
        with pytest.raises(StreamClosed, match="anext"):
            aiter(gen)


async def test_a_second_loop_after_leaving_is_refused(counting):
    async with counting([]) as model:
        gen = model.complete("")
        async for _ in gen:
            break
        with pytest.raises(StreamClosed):
            await read(gen)


async def test_the_completion_before_the_end_is_refused(saying):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError, match="not ended"):
            _ = gen.completion
        async for _ in gen:
            with pytest.raises(UsageError):
                _ = gen.completion
        assert gen.completion.text == "a"


async def test_one_that_is_never_read_warns(saying):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.warns(RuntimeWarning, match="never read"):
            del gen
            gc.collect()


READ_WRONGLY = """
import asyncio, penstock

async def main():
    async with penstock.load("echo:") as model:
        gen = model.complete("Hi")
        {read}

asyncio.run(main())
"""


@pytest.mark.parametrize("read", ["for _ in gen: pass", "gen.result()"])
def test_one_that_lives_to_the_end_of_the_program_hides_no_error_behind_its_own(read):
    """A traceback keeps it, until Python has forgotten what a completion is made of."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READ_WRONGLY.format(read=read)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 1
    assert "UsageError" in done.stderr.splitlines()[-1]


async def test_one_that_was_stopped_before_it_began_does_not_warn(counting):
    made = []
    async with counting(made) as model:
        gen = model.complete("")
        gen.stop()
        assert (await gen).finish_reason == "stopped"
        await gen.idle()
    assert not made


async def test_an_engine_that_says_nothing_gives_an_empty_text(saying, flavour):
    async with saying(flavour=flavour) as model:
        done = await model.complete("")
    assert (done.text, done.finish_reason, done.usage.completion_tokens) == ("", "stop", 0)


async def test_usage_is_estimated_where_the_engine_tells_nothing(saying):
    async with saying("a") as model:
        usage = (await model.complete("x" * 40)).usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.source) == (10, 1, "estimated")


async def test_timings_are_there(saying, flavour):
    steps = [Prefill(4, 4), Pause(0.02), "a", Pause(0.02), "b"]
    async with saying(*steps, flavour=flavour) as model:
        timings = (await model.complete("")).timings
    assert 0 <= timings.queue <= timings.ttft <= timings.ttfo <= timings.e2e
    assert timings.itl > 0.015
    assert timings.prefill_tps > 0


# leaving it


async def test_break_stops_the_engine_while_the_generation_lives_on(counting, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        async for _ in gen:
            break
        assert (gen.completion.finish_reason, gen.completion.text) == ("stopped", "0 ")
        await stopped(gen, made)


async def test_an_error_in_the_loop_stops_the_engine(counting, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        with pytest.raises(ZeroDivisionError):
            async for _ in gen:
                raise ZeroDivisionError
        await stopped(gen, made)


async def test_a_return_out_of_the_loop_stops_the_engine(counting, flavour, stopped):
    async def first(gen):
        async for delta in gen:
            return delta.text
        return None

    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        assert await first(gen) == "0 "
        await stopped(gen, made)


async def test_dropping_the_iterator_stops_the_engine(counting, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        reader = aiter(gen)
        await anext(reader)
        del reader
        await stopped(gen, made)


async def test_leaving_stops_the_engine_though_the_callback_of_the_end_fails(
    counting, flavour, stopped
):
    made = []

    def fail(completion):
        raise Kaputt("in the callback")

    async with counting(made, flavour=flavour) as model:
        gen = model.chat([{"role": "user", "content": "go"}], on_end=fail)
        with pytest.raises(Kaputt):
            async with gen:
                reader = aiter(gen)
                await anext(reader)
        await stopped(gen, made)
        assert gen.completion.finish_reason == "stopped"


async def test_dropping_everything_stops_the_engine(counting, flavour):
    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        await anext(aiter(gen.words().tap(print)))
        alive = weakref.ref(gen)
        del gen
        with anyio.fail_after(5):
            while model.running:
                await anyio.sleep(0.001)
        gc.collect()  # trio keeps the frames that cancelled a task for a while
        assert alive() is None


async def test_async_with_waits_until_the_engine_is_free(counting, flavour):
    async with counting([], flavour=flavour) as model:
        async with model.complete("") as gen:
            async for _ in gen:
                break
        assert model.running == 0


async def test_a_cancelled_scope_is_a_reason_of_its_own(counting, flavour, stopped):
    made = []
    async with counting(made, flavour=flavour, pause=0.001) as model:
        gen = model.complete("")
        with anyio.move_on_after(0.05):
            await gen
        assert gen.completion.finish_reason == "cancelled"
        await stopped(gen, made)


async def test_what_was_delivered_is_kept_with_its_usage(counting, flavour):
    async with counting([], flavour=flavour) as model:
        gen = model.complete("")
        await gen.take(3).collect()
        done = gen.completion
    assert done.text == "0 1 2 "
    assert done.usage.completion_tokens >= 3
    assert done.timings.e2e is not None


async def test_a_stop_from_another_task_ends_the_loop(saying, flavour):
    async with saying("a", Stall(), flavour=flavour) as model, anyio.create_task_group() as tasks:
        gen = model.complete("")

        async def stop():
            await anyio.sleep(0.03)
            gen.stop()

        tasks.start_soon(stop)
        assert await read(gen) == ["a"]
        assert gen.completion.finish_reason == "stopped"


async def test_a_stop_from_a_thread_ends_the_loop(saying, flavour):
    async with saying("a", Stall(), flavour=flavour) as model:
        gen = model.complete("")
        timer = threading.Timer(0.03, gen.stop)
        timer.start()
        assert await read(gen) == ["a"]
        timer.join()


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no such signal here")
async def test_a_stop_from_a_signal_handler_wakes_a_loop_that_sleeps(saying, flavour):
    me = threading.get_ident()
    async with saying("a", Stall(), flavour=flavour) as model:
        gen = model.complete("")
        before = signal.signal(signal.SIGUSR1, lambda signum, frame: gen.stop())
        later = threading.Timer(0.1, signal.pthread_kill, (me, signal.SIGUSR1))
        later.start()
        begun = perf_counter()
        with anyio.move_on_after(5):
            await gen
        assert perf_counter() - begun < 3
        assert gen.completion.finish_reason == "stopped"
        later.join()
        signal.signal(signal.SIGUSR1, before)


async def test_leaving_after_the_end_changes_nothing(saying):
    async with saying("a") as model:
        gen = model.complete("")
        await gen
        gen.stop()
        assert gen.completion.finish_reason == "stop"


async def test_the_engine_is_idle_when_it_never_began(saying):
    async with saying("a") as model:
        gen = model.complete("")
        with anyio.fail_after(1):
            await gen.idle()
        await gen


async def test_the_next_request_runs_after_leaving(saying, flavour):
    async with saying("a", "b", flavour=flavour) as model:
        async for _ in model.complete(""):
            break
        assert (await model.complete("")).text == "ab"


class Cleaning(EchoEngine):
    """An engine that cleans up after each generation, and takes a while for it."""

    def __init__(self, *, waits, seconds=0.03):
        super().__init__()
        self.waits, self.seconds, self.cleaned = waits, seconds, 0

    async def generate(self, request):
        try:
            while True:
                yield "a "
                if self.waits:
                    await anyio.sleep(30)
                await anyio.sleep(0)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(self.seconds)
            self.cleaned += 1


@pytest.mark.parametrize("waits", [True, False])
async def test_an_engine_may_clean_up_and_wait_for_it(waits):
    engine = Cleaning(waits=waits)
    async with hosted(engine) as model:
        gen = model.complete("")
        async for _ in gen:
            break
        await gen.idle()
        assert (engine.cleaned, model.running) == (1, 0)


class CleaningBare(Cleaning):
    """The same, without a shield of its own: it is closed where it yields, and protected there."""

    async def generate(self, request):
        try:
            for _ in range(10_000):
                yield "a "
        finally:
            await anyio.sleep(self.seconds)
            self.cleaned += 1


async def test_cleaning_up_at_a_yield_needs_no_shield():
    engine = CleaningBare(waits=False)
    async with hosted(engine) as model:
        gen = model.complete("")
        async for _ in gen:
            break
        await gen.idle()
        assert engine.cleaned == 1


async def test_cleaning_up_for_ever_is_cut_short(monkeypatch):
    monkeypatch.setattr(task_pump, "CLOSE_GRACE", 0.05)
    engine = CleaningBare(waits=False, seconds=60)
    async with hosted(engine) as model:
        gen = model.complete("")
        async for _ in gen:
            break
        with anyio.fail_after(5):
            await gen.idle()
        assert engine.cleaned == 0


# errors


async def test_an_error_is_raised_in_the_loop_behind_what_came_before_it(saying, flavour):
    got = []
    async with saying("a", BROKEN, flavour=flavour) as model:
        with pytest.raises(EngineError, match="broken"):
            async for delta in model.complete(""):
                got.append(delta.text)
    assert got == ["a"]


async def test_an_error_carries_what_there_was_and_its_cause(saying, flavour):
    async with saying("a", BROKEN, flavour=flavour) as model:
        with pytest.raises(EngineError) as caught:
            await model.complete("")
    partial = caught.value.partial
    assert (partial.text, partial.finish_reason) == ("a", "error")
    assert partial.usage.completion_tokens == 1
    assert isinstance(caught.value.__cause__, Kaputt)


async def test_several_errors_at_once_are_one_of_the_engine_and_end_no_model(saying, flavour):
    several = Fail(ExceptionGroup("in its tasks", [Kaputt()]))
    async with saying("a", several, flavour=flavour) as model:
        for _ in range(2):
            with pytest.raises(EngineError, match="in its tasks") as caught:
                await model.complete("")
            assert caught.value.partial.text == "a"


async def test_an_error_is_raised_by_await_each_time(saying):
    async with saying(BROKEN) as model:
        gen = model.complete("")
        for _ in range(2):
            with pytest.raises(EngineError):
                await gen
        assert gen.completion.finish_reason == "error"


async def test_an_error_of_our_tree_comes_out_as_it_is(saying, flavour):
    error = ContextOverflow(9, 4)
    async with saying(Fail(error), flavour=flavour) as model:
        with pytest.raises(ContextOverflow) as caught:
            await model.complete("")
    assert caught.value is error
    assert error.partial.text == ""


async def test_a_wrong_event_is_the_backends_bug(saying, flavour):
    async with saying("a", 3, flavour=flavour) as model:
        with pytest.raises(BackendBug, match="3") as caught:
            await model.complete("")
    assert caught.value.partial.text == "a"


async def test_the_model_is_usable_after_an_error(flavour):
    scripts = iter([[BROKEN], ["fine"]])
    async with hosted(flavour(lambda request: next(scripts))) as model:
        with pytest.raises(EngineError):
            await model.complete("")
        assert (await model.complete("")).text == "fine"


async def test_text_held_back_for_a_stop_string_is_not_lost_with_an_error(saying, flavour):
    async with saying("a EN", BROKEN, flavour=flavour) as model:
        with pytest.raises(EngineError) as caught:
            await model.complete("", stop="END")
    assert caught.value.partial.text == "a EN"


class Panic(BaseException):
    """What extensions in other languages raise: not an Exception."""


class Panicking(EchoThreadEngine):
    """An engine that panics after a token."""

    def generate(self, request, cancel):
        yield "a"
        raise Panic("from below")


async def test_a_panic_in_an_engines_thread_is_an_error_and_the_model_lives():
    async with hosted(Panicking()) as model:
        for _ in range(2):
            with anyio.fail_after(2), pytest.raises(EngineError) as caught:
                await model.complete("")
            assert isinstance(caught.value.__cause__, Panic)


# deadlines


async def failure(gen):
    with anyio.fail_after(10), pytest.raises(DeadlineExceeded) as caught:
        await gen
    return caught.value


async def test_the_queue_deadline(flavour):
    async with hosted(EchoThreadEngine(lambda request: ["a", Stall()])) as model:
        busy = model.complete("")
        reader = aiter(busy)
        await anext(reader)
        error = await failure(model.complete("", deadlines=Deadlines(queue=0.05)))
        assert (error.deadline, error.seconds) == ("queue", 0.05)
        assert (error.partial.text, error.partial.finish_reason) == ("", "deadline")
        busy.stop()


async def test_the_first_token_deadline(saying, flavour):
    async with saying(Prefill(1, 9), Stall(), flavour=flavour) as model:
        error = await failure(model.complete("", deadlines=Deadlines(first_token=0.05)))
    assert error.deadline == "first_token"
    assert error.retryable


async def test_progress_with_the_prompt_is_a_sign_of_life(saying, flavour):
    steps = [step for part in range(8) for step in (Prefill(part, 8), Pause(0.05))]
    async with saying(*steps, "a", flavour=flavour) as model:
        done = await model.complete("", deadlines=Deadlines(first_token=0.2))
    assert done.text == "a"


async def test_the_idle_deadline_keeps_the_text(saying, flavour):
    async with saying("a", "b", Stall(), flavour=flavour) as model:
        gen = model.complete("", deadlines=Deadlines(idle=0.05))
        error = await failure(gen)
        assert (error.deadline, error.partial.text) == ("idle", "ab")
        assert gen.completion.finish_reason == "deadline"
        with anyio.fail_after(5):
            await gen.idle()


async def test_the_idle_deadline_holds_though_no_token_had_text(saying, flavour):
    async with saying(Token(1, b""), Stall(), flavour=flavour) as model:
        error = await failure(model.complete("", deadlines=Deadlines(first_token=9.0, idle=0.1)))
    assert error.deadline == "idle"


async def test_tokens_without_text_are_a_sign_of_life(saying, flavour):
    steps = [step for _ in range(8) for step in (Token(1, b""), Pause(0.05))]
    async with saying("a", *steps, "b", flavour=flavour) as model:
        done = await model.complete("", deadlines=Deadlines(idle=0.2))
    assert done.text == "ab"


async def test_the_total_deadline_holds_though_tokens_come(counting, flavour):
    async with counting([], flavour=flavour, pause=0.005) as model:
        error = await failure(model.complete("", deadlines=Deadlines(total=0.1)))
    assert error.deadline == "total"
    assert error.partial.text.startswith("0 1 ")


async def test_a_deadline_passes_in_a_thread_too(saying, in_thread):
    async with saying("a", Stall()) as model:
        gen = model.complete("", deadlines=Deadlines(idle=0.05))
        with pytest.raises(DeadlineExceeded):
            await in_thread(gen.result)
        assert gen.completion.finish_reason == "deadline"


async def test_a_deadline_passes_behind_stages_and_what_they_hold_comes_first(saying):
    got = []
    async with saying("one t", Stall()) as model:
        gen = model.complete("", deadlines=Deadlines(idle=0.05))
        with anyio.fail_after(5), pytest.raises(DeadlineExceeded):
            async for word in gen.words():
                got.append(word)
    assert got == ["one ", "t"]


async def test_an_engine_that_waits_for_its_reader_is_not_idle(flavour):
    script = [f"{number} " for number in range(1000)]
    async with hosted(flavour(lambda request: script)) as model:
        got = []
        async for delta in model.complete("", deadlines=Deadlines(idle=0.1)):
            got.append(delta.text)
            if len(got) in (1, 300):
                await anyio.sleep(0.3)
    assert got == script


async def test_deadlines_of_the_model_hold_where_a_call_says_nothing(saying):
    async with saying("a", Stall(), deadlines=Deadlines(idle=0.05)) as model:
        assert (await failure(model.complete(""))).deadline == "idle"


# many


async def test_fifty_at_once_on_one_model(saying, flavour):
    steps = [f"{number} " for number in range(20)]
    done = []
    async with saying(*steps, flavour=flavour) as model:

        async def one():
            done.append("".join(await read(model.complete(""))))

        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(one)
        assert model.running == 0
    assert done == ["".join(steps)] * 50


async def test_one_that_is_not_read_holds_up_no_other(saying, flavour):
    steps = [f"{number} " for number in range(600)]
    async with saying(*steps, flavour=flavour) as model:
        reader = aiter(model.complete(""))
        await anext(reader)
        with anyio.fail_after(5):
            assert (await model.complete("")).text == "".join(steps)
        assert len([delta async for delta in reader]) == 599


async def test_leaving_one_leaves_the_others(saying):
    async with saying("a", Pause(0.02), "b") as model:

        async def leave():
            async for _ in model.complete(""):
                break

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(leave)
            assert (await model.complete("")).text == "ab"


async def test_an_error_in_one_leaves_the_others(flavour):
    def script(request):
        return ["a", Pause(0.02), BROKEN if request.text == "bad" else "b"]

    async with hosted(flavour(script)) as model:

        async def fail():
            with pytest.raises(EngineError):
                await model.complete("bad")

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(fail)
            assert (await model.complete("good")).text == "ab"


async def test_a_reader_that_always_finds_something_lets_others_run(flavour):
    turns = []

    async def turn():
        while True:
            await anyio.sleep(0.001)
            turns.append(perf_counter())

    script = ["a "] * 60_000
    async with hosted(flavour(lambda request: script)) as model, anyio.create_task_group() as tasks:
        tasks.start_soon(turn)
        await anyio.sleep(0.01)
        async for _ in model.complete(""):
            continue
        await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    assert max(later - turn for turn, later in pairwise(turns)) < 0.1


# the model closes


async def test_closing_the_model_ends_its_generations_with_what_there_was(flavour):
    caught = []

    async def read_on(gen):
        try:
            await gen
        except ModelClosed as error:
            caught.append(error)

    model_of_one = hosted(flavour(lambda request: ["a", Stall()]))
    async with anyio.create_task_group() as tasks, model_of_one as model:
        gen = model.complete("")
        tasks.start_soon(read_on, gen)
        while gen.text != "a":
            await anyio.sleep(0.001)
    assert [error.partial.text for error in caught] == ["a"]
    assert gen.completion.finish_reason == "error"


async def test_a_closed_model_starts_nothing(saying, flavour):
    async with saying("a", flavour=flavour) as model:
        gen = model.complete("")
    with pytest.raises(ModelClosed):
        await gen
    with pytest.raises(ModelClosed):
        model.complete("")


async def test_a_generation_that_is_not_read_is_ended_with_the_model(flavour):
    async with hosted(flavour(lambda request: ["a", "b", Stall()])) as model:
        gen = model.complete("")
        reader = aiter(gen)
        await anext(reader)
    with pytest.raises(ModelClosed) as caught:
        async for _ in reader:
            continue
    assert caught.value.partial.text in ("a", "ab")


# threads


async def test_a_thread_reads_while_the_loop_runs(saying, flavour, in_thread):
    async with saying("a", Pause(0.01), "b", flavour=flavour) as model:
        gen = model.complete("")
        assert [delta.text for delta in await in_thread(list, gen)] == ["a", "b"]
        assert gen.completion.finish_reason == "stop"


async def test_a_thread_waits_for_the_result(saying, flavour, in_thread):
    async with saying("a", Pause(0.01), "b", flavour=flavour) as model:
        assert (await in_thread(model.complete("").result)).text == "ab"


async def test_threads_read_side_by_side(saying, flavour, in_thread):
    texts = []

    def read_one(model):
        texts.append(model.complete("").result().text)

    loading = saying("a", Pause(0.01), "b", flavour=flavour)
    async with loading as model, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(in_thread, read_one, model)
    assert texts == ["ab"] * 10


async def test_an_error_is_raised_in_a_thread(saying, flavour, in_thread):
    async with saying("a", BROKEN, flavour=flavour) as model:
        with pytest.raises(EngineError) as caught:
            await in_thread(list, model.complete(""))
    assert caught.value.partial.text == "a"


async def test_breaking_out_in_a_thread_stops_the_engine(counting, flavour, in_thread, stopped):
    def first(gen):
        for delta in gen:
            return delta.text
        return None

    made = []
    async with counting(made, flavour=flavour) as model:
        gen = model.complete("")
        assert await in_thread(first, gen) == "0 "
        await stopped(gen, made)


async def test_with_in_a_thread_waits_until_the_engine_is_free(counting, flavour, in_thread):
    def first(model):
        with model.complete("") as gen:
            for _ in gen:
                break
        return gen._channel.idle

    async with counting([], flavour=flavour) as model:
        assert await in_thread(first, model)


@pytest.mark.parametrize("block", [list, lambda gen: gen.result(), lambda gen: gen.__enter__()])
async def test_blocking_the_engines_own_loop_is_refused(saying, block):
    async with saying("a") as model:
        gen = model.complete("")
        with pytest.raises(UsageError, match="async for"):
            block(gen)
        await gen


async def test_entering_a_chain_in_the_engines_own_loop_is_refused(saying):
    async with saying("a") as model:
        words = model.complete("").words()
        with pytest.raises(UsageError):
            words.__enter__()
        await words.collect()


@pytest.mark.parametrize("attempt", range(5))
async def test_stopping_while_a_thread_reads_keeps_exactly_what_it_read(
    counting, in_thread, attempt
):
    got = []

    def read_all(gen):
        for delta in gen:
            got.append(delta.text)

    async with counting([]) as model, anyio.create_task_group() as tasks:
        gen = model.complete("")
        tasks.start_soon(in_thread, read_all, gen)
        while not got:  # a thread may take its time to begin
            await anyio.sleep(0.001)
        await anyio.sleep(0.003 * attempt)
        gen.stop()
    assert gen.completion.text == "".join(got)
    assert gen.text == "".join(got)


class Interrupt(BaseException):
    """Stands for KeyboardInterrupt, which would end the test run."""


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="needs signals to a thread")
@pytest.mark.parametrize("target", ["echo:", "echo-blocking:"])
@pytest.mark.parametrize("read", [list, lambda gen: gen.result(), lambda gen: list(gen.words())])
def test_an_interrupt_while_waiting_stops_the_engine(target, read):
    def interrupt(signum, frame):
        raise Interrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    main = threading.get_ident()
    timer = threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGUSR1))
    try:
        with penstock.sync.load(target, options={"stall_after": 1}) as model:
            gen = model.complete("abcdef")
            timer.start()
            with pytest.raises(Interrupt):
                read(gen)
            gen.wait_idle()
            assert gen.completion.finish_reason == "cancelled"
            assert gen.text == "abc"
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)


def test_a_generation_of_the_facade_can_be_read_in_a_loop_of_ones_own(anyio_backend):
    name, options = anyio_backend

    async def main(model):
        return "".join([delta.text async for delta in model.complete("a b c")])

    with penstock.sync.load("echo:") as model:
        assert anyio.run(main, model, backend=name, backend_options=options) == "a b c"


# moments in which two threads meet


class Interleaved:
    """A channel in which something happens right behind the first look into it."""

    def __init__(self, channel, happening):
        self._channel, self._happening = channel, happening

    def pop(self):
        delta = self._channel.pop()
        if self._happening is not None:
            happening, self._happening = self._happening, None
            happening(self._channel)
        return delta

    def __getattr__(self, name):
        return getattr(self._channel, name)


async def test_what_comes_between_looking_for_it_and_looking_for_the_end_is_not_lost(saying):
    async with saying("a", Pause(0.05)) as model:
        gen = model.complete("")
        reader = aiter(gen)
        await anext(reader)

        def end(channel):
            channel.put(Delta("late"))
            channel.finish(Outcome())

        gen._channel = Interleaved(gen._channel, end)
        assert [delta.text async for delta in reader] == ["late"]
        assert gen.completion.text == "alate"


async def test_a_stop_while_a_delta_is_taken_keeps_the_text_that_was_given(saying):
    async with saying("a", "b", Stall()) as model:
        gen = model.complete("")
        reader = aiter(gen)
        first = (await anext(reader)).text
        while not gen._channel.holds:
            await anyio.sleep(0.001)
        gen._channel = Interleaved(gen._channel, lambda channel: gen.stop())
        rest = [delta.text async for delta in reader]
        assert gen.completion.text == first + "".join(rest)


class Watched(Fitting):
    """A conversation beside which, while its completion is made, another thread asks for that."""

    watch = None

    def report(self):
        watch, self.watch = self.watch, None
        if watch is not None:
            watch.start()
            watch.join(0.05)
        return super().report()


async def test_whoever_asks_while_it_ends_gets_the_same_completion(saying, in_thread):
    ends, seen = [], []
    async with saying("a") as model:
        asked = Watched([Message("user", "Hi")])
        gen = model.answer(asked, on_end=ends.append)
        watcher = asked.watch = threading.Thread(target=lambda: seen.append(gen.completion))
        done = await gen
        await in_thread(watcher.join)
    assert done.finish_reason == "stop"
    assert seen == ends == [done]


class PanickingInTask(EchoEngine):
    """An asynchronous engine that panics after a token."""

    async def generate(self, request):
        yield "a"
        raise Panic("from below")


async def test_a_panic_of_an_async_engine_is_an_error_and_the_model_lives():
    async with hosted(PanickingInTask()) as model:
        for _ in range(2):
            with anyio.fail_after(2), pytest.raises(EngineError) as caught:
                await model.complete("")
            assert isinstance(caught.value.__cause__, Panic)


async def test_a_request_from_a_thread_that_crosses_the_closing_of_the_model_is_refused():
    class Crossing(deque):
        """An inbox into which a job falls just after it was emptied for the last time."""

        def append(self, job):
            closed.wait(5)
            super().append(job)

    closed = threading.Event()
    errors = []

    def read(gen):
        try:
            gen.result()
        except ModelClosed as error:
            errors.append(error)

    async with hosted(EchoEngine()) as model:
        model._pump._inbox = Crossing()
        thread = threading.Thread(target=read, args=(model.complete("a"),), daemon=True)
        thread.start()
        await anyio.sleep(0.05)
    closed.set()
    await anyio.to_thread.run_sync(thread.join, 5)
    assert len(errors) == 1
