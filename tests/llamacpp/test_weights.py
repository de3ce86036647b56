"""What is known of a model file once llama.cpp has loaded it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from penstock import gguf
from penstock.errors import InvalidModel, ModelClosed
from penstock_llamacpp.parameters import context_parameters, new_context
from penstock_llamacpp.weights import Weights

from .files import copy, write_bert, write_gemma

Opened = Callable[..., Weights]


@pytest.fixture(scope="module")
def split(pocket: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The pocket model in three files."""
    return copy(pocket, tmp_path_factory.mktemp("split") / "pocket.gguf", part=20)


def test_a_model_in_parts_is_loaded_whole(split: list[Path], pocket: Path, fresh) -> None:
    engine, whole = fresh(split[0]), fresh(pocket)
    details = engine.info.details
    assert len(split) == 3
    assert details["parameters"] == whole.info.details["parameters"]
    assert details["file_bytes"] == sum(part.stat().st_size for part in split)
    assert engine.tokenize("Once upon a time") == whole.tokenize("Once upon a time")


def test_a_part_that_is_missing_or_cut_off_is_told(
    split: list[Path], tmp_path: Path, fresh
) -> None:
    for part in split[:2]:
        (tmp_path / part.name).write_bytes(part.read_bytes())
    with pytest.raises(InvalidModel, match=r"needs 1 more files, such as '.*-00003-of-00003"):
        fresh(tmp_path / split[0].name)
    (tmp_path / split[2].name).write_bytes(split[2].read_bytes()[:-1])
    with pytest.raises(InvalidModel, match=r"00003-of-00003\.gguf' is cut off"):
        fresh(tmp_path / split[0].name)


def test_the_parts_are_told_by_the_name(tmp_path: Path) -> None:
    alone = tmp_path / "model.gguf"
    assert gguf.parts(alone) == (alone,)
    second = tmp_path / "m-00002-of-00003.gguf"
    assert [part.name for part in gguf.parts(second)] == [
        "m-00001-of-00003.gguf",
        "m-00002-of-00003.gguf",
        "m-00003-of-00003.gguf",
    ]


def test_a_decoder_generates_and_embeds(tiny: Path, opened: Opened) -> None:
    weights = opened(tiny)
    assert (weights.generates, weights.embeds) == (True, True)
    assert weights.trained_context == 2048
    assert str(weights.offload) == "cpu"


def test_an_encoder_only_embeds(tmp_path: Path, opened: Opened) -> None:
    weights = opened(write_bert(tmp_path / "bert.gguf"))
    assert (weights.generates, weights.embeds) == (False, True)


def test_a_ranking_model_is_refused(tmp_path: Path, opened: Opened) -> None:
    with pytest.raises(InvalidModel, match=r"rank\.gguf' is not usable: it ranks texts"):
        opened(write_bert(tmp_path / "rank.gguf", pooling=4))


def test_metadata_is_read_by_key(tiny: Path, opened: Opened) -> None:
    weights = opened(tiny)
    assert weights.metadata("general.name") == "probe"
    assert weights.metadata_of("block_count") == "2"
    assert weights.metadata("no.such.key") is None


def test_a_closed_model_is_told(tiny: Path, opened: Opened) -> None:
    weights = opened(tiny)
    weights.close()
    with pytest.raises(ModelClosed, match=r"tiny\.gguf"):
        _ = weights.pointer


@pytest.mark.parametrize(("kind", "share"), [("f32", 2), ("f16", 1), ("q8_0", 34 / 64)])
def test_the_memory_of_a_context_depends_on_the_type(
    tiny: Path, opened: Opened, kind: str, share: float
) -> None:
    usual = opened(tiny).context_bytes(1024)
    assert opened(tiny, type_k=kind, type_v=kind).context_bytes(1024) == usual * share


# models whose layers look at the last tokens only


def again(weights: Weights, kept: int, prompt: list[int]) -> tuple[bool, float]:
    """Evaluate a prompt, go back to its first `kept` tokens, and evaluate the rest again.

    Return whether that was possible, and by how much the logits differ at most.
    """
    library = weights.library
    params = context_parameters(library, weights, weights.options, 1, 512)
    pointer, _facts = new_context(weights, params)
    memory = library.context_memory(pointer)
    rows = []
    possible = True
    for start in (0, kept):
        if start:
            possible = library.memory_remove(memory, 0, start, -1)
        rest = prompt[start:] if possible else []
        tokens = (ctypes.c_int32 * len(rest))(*rest)
        batch = library.structs.llama_batch_get_one(tokens, len(rest))
        if possible and library.decode(pointer, batch) == 0:
            row = library.structs.llama_get_logits_ith(pointer, -1)
            rows.append(np.ctypeslib.as_array(row, (320,)).copy())
    library.context_free(pointer)
    return possible and len(rows) == 2, float(np.abs(rows[0] - rows[-1]).max())


PROMPT = [1, *(60 + at * 7 % 200 for at in range(499))]


def test_with_all_tokens_kept_a_window_can_be_rewound(
    tiny: Path, tmp_path: Path, opened: Opened
) -> None:
    path = write_gemma(tmp_path / "gemma.gguf", tiny, window=32)
    weights = opened(path, flash_attn=False, n_ubatch=64)
    assert weights.rewinds
    possible, difference = again(weights, 60, PROMPT)
    assert possible
    assert difference < 1e-4


def test_with_the_last_tokens_alone_it_cannot(tiny: Path, tmp_path: Path, opened: Opened) -> None:
    """llama.cpp takes tokens back without a word, and computes something else afterwards."""
    path = write_gemma(tmp_path / "gemma.gguf", tiny, window=32)
    weights = opened(path, flash_attn=False, n_ubatch=64, swa_full=False)
    assert not weights.rewinds
    possible, difference = again(weights, 60, PROMPT)
    assert possible
    assert difference > 0.1
