"""LoRA adapters change what a model computes, as much as their scale says."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import numpy.typing as npt
import pytest
from penstock.errors import InvalidModel, LoadError, ModelNotFound
from penstock_llamacpp.parameters import context_parameters, new_context
from penstock_llamacpp.weights import Weights

from .files import copy, write_lora

Opened = Callable[..., Weights]
Floats = npt.NDArray[np.float32]

PROMPT = [1, 60, 61, 62, 63]
RANK, ALPHA = 4, 8.0
CHANGED = {
    "blk.0.ffn_down.weight": (128, 64),
    "blk.1.attn_q.weight": (64, 64),
    "output.weight": (64, 320),
}
"""Columns and rows of the tensors that the adapter is for."""


@pytest.fixture(scope="module")
def plain(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model in F32, so that nothing is lost in quantisation."""
    (path,) = copy(tiny, tmp_path_factory.mktemp("lora") / "plain.gguf")
    return path


@pytest.fixture(scope="module")
def parts() -> dict[str, tuple[Floats, Floats]]:
    draw = np.random.default_rng(7)
    return {
        name: (
            draw.normal(0, 0.3, (RANK, columns)).astype(np.float32),
            draw.normal(0, 0.3, (rows, RANK)).astype(np.float32),
        )
        for name, (columns, rows) in CHANGED.items()
    }


@pytest.fixture(scope="module")
def adapter(plain: Path, parts) -> Path:
    return write_lora(plain.with_name("adapter.gguf"), parts, alpha=ALPHA)


@pytest.fixture(scope="module")
def merged(plain: Path, parts) -> Path:
    """The model with the adapter added to its weights."""

    def add(name: str, values: Floats) -> Floats:
        if name not in parts:
            return values
        a, b = parts[name]
        return values + ALPHA / RANK * (b @ a)

    (path,) = copy(plain, plain.with_name("merged.gguf"), add)
    return path


def logits(weights: Weights) -> Floats:
    """Evaluate the prompt; return the logits behind it."""
    library = weights.library
    params = context_parameters(library, weights, weights.options, 1, 256)
    pointer, _facts = new_context(weights, params)
    tokens = (ctypes.c_int32 * len(PROMPT))(*PROMPT)
    assert library.decode(pointer, library.structs.llama_batch_get_one(tokens, len(PROMPT))) == 0
    row = library.structs.llama_get_logits_ith(pointer, -1)
    found = np.ctypeslib.as_array(row, (320,)).copy()
    library.context_free(pointer)
    return found


def test_an_adapter_is_worth_as_much_as_merged_weights(
    plain: Path, adapter: Path, merged: Path, opened: Opened
) -> None:
    adapted, expected = logits(opened(plain, lora=str(adapter))), logits(opened(merged))
    without = logits(opened(plain))
    assert np.abs(adapted - expected).max() < 1e-3 * np.abs(expected).max()
    assert np.abs(adapted - without).max() > 0.1 * np.abs(expected).max()


def test_a_scale_of_nothing_changes_nothing(plain: Path, adapter: Path, opened: Opened) -> None:
    assert (logits(opened(plain, lora=f"{adapter}=0")) == logits(opened(plain))).all()


def test_halves_of_an_adapter_add_up(plain: Path, adapter: Path, opened: Opened) -> None:
    other = adapter.with_name("other.gguf")
    other.write_bytes(adapter.read_bytes())
    halves = logits(opened(plain, lora=[f"{adapter}=0.5", f"{other}=0.5"]))
    whole = logits(opened(plain, lora=str(adapter)))
    assert np.abs(halves - whole).max() < 1e-3 * np.abs(whole).max()


def test_a_negative_scale_takes_away(plain: Path, adapter: Path, opened: Opened) -> None:
    minus, none = logits(opened(plain, lora=f"{adapter}=-1")), logits(opened(plain))
    assert np.abs(minus - none).max() > 0.1 * np.abs(none).max()


def test_an_adapter_works_on_quantised_weights(tiny: Path, adapter: Path, opened: Opened) -> None:
    adapted, without = logits(opened(tiny, lora=str(adapter))), logits(opened(tiny))
    assert np.abs(adapted - without).max() > 0.1 * np.abs(without).max()


def test_an_engine_tells_its_adapters(plain: Path, adapter: Path, fresh) -> None:
    assert fresh(plain, lora=f"{adapter}=0.5").info.details["lora"] == f"{adapter}=0.5"
    assert fresh(plain).info.details["lora"] is None


def test_a_wrong_adapter_is_refused_with_its_reason(plain: Path, parts, opened: Opened) -> None:
    def written(name: str, **options: object) -> str:
        return str(write_lora(plain.with_name(name), **{"parts": parts, "alpha": 1.0} | options))

    wide = {"blk.0.ffn_down.weight": (np.ones((4, 32), np.float32), np.ones((64, 4), np.float32))}
    wrong = {
        written("arch.gguf", arch="qwen2"): "arch mismatch",
        written("kind.gguf", kind="model"): "expect general.type to be 'adapter'",
        written("shape.gguf", parts=wide): "incorrect shape",
        written("name.gguf", parts={"blk.9.x.weight": parts["output.weight"]}): "does not exist",
        str(plain): "general.type",
    }
    for path, reason in wrong.items():
        with pytest.raises(InvalidModel, match=reason) as caught:
            opened(plain, lora=path)
        assert Path(path).name in str(caught.value)


def test_a_missing_or_damaged_adapter_is_told(plain: Path, adapter: Path, opened: Opened) -> None:
    with pytest.raises(ModelNotFound, match="absent"):
        opened(plain, lora=str(plain.with_name("absent.gguf")))
    cut = plain.with_name("cut.gguf")
    cut.write_bytes(adapter.read_bytes()[:-9])
    with pytest.raises(InvalidModel, match="cut off"):
        opened(plain, lora=str(cut))


def test_a_key_of_a_wrong_type_does_not_end_the_process(plain: Path, parts, opened: Opened) -> None:
    whole = gguf.GGUFValueType.UINT32
    path = write_lora(plain.with_name("whole.gguf"), parts, alpha=8, alpha_type=whole)
    with pytest.raises(InvalidModel, match=r"'adapter\.lora\.alpha' with the type 4"):
        opened(plain, lora=str(path))


def test_a_model_whose_adapter_is_wrong_is_given_back(
    plain: Path, adapter: Path, opened: Opened
) -> None:
    """Also the adapters before the wrong one, which belong to the model."""
    for _ in range(3):
        with pytest.raises(LoadError):
            opened(plain, lora=[str(adapter), str(plain)])
    weights = opened(plain, lora=str(adapter))
    weights.close()
    weights.close()
