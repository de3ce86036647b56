"""Does this build of llama.cpp run here? Asked in a child process, where it may crash.

A compiler fault or a library built for another CPU kills the process at the first evaluation of
quantised weights. Here it becomes a sentence. Needs nothing but the standard library and
llama-cpp-python, so that it also runs as a script, before Penstock is installed.
"""

from __future__ import annotations

import ctypes
import random
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["probe", "write_model"]

_WIDTH, _INNER, _HEADS, _CONTEXT, _TOKENS = 64, 128, 4, 2048, 320
_PROMPT = 48
"""Tokens in one call: enough for the matrix kernels, which one token alone does not use."""

_SECONDS = 60.0
_STRING, _UINT32, _FLOAT32, _INT32, _ARRAY = 8, 4, 6, 5, 9
_F32, _Q8_0 = 0, 8
_UNKNOWN, _CONTROL, _NORMAL, _BYTE = 2, 3, 1, 6


def probe(model: Path | None = None, *, seconds: float = _SECONDS) -> str | None:
    """Return what is wrong with the installed llama.cpp, or None if it evaluates a model.

    The model is `model`, or else a tiny one with Q8_0 weights, written for the occasion.
    """
    if model is not None:
        return _run(model, seconds)
    with tempfile.TemporaryDirectory(prefix="penstock-probe-") as folder:
        return _run(write_model(Path(folder) / "probe.gguf"), seconds)


def write_model(path: Path, *, layers: int = 1, seed: int = 0) -> Path:
    """Write a llama model of random Q8_0 weights, below 300 kB, with a byte vocabulary."""
    tensors = [(*tensor, _weights(*tensor[1:], seed)) for tensor in _shapes(layers)]
    pairs = list(_pairs(layers))
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs)
    offset = 0
    for name, kind, shape, data in tensors:
        head += _text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        head += struct.pack("<IQ", kind, offset)
        offset += len(data)
    path.write_bytes(_padded(head) + b"".join(data for *_, data in tensors))
    return path


def _run(model: Path, seconds: float) -> str | None:
    command = [sys.executable, "-P", __file__, str(model)]
    try:
        # The command is this file, run by this interpreter.
        child = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"it did not evaluate a tiny model within {seconds:g} s"
    if child.returncode == 0:
        return None
    said = child.stderr.strip().splitlines()[-1:] or ["it said nothing"]
    return f"it {_ending(child.returncode)} on a tiny model: {said[0].strip()}"


def _ending(code: int) -> str:
    if code >= 0:
        return f"failed (status {code})"
    try:
        return f"crashed ({signal.Signals(-code).name})"
    except ValueError:
        return f"crashed (signal {-code})"


def _shapes(layers: int) -> Iterable[tuple[str, int, Sequence[int]]]:
    yield "token_embd.weight", _Q8_0, (_WIDTH, _TOKENS)
    for layer in range(layers):
        for name in ("attn_norm", "ffn_norm"):
            yield f"blk.{layer}.{name}.weight", _F32, (_WIDTH,)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            yield f"blk.{layer}.{name}.weight", _Q8_0, (_WIDTH, _WIDTH)
        for name in ("ffn_gate", "ffn_up"):
            yield f"blk.{layer}.{name}.weight", _Q8_0, (_WIDTH, _INNER)
        yield f"blk.{layer}.ffn_down.weight", _Q8_0, (_INNER, _WIDTH)
    yield "output_norm.weight", _F32, (_WIDTH,)
    yield "output.weight", _Q8_0, (_WIDTH, _TOKENS)


def _weights(kind: int, shape: Sequence[int], seed: int) -> bytes:
    count = 1
    for size in shape:
        count *= size
    if kind == _F32:
        return struct.pack(f"<{count}f", *[1.0] * count)
    draw = random.Random(f"{seed} {shape}")  # noqa: S311  # weights, not secrets
    scale = struct.pack("<e", 0.004)
    return _padded(b"".join(scale + draw.randbytes(32) for _ in range(count // 32)))


def _pairs(layers: int) -> Iterable[bytes]:
    yield _pair("general.architecture", _STRING, _text("llama"))
    yield _pair("general.name", _STRING, _text("probe"))
    numbers = {
        "llama.context_length": _CONTEXT,
        "llama.embedding_length": _WIDTH,
        "llama.block_count": layers,
        "llama.feed_forward_length": _INNER,
        "llama.attention.head_count": _HEADS,
        "llama.rope.dimension_count": _WIDTH // _HEADS,
        "general.file_type": 7,
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 2,
        "tokenizer.ggml.unknown_token_id": 0,
    }
    for key, value in numbers.items():
        yield _pair(key, _UINT32, struct.pack("<I", value))
    epsilon = struct.pack("<f", 1e-5)
    yield _pair("llama.attention.layer_norm_rms_epsilon", _FLOAT32, epsilon)
    yield from _vocabulary()


def _vocabulary() -> Iterable[bytes]:
    special = ["<unk>", "<s>", "</s>"]
    single = [f"<0x{byte:02X}>" for byte in range(256)]
    words = ["▁", *(chr(ord("a") + at) for at in range(26)), "▁a", "▁the", "th"]
    spare = [f"▁w{at}" for at in range(_TOKENS - len(special) - len(single) - len(words))]
    kinds = [_UNKNOWN, _CONTROL, _CONTROL] + [_BYTE] * 256 + [_NORMAL] * (len(words) + len(spare))
    tokens = special + single + words + spare
    scores = [0.0] * 259 + [-float(at) for at in range(len(words) + len(spare))]
    yield _pair("tokenizer.ggml.model", _STRING, _text("llama"))
    arrays = {
        "tokens": (_STRING, [_text(token) for token in tokens]),
        "scores": (_FLOAT32, [struct.pack("<f", score) for score in scores]),
        "token_type": (_INT32, [struct.pack("<i", kind) for kind in kinds]),
    }
    for key, (kind, values) in arrays.items():
        yield _pair(f"tokenizer.ggml.{key}", _ARRAY, _array(kind, values))


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _array(kind: int, values: Sequence[bytes]) -> bytes:
    return struct.pack("<IQ", kind, len(values)) + b"".join(values)


def _text(text: str) -> bytes:
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 32)


def _evaluate(path: str) -> int:
    """Load the model, evaluate a prompt and a token; return a status for the shell."""
    from llama_cpp import llama_cpp as native  # type: ignore[import-untyped, unused-ignore]

    native.llama_backend_init()
    model = native.llama_model_load_from_file(path.encode(), native.llama_model_default_params())
    if not model:
        return 2
    context = native.llama_init_from_model(model, native.llama_context_default_params())
    if not context:
        return 3
    for count in (_PROMPT, 1):
        tokens = (ctypes.c_int32 * count)(*[5] * count)
        if native.llama_decode(context, native.llama_batch_get_one(tokens, count)):
            return 4
    native.llama_free(context)
    native.llama_model_free(model)
    return 0


if __name__ == "__main__":
    sys.exit(_evaluate(sys.argv[1]))
