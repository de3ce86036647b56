"""GGUF files: what the library of 2023 can run, and what it would fail or crash on."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from penstock import gguf
from penstock.errors import InvalidModel
from penstock.gguf import ARRAY, FLOAT32, INT32, STRING, UINT32, Header

from penstock_ctransformers import kinds
from penstock_ctransformers.modelfile import ModelFile, Words

__all__ = ["read"]

_ARCHITECTURES: Final = ("llama", "falcon")
_NORMAL, _UNKNOWN, _CONTROL, _OWN, _BYTE = 1, 2, 3, 4, 6
"""Of `enum llama_token_type`."""

_VOCABULARY: Final = {
    "tokenizer.ggml.model": (STRING,),
    "tokenizer.ggml.tokens": (ARRAY, STRING),
    "tokenizer.ggml.scores": (ARRAY, FLOAT32),
    "tokenizer.ggml.token_type": (ARRAY, INT32),
}
_NUMBERS: Final = (
    "context_length", "embedding_length", "block_count", "feed_forward_length",
    "attention.head_count",
)  # fmt: skip
_OPTIONAL: Final = (
    "general.name", "general.alignment", "tokenizer.chat_template", "tokenizer.ggml.bos_token_id",
    "tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id",
    "tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_space_prefix", "tokenizer.ggml.merges",
)  # fmt: skip
_BYTE_TOKEN = re.compile(rb"<0x([0-9A-F]{2})>")
_SPACE = "\u2581".encode()
_ENDS = (
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<EOT>",
    "<|eom_id|>",
)


def read(path: Path) -> ModelFile:
    """Return what `path` holds, if it is whole and the library can run it.

    Raises `ModelNotFound`, or `InvalidModel` with the backend that can.
    """
    header = gguf.parse(path, ("general.architecture",))
    architecture = header.text("general.architecture")
    if architecture not in _ARCHITECTURES:
        raise _refused(path, f"it is of the architecture {architecture!r}, not llama or falcon")
    numbers = [f"{architecture}.{name}" for name in (*_NUMBERS, "attention.head_count_kv")]
    keys = ["general.architecture", *_VOCABULARY, *_OPTIONAL, *numbers]
    return _Reading(path, gguf.parse(path, keys), architecture).result()


class _Reading:
    """The checks of one file."""

    def __init__(self, path: Path, header: Header, architecture: str) -> None:
        self._path = path
        self._header = header
        self._architecture = architecture

    def result(self) -> ModelFile:
        self._check_types()
        self._check_kinds()
        width, heads, kv_heads = self._shape()
        words = self._words()
        if self._architecture == "llama":
            self._check_tensors(width, width // heads * kv_heads, len(words.pieces))
        header = self._header
        return ModelFile(
            path=self._path,
            name=header.text("general.name") or self._path.stem,
            legacy=False,
            model_type="gguf",
            architecture=self._architecture,
            context=self._number("context_length"),
            width=width,
            heads=heads,
            kv_heads=kv_heads,
            layers=self._number("block_count"),
            quantisation=_quantisation(header),
            words=words,
            template=header.text("tokenizer.chat_template"),
        )

    def _check_types(self) -> None:
        # The library takes some values as they are wanted, whatever their type, and ends the
        # process where it meets an array of arrays.
        header = self._header
        if header.split_count > 1:
            raise self._no("it is split into several files")
        wanted = dict(_VOCABULARY) | {f"{self._architecture}.{n}": (UINT32,) for n in _NUMBERS}
        for key, types in wanted.items():
            if header.types.get(key) != types:
                raise self._no(f"its key {key!r} is missing, or of another type")
        if header.types.get("general.alignment", (UINT32,)) != (UINT32,):
            raise self._no("its alignment is of another type")
        if any(types[1:] == (ARRAY,) for types in header.types.values()):
            raise self._no("it has arrays of arrays")

    def _check_kinds(self) -> None:
        for tensor in self._header.tensors:
            if tensor.kind not in kinds.KNOWN:
                raise self._no(f"its weights are {kinds.name_of(tensor.kind)}, newer than 2023")
            block = gguf.BLOCKS[tensor.kind][0]
            if not tensor.shape or 0 in tensor.shape or tensor.shape[0] % block:
                raise self._no(f"its tensor {tensor.name!r} has the shape {tensor.shape}")

    def _shape(self) -> tuple[int, int, int]:
        width, heads = self._number("embedding_length"), self._number("attention.head_count")
        given = self._header.integer(f"{self._architecture}.attention.head_count_kv")
        kv_heads = heads if given is None else given
        if not (heads and kv_heads and width) or width % heads or heads % kv_heads:
            raise self._no(f"{width} values cannot be for {heads} heads, {kv_heads} of them kept")
        if not (self._number("block_count") and self._number("context_length")):
            raise self._no("it has no layers, or no context")
        return width, heads, kv_heads

    def _words(self) -> Words:
        header = self._header
        model = header.text("tokenizer.ggml.model")
        if model != ("llama" if self._architecture == "llama" else "gpt2"):
            raise self._no(f"its vocabulary is of the kind {model!r}, which came later")
        tokens = [bytes(token) for token in self._bytes("tokenizer.ggml.tokens")]
        types = header.several("tokenizer.ggml.token_type")
        scores = header.several("tokenizer.ggml.scores")
        if not tokens or not len(tokens) == len(types) == len(scores):
            raise self._no("its tokens, their scores and their types are not as many")
        spm = model == "llama"
        if spm:
            self._check_bytes(tokens)
        return self._described(tokens, [int(kind) for kind in types], spm=spm)

    def _described(self, tokens: list[bytes], types: list[int], *, spm: bool) -> Words:
        names = [token.decode("utf-8", "replace") for token in tokens]
        control = {
            name: at for at, name in enumerate(names) if types[at] in (_CONTROL, _UNKNOWN) and name
        }
        bos, eos = self._token("bos", 1 if spm else 11), self._token("eos", 2 if spm else 11)
        named = [control[name] for name in _ENDS if name in control]
        ends = {eos, self._token("eot", -1), self._token("eom", -1), *named} - {-1}
        pieces = (_piece(token, kind) for token, kind in zip(tokens, types, strict=True))
        return Words(
            pieces=tuple(pieces) if spm else (),
            control=control,
            own={name: at for at, name in enumerate(names) if types[at] == _OWN and name},
            bos=bos,
            eos=eos,
            ends=tuple(sorted(ends)),
            adds_bos=self._flag("add_bos_token", otherwise=spm),
            adds_space=spm and self._flag("add_space_prefix", otherwise=True),
            prefixed=spm,
        )

    def _check_bytes(self, tokens: list[bytes]) -> None:
        # The library ends the process where it wants to write a byte that is not there.
        present = {match[1] for token in tokens if (match := _BYTE_TOKEN.fullmatch(token))}
        if len(present) < 256:
            raise self._no(f"its vocabulary has {len(present)} of the 256 bytes")

    def _check_tensors(self, width: int, kv_width: int, tokens: int) -> None:
        layers, inner = self._number("block_count"), self._number("feed_forward_length")
        if layers > len(self._header.tensors):
            raise self._no(f"it has {len(self._header.tensors)} tensors for {layers} layers")
        wanted = dict(_llama_tensors(width, kv_width, inner, tokens, layers))
        found = {tensor.name: tensor.shape for tensor in self._header.tensors}
        if len(found) != len(self._header.tensors):
            raise self._no("it has two tensors of one name")
        for name in sorted(wanted.keys() | found.keys()):
            if wanted.get(name) != found.get(name):
                raise self._no(
                    f"its tensor {name.decode('utf-8', 'replace')!r} has the shape "
                    f"{found.get(name)}, where {wanted.get(name)} is known"
                )

    def _token(self, name: str, otherwise: int) -> int:
        key = f"tokenizer.ggml.{name}_token_id"
        found = self._header.integer(key)
        tokens = len(self._header.several("tokenizer.ggml.tokens"))
        token = otherwise if found is None else found
        return token if 0 <= token < tokens else -1

    def _flag(self, name: str, *, otherwise: bool) -> bool:
        found = self._header.integer(f"tokenizer.ggml.{name}")
        return otherwise if found is None else bool(found)

    def _number(self, name: str) -> int:
        return self._header.integer(f"{self._architecture}.{name}") or 0

    def _bytes(self, key: str) -> Iterator[bytes]:
        return (value for value in self._header.several(key) if isinstance(value, bytes))

    def _no(self, why: str) -> InvalidModel:
        return _refused(self._path, why)


def _piece(token: bytes, kind: int) -> bytes:
    if kind in (_CONTROL, _UNKNOWN):
        return b""
    if kind == _BYTE and (match := _BYTE_TOKEN.fullmatch(token)):
        return bytes([int(match[1], 16)])
    return token if kind == _OWN else token.replace(_SPACE, b" ")


def _llama_tensors(
    width: int, kv_width: int, inner: int, tokens: int, layers: int
) -> Iterator[tuple[bytes, tuple[int, ...]]]:
    yield b"token_embd.weight", (width, tokens)
    yield b"output_norm.weight", (width,)
    yield b"output.weight", (width, tokens)
    for layer in range(layers):
        at = b"blk.%d." % layer
        for name in (b"attn_norm", b"ffn_norm"):
            yield at + name + b".weight", (width,)
        for name in (b"attn_q", b"attn_output"):
            yield at + name + b".weight", (width, width)
        for name in (b"attn_k", b"attn_v"):
            yield at + name + b".weight", (width, kv_width)
        for name in (b"ffn_gate", b"ffn_up"):
            yield at + name + b".weight", (width, inner)
        yield at + b"ffn_down.weight", (inner, width)


def _quantisation(header: Header) -> str:
    values: Counter[int] = Counter()
    for tensor in header.tensors:
        values[tensor.kind] += math.prod(tensor.shape)
    return kinds.name_of(values.most_common(1)[0][0]) if values else ""


def _refused(path: Path, why: str) -> InvalidModel:
    return InvalidModel(
        f"ctransformers cannot run {str(path)!r}: {why}",
        hint=f"A newer engine may: load 'llamacpp:{path}'",
    )
