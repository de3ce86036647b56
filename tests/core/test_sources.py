"""What sources get: progress that never goes back, and a word when nobody waits any more."""

from __future__ import annotations

import sys
import threading
from importlib.metadata import EntryPoint
from types import ModuleType

import anyio
import penstock
import pytest
from penstock import (
    Backend,
    BackendDeclaration,
    LoadProgress,
    PresetDeclaration,
    Registry,
    SourceContext,
    SourceDeclaration,
    StoredModel,
    hookimpl,
)
from penstock.errors import LoadError, ModelNotFound, UnknownSource, UsageError
from penstock.plugins import discover
from penstock.progress import Forward
from penstock.testing import EchoEngine


class Reading(Backend):
    async def load(self, spec, progress):
        progress(LoadProgress("loading", 0.5))
        return EchoEngine()


@pytest.fixture
def shelf(monkeypatch, tmp_path):
    """Make a registry with a source of one function, and a backend for what it finds."""
    file = tmp_path / "model.bin"
    file.write_bytes(b"weights")

    def make(resolve, **more: object) -> Registry:
        module = ModuleType("made_shelf")
        module.resolve, module.Reading = resolve, Reading
        module.stored, module.remove = more.get("stored"), more.get("remove")
        source = SourceDeclaration(
            scheme="shelf",
            resolve="made_shelf:resolve",
            stored="made_shelf:stored" if "stored" in more else "",
            remove="made_shelf:remove" if "remove" in more else "",
        )
        reading = BackendDeclaration(
            name="reading", factory="made_shelf:Reading", formats=("bin", "gguf")
        )
        remote = BackendDeclaration(name="remote", factory="made_shelf:Reading")
        preset = PresetDeclaration(name="tale-1b", target="shelf:tale")
        module.penstock_sources = hookimpl(lambda: [source])
        module.penstock_backends = hookimpl(lambda: [reading, remote])
        module.penstock_presets = more.get("presets") or hookimpl(lambda: [preset])
        monkeypatch.setitem(sys.modules, "made_shelf", module)
        return Registry(*discover([EntryPoint("made", "made_shelf", "penstock")], {}))

    make.file = file
    return make


# context


@pytest.mark.anyio
async def test_a_function_of_one_argument_needs_no_context(shelf):
    registry = shelf(lambda rest: shelf.file)
    async with penstock.load("shelf:x", registry=registry) as model:
        assert model.info.name == "echo"


@pytest.mark.anyio
async def test_a_source_tells_its_progress(shelf):
    def resolve(rest, context):
        context.progress(LoadProgress("downloading", 0.5, bytes=1, total=2, file=rest))
        return shelf.file

    seen: list[LoadProgress] = []
    async with penstock.load("shelf:x", registry=shelf(resolve), on_progress=seen.append):
        pass
    assert [progress.phase for progress in seen] == ["resolving", "downloading", "loading", "ready"]
    assert seen[1] == LoadProgress("downloading", 0.5, bytes=1, total=2, file="x")


@pytest.mark.anyio
@pytest.mark.parametrize("phase", ["resolving", "downloading", "loading", "ready"])
async def test_what_a_listener_raises_comes_out_as_it_is(phase, shelf):
    """Whoever tells of progress takes it for a failure of its own."""

    def resolve(rest, context):
        context.progress(LoadProgress("downloading", 0.5))
        return shelf.file

    def listener(progress):
        if progress.phase == phase:
            raise ZeroDivisionError("in the program's own code")

    loading = penstock.load("shelf:x", registry=shelf(resolve), on_progress=listener)
    with pytest.raises(ZeroDivisionError, match="in the program's own code") as caught:
        await loading.__aenter__()
    assert caught.value.__cause__ is None


@pytest.mark.anyio
async def test_a_source_learns_when_nobody_waits_any_more(shelf):
    told = threading.Event()

    def resolve(rest, context):
        assert context.cancel.wait(10)
        told.set()
        context.assert_wanted()

    with anyio.move_on_after(0.05) as scope:
        await penstock.load("shelf:x", registry=shelf(resolve)).__aenter__()
    assert scope.cancelled_caught
    assert await anyio.to_thread.run_sync(told.wait, 5)


@pytest.mark.anyio
async def test_a_source_that_does_not_listen_holds_nobody_up(shelf):
    release = threading.Event()
    with anyio.fail_after(2), anyio.move_on_after(0.05) as scope:
        registry = shelf(lambda rest: release.wait(10))
        await penstock.load("shelf:x", registry=registry).__aenter__()
    release.set()
    assert scope.cancelled_caught


def test_what_nobody_waits_for_is_a_load_error():
    context = SourceContext()
    context.assert_wanted()
    context.cancel.set()
    with pytest.raises(LoadError, match="What was downloaded is kept"):
        context.assert_wanted()


# progress


def test_progress_never_goes_back():
    seen: list[LoadProgress] = []
    forward = Forward(seen.append)
    for phase, share, count in [
        ("resolving", 0.0, None),
        ("downloading", 0.5, 50),
        ("downloading", 0.2, 20),
        ("resolving", 0.9, None),
        ("verifying", 0.1, None),
        ("downloading", 1.0, 100),
        ("ready", 1.0, None),
    ]:
        forward(LoadProgress(phase, share, bytes=count))
    assert [(p.phase, p.fraction, p.bytes) for p in seen] == [
        ("resolving", 0.0, None),
        ("downloading", 0.5, 50),
        ("downloading", 0.5, 50),
        ("verifying", 0.1, None),
        ("ready", 1.0, None),
    ]


def test_phases_of_a_backends_own_pass_in_their_place():
    seen: list[str] = []
    forward = Forward(lambda progress: seen.append(progress.phase))
    for phase in ("resolving", "connecting", "loading", "connecting", "ready"):
        forward(LoadProgress(phase, 0.0))
    assert seen == ["resolving", "connecting", "loading", "connecting", "ready"]


def test_another_attempt_begins_again():
    seen: list[str] = []
    forward = Forward(lambda progress: seen.append(progress.phase))
    forward(LoadProgress("ready", 1.0))
    forward.restart()
    forward(LoadProgress("resolving", 0.0))
    assert seen == ["ready", "resolving"]


# what is stored


def test_a_source_says_what_it_has_and_removes_it(shelf):
    model = StoredModel(source="shelf:x", path=shelf.file, size=7)
    registry = shelf(
        lambda rest: shelf.file,
        stored=lambda wanted: [model] if wanted in ("", "x") else [],
        remove=lambda gone: gone.path.unlink(),
    )
    shelved = registry.source("shelf")
    assert shelved.stored() == shelved.stored("x") == [model]
    assert shelved.stored("y") == []
    shelved.remove(model)
    assert not shelf.file.exists()


def test_a_source_that_keeps_nothing_has_nothing_and_removes_nothing(shelf):
    shelved = shelf(lambda rest: shelf.file).source("shelf")
    assert shelved.stored() == []
    with pytest.raises(
        UsageError, match="'shelf' does not remove what it finds, such as 'shelf:x'"
    ):
        shelved.remove(StoredModel(source="shelf:x", path=shelf.file, size=7))


def test_a_source_that_fails_to_list_is_a_load_error(shelf):
    def broken(wanted):
        yield from ()
        raise OSError("no right to look")

    with pytest.raises(LoadError, match="source 'shelf' failed.*no right to look"):
        shelf(lambda rest: shelf.file, stored=broken).source("shelf").stored()


# presets


def test_a_preset_stands_for_its_target(shelf):
    registry = shelf(lambda rest: shelf.file)
    assert registry.parse("tale-1b").source == "shelf:tale"
    assert registry.parse("reading:tale-1b").source == "shelf:tale"


def test_behind_a_backend_that_reads_no_files_a_name_is_its_own(shelf):
    assert shelf(lambda rest: shelf.file).parse("remote:tale-1b").source == "tale-1b"


def test_a_file_of_the_name_of_a_preset_is_a_file(shelf, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tale-1b").touch()
    assert shelf(lambda rest: shelf.file).parse("tale-1b").source == "tale-1b"


def test_a_name_like_a_preset_is_answered_with_it(shelf):
    registry = shelf(lambda rest: shelf.file)
    with pytest.raises(ModelNotFound, match=r"Did you mean 'tale-1b'\?"):
        registry.resolve(registry.parse("tail-1b"))


def test_presets_that_cannot_be_read_break_their_plugin_when_they_are_asked_for(shelf):
    def broken():
        raise ValueError("no table")

    registry = shelf(lambda rest: shelf.file, presets=hookimpl(broken))
    assert registry.records[0].state == "loaded"
    assert registry.presets == {}
    assert (registry.records[0].state, "no table" in registry.records[0].reason) == ("broken", True)


def test_an_unknown_source_is_answered_with_the_nearest(shelf):
    with pytest.raises(UnknownSource, match="Did you mean 'shelf'"):
        shelf(lambda rest: shelf.file).source("shlf")


def test_the_first_bytes_of_a_file_without_an_ending_tell_its_format(shelf, tmp_path):
    for name in ("sha256-123", "model-v1.5"):
        file = tmp_path / name
        file.write_bytes(b"GGUF and more")
        assert shelf(lambda rest: shelf.file).backend_for(file) == "reading"


@pytest.mark.parametrize("name", ["echo", "pocket"])
def test_a_name_without_its_colon_is_told_with_it(name):
    registry = Registry.installed()
    with pytest.raises(ModelNotFound, match=f"write '{name}:'"):
        registry.resolve(registry.parse(name))


@pytest.mark.parametrize("told", ["/x", StoredModel(source="shelf:x", path="/x", size=1)])
def test_what_is_no_stored_model_is_told_with_its_value(shelf, told):
    source = shelf(lambda rest: shelf.file, stored=lambda wanted: [told]).source("shelf")
    with pytest.raises(LoadError, match="source 'shelf' failed at ''.*no StoredModel") as caught:
        source.stored()
    assert repr(told) in str(caught.value)


def test_a_panic_of_a_source_is_a_load_error(shelf):
    class Panic(BaseException):
        pass

    def panic(*_):
        raise Panic("out of bounds")

    registry = shelf(panic, stored=panic)
    with pytest.raises(LoadError, match="source 'shelf' failed at 'x': Panic"):
        registry.resolve(registry.parse("shelf:x"))
    with pytest.raises(LoadError, match="source 'shelf' failed at '': Panic"):
        registry.source("shelf").stored()
