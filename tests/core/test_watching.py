"""`async for progress in loading.progress()`: a load that is watched, on every loop."""

from __future__ import annotations

import gc
import weakref

import anyio
import penstock
import pytest
from penstock import Deadlines
from penstock.errors import DeadlineExceeded, LoadError, UsageError
from penstock.loading import Loading

pytestmark = pytest.mark.anyio

SLOW = {"load_seconds": 30}


async def test_the_iterator_loads_and_entering_takes_the_model():
    loading = penstock.load("echo:")
    phases = [progress.phase async for progress in loading.progress()]
    assert (phases[0], phases[-1]) == ("resolving", "ready")
    async with loading as model:
        assert (await model.complete("here")).text == "here"


async def test_both_the_callback_and_the_iterator_are_told():
    seen: list[str] = []
    loading = penstock.load("echo:", on_progress=lambda progress: seen.append(progress.phase))
    phases = [progress.phase async for progress in loading.progress()]
    assert set(phases) == set(seen)
    async with loading:
        pass


async def test_shares_rise_and_what_nobody_saw_in_time_is_left_out():
    loading = penstock.load("echo:")
    seen = []
    async for progress in loading.progress():
        await anyio.sleep(0.02)
        seen.append(progress)
    assert [p.phase for p in seen].count("ready") == 1
    shares = [p.fraction for p in seen if p.phase == "loading"]
    assert shares == sorted(shares)
    async with loading:
        pass


async def test_a_load_that_fails_raises_in_the_loop_and_may_be_tried_again():
    loading = penstock.load("echo:", options={"fail_load": True})
    with pytest.raises(LoadError, match="echo was told to fail"):
        async for _ in loading.progress():
            pass
    with pytest.raises(LoadError, match="echo was told to fail"):
        await loading.__aenter__()


async def test_the_deadline_holds():
    loading = penstock.load("echo:", options=SLOW, deadlines=Deadlines(load=0.05))
    with pytest.raises(DeadlineExceeded):
        async for _ in loading.progress():
            pass


async def test_another_task_may_enter_meanwhile():
    loading = penstock.load("echo:", options={"load_seconds": 0.2})
    phases: list[str] = []

    async def watch() -> None:
        async for progress in loading.progress():
            phases.append(progress.phase)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        await anyio.sleep(0.05)
        async with loading as model:
            assert (await model.complete("both")).text == "both"
    assert phases[-1] == "ready"


async def test_leaving_the_loop_ends_the_load():
    loading = penstock.load("echo:", options=SLOW)
    async for progress in loading.progress():
        if progress.phase == "loading":
            break
    gc.collect()
    with anyio.fail_after(5):
        while not loading._beside.over:
            await anyio.sleep(0.01)
    assert loading._beside.engine is None


async def test_leaving_does_not_end_it_for_those_who_entered():
    loading = penstock.load("echo:", options={"load_seconds": 0.3})
    async with anyio.create_task_group() as tasks:

        async def enter() -> None:
            async with loading as model:
                assert (await model.complete("mine")).text == "mine"

        async for progress in loading.progress():
            if progress.phase == "loading":
                tasks.start_soon(enter)
                await anyio.sleep(0.05)
                break


async def test_cancelling_the_watcher_ends_the_load_before_it_goes_on():
    loading = penstock.load("echo:", options=SLOW)
    with anyio.move_on_after(0.1) as scope:
        async for _ in loading.progress():
            pass
    assert scope.cancelled_caught
    assert loading._beside.over


async def test_cancelling_who_entered_ends_the_load():
    loading = penstock.load("echo:", options=SLOW)
    watch = loading.progress()
    await anext(watch)
    with anyio.move_on_after(0.1) as scope:
        await loading.__aenter__()
    assert scope.cancelled_caught
    assert loading._beside.over


async def test_a_load_under_way_is_not_begun_again():
    loading = penstock.load("echo:", options=SLOW)
    watch = loading.progress()
    await anext(watch)
    with pytest.raises(UsageError, match="under way already"):
        await anext(loading.progress())


@pytest.mark.parametrize("target", ["echo:", "echo-blocking:", "echo-batching:"])
async def test_a_model_that_is_never_entered_is_warned_of_and_freed(target):
    loading = penstock.load(target)
    async for _ in loading.progress():
        pass
    engine = weakref.ref(loading._beside.engine)
    with pytest.warns(ResourceWarning, match="never entered"):
        del loading
        gc.collect()
    with anyio.fail_after(5):
        while engine() is not None:  # kept by its own thread, until it is closed
            await anyio.sleep(0.01)
            gc.collect()


@pytest.mark.parametrize("target", ["echo:", "echo-blocking:", "echo-batching:"])
async def test_one_that_is_warned_of_is_freed_where_warnings_are_errors(target, monkeypatch):
    loading = penstock.load(target)
    async for _ in loading.progress():
        pass
    engine = weakref.ref(loading._beside.engine)
    unraisable = []
    monkeypatch.setattr("sys.unraisablehook", unraisable.append)
    del loading
    gc.collect()
    assert [type(one.exc_value) for one in unraisable] == [ResourceWarning]
    unraisable.clear()
    with anyio.fail_after(5):
        while engine() is not None:
            await anyio.sleep(0.01)
            gc.collect()


async def test_leaving_when_the_load_is_over_already_frees_its_engine_unsaid():
    loading = penstock.load("echo:")
    async for progress in loading.progress():
        if progress.phase == "ready":
            break
    assert loading._beside.over
    engine = weakref.ref(loading._beside.engine)
    del loading
    gc.collect()
    with anyio.fail_after(5):
        while engine() is not None:
            await anyio.sleep(0.01)
            gc.collect()


async def test_one_may_leave_when_it_is_ready_and_enter():
    loading = penstock.load("echo:")
    async for progress in loading.progress():
        if progress.phase == "ready":
            break
    engine = loading._beside.engine
    async with loading as model:
        assert model.engine is engine


class Panic(BaseException):
    """As engines in other languages raise it."""


async def test_a_panic_is_told_to_the_watcher():
    async def make():
        raise Panic("index out of bounds")

    with pytest.raises(Panic):
        async for _ in Loading(make).progress():
            pass
