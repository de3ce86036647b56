"""What the tests of the stream layer share: scripted engines, two ways to read, a last resort."""

from __future__ import annotations

import faulthandler
import signal
import threading
from functools import partial

import anyio
import pytest
from penstock.streams import Generation
from penstock.testing import EchoBatchEngine, EchoEngine, EchoThreadEngine, hosted

LONGEST = 30
"""Seconds after which a test is taken to hang."""


@pytest.fixture(autouse=True)
def never_hang():
    """Fail a test that hangs, also one that never lets its event loop run."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    rung = []

    def fail(signum, frame):
        rung.append(frame)
        if len(rung) > 2:  # not even the end of the test comes through: end the run
            faulthandler.dump_traceback()
            raise KeyboardInterrupt
        pytest.fail(f"hung for {LONGEST} s", pytrace=True)

    before = signal.signal(signal.SIGALRM, fail)
    signal.setitimer(signal.ITIMER_REAL, LONGEST, 5)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(
    params=[EchoEngine, EchoThreadEngine, EchoBatchEngine], ids=["async", "blocking", "batching"]
)
def flavour(request):
    """Each kind of engine."""
    return request.param


@pytest.fixture
def saying():
    """`saying("a", Pause(1), "b")` is a model whose every answer is these steps."""

    def make(*steps, flavour=EchoEngine, **settings):
        return hosted(flavour(lambda request: steps), **settings)

    return make


@pytest.fixture
def counting():
    """`counting(made)` is a model that never ends, and appends each token it makes to `made`."""

    def make(made, *, flavour=EchoEngine, pause=0.0, **settings):
        from penstock.testing import Pause

        def script(request):
            for number in range(1_000_000):
                if pause:
                    yield Pause(pause)
                made.append(number)
                yield f"{number} "

        return hosted(flavour(script), **settings)

    return make


@pytest.fixture(params=["task", "thread"])
def items_of(request):
    """Read a stream to its end, with `async for` in this task or with `for` in a thread."""

    async def in_task(stream):
        return [item async for item in stream]

    async def in_thread(stream):
        return await anyio.to_thread.run_sync(list, stream)

    return in_task if request.param == "task" else in_thread


@pytest.fixture
def in_thread():
    """Run a function in a thread of its own, and return what it returns."""

    async def run(function, *args):
        return await anyio.to_thread.run_sync(partial(function, *args))

    return run


@pytest.fixture(autouse=True)
def threads_return():
    """Have every test end with the threads it began with, but for workers kept for reuse."""
    before = set(threading.enumerate())
    yield
    left = [
        thread
        for thread in set(threading.enumerate()) - before
        if thread.is_alive() and thread.name.startswith("penstock")
    ]
    assert not left


@pytest.fixture
def stopped():
    """Assert that a generation which was left has freed the engine, which makes no more."""

    async def check(generation: Generation, made: list):
        with anyio.fail_after(5):
            await generation.idle()
        before = len(made)
        await anyio.sleep(0.03)
        assert len(made) == before

    return check
