"""Loading: progress, cancellation, errors that help, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio
import pytest
from penstock.backend import LoadProgress, ModelSpec
from penstock.errors import InvalidModel, LoadError, ModelNotFound, UsageError
from penstock_llamacpp import probe
from penstock_llamacpp.backend import LlamaCpp, _Loading
from penstock_llamacpp.engine import LlamaCppEngine
from penstock_llamacpp.probe import write_model
from penstock_llamacpp.weights import Weights

pytestmark = pytest.mark.anyio


def spec(path: Path, device: str = "auto", **options: object) -> ModelSpec:
    return ModelSpec(source=str(path), path=path, device=device, options=options)


def ignore(_progress: LoadProgress) -> None:
    pass


@pytest.fixture
def living(monkeypatch: pytest.MonkeyPatch) -> list[Weights]:
    """The models that are loaded and not freed."""
    models: list[Weights] = []
    build, close = Weights.__init__, Weights.close

    def built(self: Weights, *args: object, **options: object) -> None:
        build(self, *args, **options)
        models.append(self)

    def closed(self: Weights) -> None:
        close(self)
        if self in models:
            models.remove(self)

    monkeypatch.setattr(Weights, "__init__", built)
    monkeypatch.setattr(Weights, "close", closed)
    return models


@pytest.fixture
def rewritten(tiny: Path, tmp_path: Path):
    """Writes a changed copy of the tiny model."""

    def rewrite(change: Callable[[bytes], bytes]) -> Path:
        path = tmp_path / "changed.gguf"
        path.write_bytes(change(tiny.read_bytes()))
        return path

    return rewrite


async def test_progress_rises_from_nothing_to_all_in_every_phase(tiny: Path) -> None:
    seen: list[LoadProgress] = []
    engine = await LlamaCpp().load(spec(tiny), seen.append)
    engine.close()
    assert list(dict.fromkeys(progress.phase for progress in seen)) == ["loading", "warming"]
    for phase in ("loading", "warming"):
        shares = [progress.fraction for progress in seen if progress.phase == phase]
        assert shares == sorted(shares)
        assert (shares[0], shares[-1]) == (0.0, 1.0)


async def test_the_model_is_described(tiny: Path) -> None:
    size = (await anyio.Path(tiny).stat()).st_size
    engine = await LlamaCpp().load(spec(tiny, device="cpu", n_ctx=512, n_threads=1), ignore)
    info = engine.info
    engine.close()
    assert (info.name, info.backend, info.device) == ("probe", "llamacpp", "cpu")
    assert (info.context_length, info.vocabulary_size) == (512, 320)
    assert (info.bos_token, info.eos_token, info.chat_template) == ("<s>", "</s>", None)
    assert info.capabilities.tokenize
    assert info.capabilities.parallel == 4
    assert info.capabilities.embed
    assert info.defaults.temperature == 0.8
    assert info.details["n_threads"] == 1
    assert info.details["quantisation"] == "Q8_0"
    assert info.details["file_bytes"] == size
    assert (info.details["type_k"], info.details["type_v"]) == ("f16", "f16")
    assert (info.details["flash_attn"], info.details["gpu_layers"]) == (True, 0)
    assert (info.details["n_batch"], info.details["n_ubatch"]) == (2048, 512)
    assert info.details["kv_bytes"] == 2 * 2 * 64 * 2 * 2048  # keys and values, two bytes each
    assert info.details["lora"] is None


async def test_the_pocket_model_brings_its_template(pocket: Path) -> None:
    engine = await LlamaCpp().load(spec(pocket), ignore)
    engine.close()
    assert "<|" in (engine.info.chat_template or "")
    assert engine.info.context_length >= 1024


@pytest.mark.parametrize(("asked", "got"), [(None, 2048), (0, 2048), (300, 300), (4096, 4096)])
async def test_the_context_length_told_is_the_one_in_use(
    tiny: Path, asked: int | None, got: int
) -> None:
    engine = await LlamaCpp().load(spec(tiny, n_ctx=asked), ignore)
    engine.close()
    assert engine.info.context_length == got


async def test_an_absurd_context_is_an_error_that_says_how_much_it_would_take(
    tiny: Path, living: list[Weights]
) -> None:
    with pytest.raises(LoadError, match=r"2147483647 tokens .* GiB.*trained with 2048"):
        await LlamaCpp().load(spec(tiny, n_ctx=2**31 - 1), ignore)
    assert not living


@pytest.mark.parametrize("options", [{"n_ctx": -1}, {"n_ctx": "big"}, {"n_ctxx": 1}])
async def test_a_wrong_option_is_a_usage_error(tiny: Path, options: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="n_ctx"):
        await LlamaCpp().load(spec(tiny, **options), ignore)


@pytest.mark.parametrize(
    "options",
    [
        {"n_batch": 1, "n_ubatch": 4096},
        {"n_batch": 33, "n_ubatch": 7},
        {"n_threads": 512},
        {"use_mmap": False},
        {"use_mlock": True},
        {"flash_attn": True},
        {"flash_attn": False},
        {"n_gpu_layers": 99},
        {"device": "cpu", "split_mode": "tensor", "tensor_split": "3,1", "main_gpu": 3},
        {"type_k": "f32", "type_v": "bf16"},
        {"rope_scaling": "yarn", "rope_freq_scale": 0.25, "n_ctx": 8192},
        {"check_tensors": True},
        {"swa_full": False, "offload_kqv": False, "op_offload": False},
    ],
)
async def test_unusual_options_do_not_harm(tiny: Path, ask, options: dict[str, object]) -> None:
    engine = await LlamaCpp().load(spec(tiny, **options), ignore)
    answer = ask(engine, "the a " * 30, temperature=0, ignore_eos=True, max_tokens=3)
    engine.close()
    assert len(answer.tokens) == 3


async def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="absent"):
        await LlamaCpp().load(spec(tmp_path / "absent.gguf"), ignore)


async def test_a_directory_and_garbage_are_invalid(rewritten, tmp_path: Path) -> None:
    garbage = rewritten(lambda _: b"GGUF" + bytes(range(256)) * 4)
    for path in (tmp_path, garbage):
        with pytest.raises(InvalidModel):
            await LlamaCpp().load(spec(path), ignore)


async def test_a_truncated_file_is_invalid(rewritten) -> None:
    cut = rewritten(lambda data: data[:-100])
    with pytest.raises(InvalidModel, match="cut off"):
        await LlamaCpp().load(spec(cut), ignore)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"llama.block_count", b"llama.block_cuont"),
        (b"output_norm.weight", b"uotput_norm.weight"),
        (b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lemon"),
    ],
)
async def test_what_llamacpp_refuses_is_told_in_its_words(
    rewritten, living: list[Weights], old: bytes, new: bytes
) -> None:
    broken = rewritten(lambda data: data.replace(old, new))
    with pytest.raises(InvalidModel, match="error loading model") as caught:
        await LlamaCpp().load(spec(broken), ignore)
    assert caught.value.hint
    assert not living


async def test_a_source_without_a_file_is_an_error() -> None:
    with pytest.raises(LoadError, match="some/model"):
        await LlamaCpp().load(ModelSpec(source="some/model"), ignore)


@pytest.mark.parametrize("device", ["cuda", "metal", "cuda:1", "toaster"])
async def test_a_device_that_is_not_there_says_what_to_install(
    tiny: Path, has_gpu: bool, device: str
) -> None:
    if has_gpu and device.startswith("cuda"):
        pytest.skip("there is a GPU")
    with pytest.raises(LoadError, match=rf"'{device}'.*(https://|Choose)"):
        await LlamaCpp().load(spec(tiny, device=device), ignore)


async def test_a_cancelled_load_leaves_nothing_behind(tmp_path: Path, living) -> None:
    path = write_model(tmp_path / "many.gguf", layers=40)
    seen: list[float] = []
    with anyio.CancelScope() as scope:

        def cancel_early(progress: LoadProgress) -> None:
            seen.append(progress.fraction)
            anyio.from_thread.run_sync(scope.cancel)

        await LlamaCpp().load(spec(path), cancel_early)
    assert scope.cancelled_caught
    assert seen == [0.0]
    assert not living


async def test_a_load_cancelled_at_its_end_leaves_nothing_behind(tiny: Path, living) -> None:
    with anyio.CancelScope() as scope:

        def cancel_late(progress: LoadProgress) -> None:
            if progress == LoadProgress("warming", 1.0):
                anyio.from_thread.run_sync(scope.cancel)

        await LlamaCpp().load(spec(tiny), cancel_late)
    assert scope.cancelled_caught
    assert not living


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_load_whose_task_is_cancelled_natively_leaves_nothing_behind(
    tmp_path: Path, living
) -> None:
    path = write_model(tmp_path / "many.gguf", layers=40)
    begun, held = threading.Event(), threading.Event()

    def wait(_progress: LoadProgress) -> None:
        begun.set()
        held.wait(10)

    task = asyncio.create_task(LlamaCpp().load(spec(path), wait))
    await anyio.to_thread.run_sync(begun.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    held.set()
    for _ in range(500):
        await anyio.sleep(0.01)
        if threads_of_loading() == 0:
            break
    assert threads_of_loading() == 0
    assert not living


def threads_of_loading() -> int:
    """How many threads are inside a load."""
    frames = sys._current_frames().values()
    codes = (frame.f_code for top in frames for frame, _ in traceback.walk_stack(top))
    return sum(code is _Loading.run.__code__ for code in codes)


async def test_an_error_of_the_progress_sink_ends_the_load(tiny: Path, living) -> None:
    def fail(progress: LoadProgress) -> None:
        raise ZeroDivisionError(progress.phase)

    with pytest.raises(ZeroDivisionError, match="loading"):
        await LlamaCpp().load(spec(tiny), fail)
    assert not living


async def test_loading_does_not_block_the_event_loop(pocket: Path) -> None:
    threads: set[int] = set()
    engine = await LlamaCpp().load(spec(pocket), lambda _: threads.add(threading.get_ident()))
    engine.close()
    assert threading.get_ident() not in threads


async def test_two_models_load_and_answer_at_once(tiny: Path, ask) -> None:
    engines: list[LlamaCppEngine] = []

    async def load_one() -> None:
        engines.append(await LlamaCpp().load(spec(tiny), ignore))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(load_one)
    options = {"temperature": 0, "ignore_eos": True, "max_tokens": 20}
    answers = []

    async def answer_one(engine: LlamaCppEngine) -> None:
        call = partial(ask, engine, "the a", **options)
        answers.append((await anyio.to_thread.run_sync(call)).ids)

    async with anyio.create_task_group() as group:
        for engine in engines:
            group.start_soon(answer_one, engine)
    for engine in engines:
        engine.close()
    assert answers[0] == answers[1] == answers[2]


async def test_closing_twice_is_harmless(tiny: Path) -> None:
    engine = await LlamaCpp().load(spec(tiny), ignore)
    engine.close()
    engine.close()


async def test_loading_again_and_again_does_not_grow(pocket: Path, ask) -> None:
    async def cycle() -> None:
        engine = await LlamaCpp().load(spec(pocket), ignore)
        ask(engine, "Once upon a time", temperature=0, max_tokens=4)
        engine.close()

    for _ in range(10):
        await cycle()
    gc.collect()
    before = resident()
    for _ in range(20):
        await cycle()
    gc.collect()
    # Contexts that stay behind would have some 15 MB each, 300 in all. malloc keeps an arena for
    # each thread, and moves by up to 50.
    assert resident() - before < 100 * 2**20


def resident() -> int:
    """Return the memory of this process, in bytes."""
    status = Path("/proc/self/status")
    if not status.exists():
        pytest.skip("needs /proc")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) * 1024


async def test_the_diagnosis_is_well_here() -> None:
    findings = list(LlamaCpp().diagnose())
    subjects = {finding.subject for finding in findings}
    assert {"llama-cpp-python", "llama.cpp", "llama.cpp build", "llama.cpp device"} <= subjects
    assert all(finding.ok for finding in findings)
    assert all(finding.found for finding in findings)
    devices = [finding.found for finding in findings if finding.subject == "llama.cpp device"]
    assert any(found.startswith("cpu: ") and found.endswith(" GiB") for found in devices)


async def test_a_library_that_crashes_is_found_out_and_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child.py"
    child.write_text("import os, signal; os.kill(os.getpid(), signal.SIGILL)")
    monkeypatch.setattr(probe, "__file__", str(child))
    findings = list(LlamaCpp().diagnose())
    assert [finding.subject for finding in findings] == ["llama-cpp-python", "llama.cpp probe"]
    assert "crashed (SIGILL)" in findings[-1].found
    assert not findings[-1].ok


async def test_another_library_is_pointed_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_CPP_LIB_PATH", "/some/where")
    first = next(LlamaCpp().diagnose())
    assert (first.subject, first.ok) == ("LLAMA_CPP_LIB_PATH", False)
    assert "/some/where" in first.found
