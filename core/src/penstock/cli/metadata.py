"""What a GGUF file says of itself in its first keys: quantisation and context length."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

__all__ = ["Weights", "weights_of"]

Value: TypeAlias = str | int | float | None

SCALARS = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<B", 10: "<Q", 11: "<q",
    12: "<d",
}  # fmt: skip
STRING, ARRAY = 8, 9
LONGEST_KEY, LONGEST_TEXT, MOST_KEYS = 1 << 16, 1 << 20, 4096

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip
"""What `general.file_type` stands for."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file says of itself. None is: it does not say, or cannot be read."""

    quantisation: str | None = None
    context_length: int | None = None


def weights_of(path: Path) -> Weights:
    """Describe a file of weights; one that is damaged, or of another format, says nothing."""
    try:
        with path.open("rb") as file:
            said = _first_keys(file)
    except (OSError, ValueError, struct.error):
        return Weights()
    length = said.get(f"{said.get('general.architecture')}.context_length")
    kind = said.get("general.file_type")
    name = FILE_TYPES.get(kind) if isinstance(kind, int) else None
    return Weights(name, length if isinstance(length, int) else None)


def _first_keys(file: BinaryIO) -> Mapping[str, Value]:
    """Read the keys before the vocabulary, which is large; what we ask for is there."""
    if file.read(4) != b"GGUF" or _number(file, "<I") not in (2, 3):
        raise ValueError("no GGUF file")
    _number(file, "<Q")  # tensors
    found: dict[str, Value] = {}
    for _ in range(min(_number(file, "<Q"), MOST_KEYS)):
        key, kind = _text(file, LONGEST_KEY), _number(file, "<I")
        if key.startswith("tokenizer."):
            break
        found[key] = _value(file, kind)
    return found


def _value(file: BinaryIO, kind: int) -> Value:
    if kind == STRING:
        return _text(file, LONGEST_TEXT)
    if kind == ARRAY:
        _skip_array(file)
        return None
    if kind not in SCALARS:
        raise ValueError(f"an unknown type {kind}")
    form = SCALARS[kind]
    value: int | float = struct.unpack(form, _bytes(file, struct.calcsize(form)))[0]
    return value


def _skip_array(file: BinaryIO) -> None:
    """Pass over an array, of tags or of figures of the layers: short, and nobody asks for it."""
    kind, count = _number(file, "<I"), _number(file, "<Q")
    if kind == ARRAY or count > MOST_KEYS:
        raise ValueError("an array too deep or too long")
    for _ in range(count):
        _value(file, kind)


def _text(file: BinaryIO, longest: int) -> str:
    length = _number(file, "<Q")
    if length > longest:
        raise ValueError("a text too long")
    return _bytes(file, length).decode("utf-8", "replace")


def _number(file: BinaryIO, form: str) -> int:
    number: int = struct.unpack(form, _bytes(file, struct.calcsize(form)))[0]
    return number


def _bytes(file: BinaryIO, count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise ValueError("the file ends early")
    return found
