"""Legacy GGML files load and stream, and what is damaged in them never reaches the library."""

from __future__ import annotations

import contextlib
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import penstock
import pytest
from penstock.errors import ContextOverflow, InvalidModel
from penstock.events import Prefill, Token
from penstock.messages import Segment
from penstock_ctransformers import legacy, memory
from penstock_ctransformers.modelfile import ModelFile, Words

from .ggml import vocabulary, write_gpt2


@pytest.mark.anyio
async def test_a_gpt2_loads_and_streams(gpt2: Path) -> None:
    async with penstock.load(f"ctransformers:{gpt2}") as model:
        assert model.info.details["model_type"] == "gpt2"
        assert model.info.details["format"] == "ggml"
        assert model.info.context_length == 128
        deltas = [d async for d in model.complete("Hello the cat", temperature=0.0, max_tokens=20)]
        assert len(deltas) > 5
        done = await model.complete("Hello the cat", temperature=0.0, max_tokens=20)
        assert "".join(d.text for d in deltas) == done.text
        assert done.usage.prompt_tokens == 3


@pytest.mark.anyio
async def test_files_named_bin_and_ggml_find_this_backend(gpt2: Path, tmp_path: Path) -> None:
    for name in ("model.bin", "model.ggml"):
        path = tmp_path / name
        shutil.copy(gpt2, path)
        async with penstock.load(str(path)) as model:
            assert model.info.backend == "ctransformers"


@pytest.mark.anyio
async def test_it_chats_by_a_template_with_a_name(gpt2: Path) -> None:
    async with penstock.load(f"ctransformers:{gpt2}", options={"template": "vicuna"}) as model:
        said = [{"role": "user", "content": "Hello"}]
        done = await model.chat(said, temperature=0.0, max_tokens=4)
        assert done.usage.prompt_tokens == len(await model.tokenize("USER: Hello ASSISTANT:"))


def test_the_end_of_the_context_is_held_to(fresh, ask, gpt2: Path) -> None:
    engine = fresh(gpt2)
    events = ask(engine, "Hello" * 20, ignore_eos=True, seed=1)
    assert 20 + sum(isinstance(event, Token) for event in events) == 128
    assert events[-1].reason == "length"
    with pytest.raises(ContextOverflow, match="128"):
        ask(engine, "Hello" * 128)


def test_a_context_longer_than_trained_is_cut_to_what_there_is(fresh, gpt2: Path) -> None:
    assert fresh(gpt2, n_ctx=4096).info.context_length == 128
    assert fresh(gpt2, n_ctx=64).info.context_length == 64


def test_chunks_of_any_size_give_the_same(fresh, ask, text_of, gpt2: Path) -> None:
    texts = {
        text_of(ask(fresh(gpt2, n_batch=size), "Hello the cat sat" * 5, temperature=0.0))
        for size in (1, 7, 128)
    }
    assert len(texts) == 1


def test_control_tokens_are_spliced_from_control_segments_alone(fresh, gpt2: Path) -> None:
    engine, text = fresh(gpt2), "<|endoftext|>"
    end = len(vocabulary()) - 1
    assert engine.info.eos_token == text
    assert engine.tokenize([Segment(text, True)]) == [end]
    assert end not in engine.tokenize(text)
    assert engine.detokenize(engine.tokenize(text)) == text.encode()


def test_answers_can_be_bound(fresh, ask, text_of, gpt2: Path) -> None:
    events = ask(fresh(gpt2), "Hello", regex="[a-c]{3} 他+!", seed=4, max_tokens=60)
    assert text_of(events)[3] == " "
    assert set(text_of(events)) <= set("abc 他!")


def test_two_models_of_a_type_may_run_at_once(fresh, ask, text_of, gpt2: Path, tmp_path) -> None:
    """They evaluate in the same memory of the library."""
    engines = [fresh(gpt2), fresh(write_gpt2(tmp_path / "other.bin", seed=9))]
    options = {"temperature": 0.0, "max_tokens": 60}
    alone = [text_of(ask(engine, "Hello the cat", **options)) for engine in engines]
    assert alone[0] != alone[1]
    found: dict[int, list[str]] = {0: [], 1: []}

    def run(at: int) -> None:
        for _ in range(10):
            found[at].append(text_of(ask(engines[at], "Hello the cat", **options)))

    threads = [Thread(target=run, args=(at,)) for at in found]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [set(texts) for texts in found.values()] == [{alone[0]}, {alone[1]}]


Write = Callable[[bytes], Path]


@pytest.fixture
def written(tmp_path: Path) -> Write:
    def write(data: bytes) -> Path:
        path = tmp_path / "model.bin"
        path.write_bytes(data)
        return path

    return write


def test_a_file_that_is_cut_off_anywhere_is_refused(gpt2: Path, written: Write) -> None:
    data = gpt2.read_bytes()
    for length in [4, 20, 40, *range(100, len(data), 997), len(data) - 1]:
        with pytest.raises(InvalidModel, match=r"model\.bin"):
            legacy.read(written(data[:length]), None)


def test_a_type_of_weights_that_ends_the_process_is_refused(gpt2: Path, written: Write) -> None:
    data = bytearray(gpt2.read_bytes())
    struct.pack_into("<i", data, 24, 4)
    with pytest.raises(InvalidModel, match="its type of weights, 4, is not known"):
        legacy.read(written(bytes(data)), "gpt2")


def test_a_file_of_another_kind_than_it_is_said_to_be_is_refused(gpt2: Path) -> None:
    assert legacy.read(gpt2, None).model_type == "gpt2"
    with pytest.raises(InvalidModel, match=r"no legacy gptj model.*model_type"):
        legacy.read(gpt2, "gptj")


def test_a_starcoder_is_told_from_a_gpt2_by_its_words(tmp_path: Path) -> None:
    words = [*vocabulary(), b"<fim_prefix>"]
    path = write_gpt2(tmp_path / "coder.bin", words=words)
    assert legacy.read(path, None).model_type == "starcoder"
    assert legacy.read(path, "gpt2").model_type == "gpt2"


@pytest.mark.parametrize("seed", range(300))
def test_damage_gives_an_error_of_ours_or_none(gpt2: Path, written: Write, seed: int) -> None:
    draw, data = random.Random(seed), bytearray(gpt2.read_bytes())
    for _ in range(draw.randint(1, 8)):
        data[4 + draw.randrange(4000)] = draw.choice([0, 0xFF, draw.randrange(256)])
    path = written(bytes(data))
    with contextlib.suppress(InvalidModel):
        assert legacy.read(path, None).layers == 2


def test_the_memory_of_one_evaluation_bounds_chunks_and_context() -> None:
    shape = {"width": 1600, "heads": 25, "kv_heads": 25, "layers": 48, "context": 1024}
    large = ModelFile(
        path=Path("xl.bin"), name="xl", legacy=True, model_type="gpt2", architecture="gpt2",
        quantisation="F16", words=Words((b"",) * 50257), **shape,
    )  # fmt: skip
    context = memory.context_of(large, None)
    assert 256 < context < 1024
    assert memory.chunk_of(large, 128, context) < 8
    assert Prefill(1, 2).total == 2
