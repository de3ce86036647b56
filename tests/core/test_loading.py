"""load(): progress, its deadline, cancellation, and whose errors come out."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType

import anyio
import penstock
import pytest
from penstock import (
    Backend,
    BackendDeclaration,
    Deadlines,
    Engine,
    ModelInfo,
    Registry,
    Sampling,
    hookimpl,
)
from penstock.errors import (
    BackendBug,
    DeadlineExceeded,
    LoadError,
    ModelClosed,
    UnknownBackend,
    UsageError,
)
from penstock.plugins import discover
from penstock.testing import EchoEngine

pytestmark = pytest.mark.anyio


class Recording(Backend):
    """Loads an echo, and keeps what it was asked for."""

    def __init__(self) -> None:
        self.specs: list[penstock.ModelSpec] = []

    async def load(self, spec, progress):
        self.specs.append(spec)
        return EchoEngine()


class Exploding(Backend):
    async def load(self, spec, progress):
        raise ZeroDivisionError("in the engine's own code")


class Panic(BaseException):
    """As engines in other languages raise it."""


class Panicking(Backend):
    async def load(self, spec, progress):
        raise Panic("index out of bounds")


class Empty(Backend):
    async def load(self, spec, progress):
        return None


@pytest.fixture
def registry(monkeypatch):
    """Make a registry with one backend, called `mine`."""

    def make(backend: Backend) -> Registry:
        module = ModuleType("made_plugin")
        module.make = lambda: backend
        module.penstock_backends = hookimpl(
            lambda: [BackendDeclaration(name="mine", factory="made_plugin:make", formats=("bin",))]
        )
        monkeypatch.setitem(sys.modules, "made_plugin", module)
        return Registry(*discover([EntryPoint("mine", "made_plugin", "penstock")], {}))

    return make


async def test_the_backend_gets_the_rest_of_the_target_and_the_options(registry):
    backend = Recording()
    loading = penstock.load(
        "mine:some-id", device="cuda:1", options={"n": 1}, registry=registry(backend)
    )
    async with loading as model:
        assert model.info.backend == "echo"
    assert backend.specs == [
        penstock.ModelSpec(source="some-id", path=None, device="cuda:1", options={"n": 1})
    ]


async def test_a_panic_of_a_backend_is_its_error(registry):
    loading = penstock.load("mine:x", registry=registry(Panicking()))
    with pytest.raises(LoadError, match="'mine' could not load 'x': Panic") as told:
        async with loading:
            pass
    assert isinstance(told.value.__cause__, Panic)
    with pytest.raises(LoadError, match="Panic"):
        async for _ in penstock.load("mine:x", registry=registry(Panicking())).progress():
            pass


async def test_an_engine_is_freed_if_nobody_hears_that_it_is_ready(registry):
    freed = []

    class Freed(EchoEngine):
        async def aclose(self):
            await anyio.sleep(0)
            freed.append(self)

    class Loads(Backend):
        async def load(self, spec, progress):
            return Freed()

    def told(progress):
        if progress.phase == "ready":
            raise ZeroDivisionError("in the program's own code")

    with pytest.raises(ZeroDivisionError):
        async with penstock.load("mine:x", registry=registry(Loads()), on_progress=told):
            pass
    assert len(freed) == 1


async def test_an_engine_without_info_is_the_backends_bug_and_freed(registry):
    freed = []

    class Bare(Engine):
        def generate(self, request):
            raise NotImplementedError

        async def aclose(self):
            freed.append(self)

    class Loads(Backend):
        async def load(self, spec, progress):
            return Bare()

    with pytest.raises(BackendBug, match="backend 'mine' loaded an engine without info. Set self"):
        await penstock.load("mine:x", registry=registry(Loads())).__aenter__()
    assert len(freed) == 1


def test_a_policy_that_there_is_not_is_refused_before_anything_is_loaded():
    with pytest.raises(UsageError, match="unsupported='bogus'. It is one of error, warn, drop"):
        penstock.load("echo:", unsupported="bogus")


async def test_a_file_goes_to_the_backend_of_its_format(registry, tmp_path):
    file = tmp_path / "x.bin"
    file.touch()
    backend = Recording()
    async with penstock.load(str(file), registry=registry(backend)):
        pass
    assert backend.specs[0].path == Path(file)


async def test_progress_goes_from_resolving_to_ready():
    seen: list[penstock.LoadProgress] = []
    async with penstock.load("echo:", on_progress=seen.append):
        pass
    assert (seen[0].phase, seen[-1].phase) == ("resolving", "ready")
    shares = [progress.fraction for progress in seen if progress.phase == "loading"]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


async def test_the_deadline_for_loading_is_told_by_name():
    loading = penstock.load("echo:", options={"load_seconds": 60}, deadlines=Deadlines(load=0.05))
    with anyio.fail_after(5), pytest.raises(DeadlineExceeded, match="'load'.*0.05 s") as caught:
        await loading.__aenter__()
    assert caught.value.retryable


async def test_a_load_that_is_in_time_is_not_bothered_by_its_deadline_later():
    async with penstock.load("echo:", deadlines=Deadlines(load=0.2)) as model:
        await anyio.sleep(0.3)
        assert (await model.complete("still here")).text == "still here"


async def test_loading_can_be_cancelled():
    with anyio.move_on_after(0.05) as scope:
        async with penstock.load("echo:", options={"load_seconds": 60}):
            pytest.fail("loaded in no time")
    assert scope.cancelled_caught


async def test_a_load_that_fails_raises_the_backends_own_error():
    with pytest.raises(LoadError, match="echo was told to fail. Leave out"):
        await penstock.load("echo:", options={"fail_load": True}).__aenter__()


async def test_an_error_not_of_our_tree_becomes_a_load_error_with_its_cause(registry):
    with pytest.raises(LoadError, match="backend 'mine' could not load 'x'") as caught:
        await penstock.load("mine:x", registry=registry(Exploding())).__aenter__()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


async def test_a_backend_that_loads_no_engine_is_told_so(registry):
    with pytest.raises(BackendBug, match="backend 'mine' loaded None"):
        await penstock.load("mine:x", registry=registry(Empty())).__aenter__()


async def test_a_wrong_target_is_told_when_the_model_is_entered():
    loading = penstock.load("nobody:x")
    with pytest.raises(UnknownBackend):
        await loading.__aenter__()


async def test_the_users_own_exception_comes_out_unwrapped():
    with pytest.raises(KeyError, match="mine"):
        async with penstock.load("echo:"):
            raise KeyError("mine")


async def test_the_users_own_exception_comes_out_unwrapped_in_the_middle_of_a_stream():
    async def break_off() -> None:
        async with penstock.load("echo:", options={"delay": 0.001}) as model:
            async for _ in model.complete("a b c d e f g"):
                raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await break_off()


async def test_a_model_is_closed_behind_its_block():
    async with penstock.load("echo:") as model:
        pass
    with pytest.raises(ModelClosed, match="inside `async with"):
        model.complete("too late")


async def test_a_load_is_entered_once():
    loading = penstock.load("echo:")
    async with loading:
        with pytest.raises(UsageError, match=r"Call load\(\) again"):
            await loading.__aenter__()


async def test_a_load_that_failed_may_be_tried_again(registry, tmp_path):
    loading = penstock.load(str(tmp_path / "x.bin"), registry=registry(Recording()))
    with pytest.raises(penstock.ModelNotFound):
        await loading.__aenter__()
    (tmp_path / "x.bin").touch()
    async with loading as model:
        assert model.info.name == "echo"


async def test_sampling_given_to_load_stands_under_that_of_a_call():
    async with penstock.load("echo:", sampling=Sampling(max_tokens=1, seed=5)) as model:
        assert (await model.complete("abcdef")).text == "abc"
        longer = await model.complete("abcdef", max_tokens=2)
    assert (longer.text, longer.effective.seed) == ("abcdef", 5)


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (lambda self, spec: None, "a wrong signature: "),
        (
            lambda self, spec, progress: EchoEngine(),
            "returned <.*EchoEngine.*It is `async def load`",
        ),
    ],
    ids=["signature", "not async"],
)
async def test_a_load_of_the_wrong_shape_is_the_backends_bug(registry, load, said):
    backend = type("Loads", (Backend,), {"load": load})()
    with pytest.raises(BackendBug, match=said):
        await penstock.load("mine:x", registry=registry(backend)).__aenter__()


@pytest.mark.parametrize("info", [property(lambda self: ModelInfo(name="x")), None, {"name": "x"}])
async def test_an_info_that_cannot_be_is_the_backends_bug(registry, info, caplog):
    class Odd(Engine):
        def generate(self, request):
            raise NotImplementedError

        async def aclose(self):
            raise OSError("nor can it be closed")

    Odd.info = info

    class Loads(Backend):
        async def load(self, spec, progress):
            return Odd()

    with pytest.raises(BackendBug, match="backend 'mine' loaded an engine without info. Set self"):
        await penstock.load("mine:x", registry=registry(Loads())).__aenter__()
    assert "could not be closed: OSError('nor can it be closed')" in caplog.text
