"""What the library of 2023 cannot run is refused before it opens the file, and who can is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
from penstock.errors import InvalidModel, ModelNotFound
from penstock_ctransformers import ggufs

Change = Callable[[str, object], object]


def rewrite(
    source: Path,
    target: Path,
    *,
    arch: str = "llama",
    keys: dict[str, object] | None = None,
    without: tuple[str, ...] = (),
    kind: gguf.GGMLQuantizationType | None = None,
) -> Path:
    """Write a model again, with other keys; `kind` is what its first tensor is said to be."""
    reader, changed = gguf.GGUFReader(source), keys or {}
    writer = gguf.GGUFWriter(target, arch=arch)
    for key, field in reader.fields.items():
        if key.startswith("GGUF.") or key == "general.architecture" or key in without:
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        value = changed.get(key, field.contents())
        writer.add_key_value(key.replace("llama.", f"{arch}."), value, field.types[0], inner)
    for at, tensor in enumerate(reader.tensors):
        if tensor.name not in without:
            raw = kind if kind is not None and at == 0 else tensor.tensor_type
            data = np.zeros((2, 66), np.uint8) if raw is kind else tensor.data
            writer.add_tensor(tensor.name, data, raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return target


@pytest.fixture
def changed(pocket: Path, tmp_path: Path):
    def change(**how: object) -> Path:
        return rewrite(pocket, tmp_path / "changed.gguf", **how)

    return change


def refused(path: Path) -> str:
    with pytest.raises(InvalidModel) as caught:
        ggufs.read(path)
    assert f"llamacpp:{path}" in str(caught.value)
    return str(caught.value)


def test_the_pocket_model_passes_also_written_again(pocket: Path, changed) -> None:
    assert ggufs.read(pocket).architecture == "llama"
    assert ggufs.read(changed()).layers == 6


def test_another_architecture_is_refused(changed) -> None:
    assert "architecture 'qwen2'" in refused(changed(arch="qwen2"))


def test_a_vocabulary_of_merged_bytes_is_refused(changed) -> None:
    path = changed(keys={"tokenizer.ggml.model": "gpt2"})
    assert "vocabulary is of the kind 'gpt2'" in refused(path)


@pytest.mark.parametrize("name", ["IQ2_XXS", "BF16"])
def test_a_newer_type_of_weights_is_refused(changed, name: str) -> None:
    path = changed(kind=gguf.GGMLQuantizationType[name])
    assert f"{name}, newer than 2023" in refused(path)


def test_a_missing_tensor_is_refused(changed) -> None:
    """Models whose output is their embedding came later."""
    assert "'output.weight' has the shape None" in refused(changed(without=("output.weight",)))


def test_a_missing_key_is_refused(changed) -> None:
    assert "'tokenizer.ggml.scores'" in refused(changed(without=("tokenizer.ggml.scores",)))


def test_lists_of_other_lengths_are_refused(changed) -> None:
    path = changed(keys={"tokenizer.ggml.scores": [0.0, 1.0]})
    assert "not as many" in refused(path)


def test_a_vocabulary_without_bytes_is_refused(changed, pocket: Path) -> None:
    tokens = gguf.GGUFReader(pocket).fields["tokenizer.ggml.tokens"].contents()
    path = changed(keys={"tokenizer.ggml.tokens": [t.replace("<0x", "<0y") for t in tokens]})
    assert "0 of the 256 bytes" in refused(path)


@pytest.mark.parametrize("key", ["attention.head_count", "attention.head_count_kv", "block_count"])
def test_numbers_that_would_be_divided_by_are_not_zero(changed, key: str) -> None:
    refused(changed(keys={f"llama.{key}": 0}))


def test_a_number_that_does_not_fit_the_tensors_is_refused(changed) -> None:
    assert "has the shape" in refused(changed(keys={"llama.feed_forward_length": 513}))
    refused(changed(keys={"llama.block_count": 2**31}))


def test_what_is_not_there_or_no_model_is_told(fresh, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="absent"):
        fresh(tmp_path / "absent.bin")
    page = tmp_path / "page.bin"
    page.write_bytes(b"<!DOCTYPE html>")
    with pytest.raises(InvalidModel, match="a web page"):
        fresh(page)
    with pytest.raises(InvalidModel, match="directory"):
        fresh(tmp_path)
