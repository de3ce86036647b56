"""The file in the package: small, self-describing, and read alike by every tokenizer."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import jinja2.sandbox
import pytest
from recipe.corpus import mixture

CONTROLS = ["<unk>", "<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]


@pytest.fixture(scope="module")
def header(model: Path) -> dict[str, Any]:
    return {key: field.contents() for key, field in gguf.GGUFReader(model).fields.items()}


@pytest.fixture(scope="module")
def tensors(model: Path) -> dict[str, gguf.ReaderTensor]:
    return {tensor.name: tensor for tensor in gguf.GGUFReader(model).tensors}


def test_it_is_at_most_four_megabytes(model: Path) -> None:
    assert 1_000_000 < model.stat().st_size <= 4_000_000


def test_it_is_gguf_version_three(header: dict[str, Any]) -> None:
    assert header["GGUF.version"] == 3


def test_it_is_a_llama_with_a_context_of_1024(header: dict[str, Any]) -> None:
    assert header["general.architecture"] == "llama"
    assert header["llama.context_length"] == 1024
    assert header["general.name"] == "Penstock Pocket"


def test_its_control_tokens_are_where_the_format_says(header: dict[str, Any]) -> None:
    kinds = header["tokenizer.ggml.token_type"]
    assert header["tokenizer.ggml.tokens"][:6] == CONTROLS
    assert kinds[:6] == [2, 3, 3, 3, 3, 3]
    assert kinds[6:262] == [6] * 256
    assert set(kinds[262:]) == {1}


def test_its_tokenizer_is_spm_with_a_space_in_front(header: dict[str, Any]) -> None:
    assert header["tokenizer.ggml.model"] == "llama"
    assert header["tokenizer.ggml.bos_token_id"] == 1
    assert header["tokenizer.ggml.eos_token_id"] == header["tokenizer.ggml.eot_token_id"] == 2
    assert header["tokenizer.ggml.add_bos_token"] is True
    assert header["tokenizer.ggml.add_eos_token"] is False
    assert header["tokenizer.ggml.add_space_prefix"] is True


@pytest.mark.parametrize("character", ["😊", "🐱", "世", "界", "愉", "ы", "न"])
def test_some_characters_split_over_byte_tokens(header: dict[str, Any], character: str) -> None:
    assert not any(character in piece for piece in header["tokenizer.ggml.tokens"])


def test_the_output_matrix_is_its_own(tensors: dict[str, gguf.ReaderTensor]) -> None:
    assert "output.weight" in tensors
    assert (tensors["output.weight"].data != tensors["token_embd.weight"].data).any()


def test_matrices_are_q8_0_and_norms_are_f32(tensors: dict[str, gguf.ReaderTensor]) -> None:
    for name, tensor in tensors.items():
        wanted = "F32" if name.endswith("norm.weight") else "Q8_0"
        assert tensor.tensor_type.name == wanted, name


def test_the_template_renders_a_conversation(header: dict[str, Any]) -> None:
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment()
    template = environment.from_string(header["tokenizer.chat_template"])
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
    text = template.render(messages=messages, bos_token="<s>", add_generation_prompt=True)
    assert text == "<s><|system|>Be brief.</s><|user|>Hi</s><|assistant|>"
    closed = template.render(messages=messages, bos_token="<s>")
    assert closed == text.removesuffix("<|assistant|>")


def _spm(text: str, pieces: dict[str, int], scores: list[float]) -> list[int]:
    """Merge the best-scored pair of neighbours until none is in the vocabulary."""
    parts = list("▁" + text.replace(" ", "▁"))
    while True:
        pairs = [(scores[pieces[a + b]], -i) for i, (a, b) in enumerate(pairwise(parts))
                 if a + b in pieces]  # fmt: skip
        if not pairs:
            break
        at = -max(pairs)[1]
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    bytes_of = ([pieces[f"<0x{byte:02X}>"] for byte in part.encode()] for part in parts)
    return [token for part, spelt in zip(parts, bytes_of, strict=True)
            for token in ([pieces[part]] if part in pieces else spelt)]  # fmt: skip


def test_the_vocabulary_loses_no_text(header: dict[str, Any]) -> None:
    """Every text comes back from its tokens, whatever script it is written in."""
    tokens, scores = header["tokenizer.ggml.tokens"], header["tokenizer.ggml.scores"]
    pieces = {piece: token for token, piece in enumerate(tokens)}
    texts = [turn.text for document in mixture.training(9, 150) for turn in document.turns]
    for text in [*texts, "Ünïcödé 世界 😀🏴‍☠️ \n\t{}"]:
        found = [tokens[token] for token in _spm(text, pieces, scores)]
        spelt = b"".join(
            bytes([int(piece[3:5], 16)]) if piece.startswith("<0x") else piece.encode()
            for piece in found
        )
        assert spelt.decode().replace("▁", " ") == " " + text
