"""The header of a GGUF file, read and checked in Python before an engine opens the file.

Damaged files are common (a download that stopped, an HTML page, a pointer of Git LFS), and engines
tell little about them, or end the process. Format: `docs/gguf.md` in the ggml repository.
"""

from __future__ import annotations

import math
import mmap
import re
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Final, TypeAlias

from penstock.errors import InvalidModel, ModelNotFound
from penstock.values import dataclass

__all__ = [
    "ARRAY", "BLOCKS", "FLOAT32", "INT32", "STRING", "UINT32",
    "Header", "Tensor", "Value", "check", "parse", "parts",
]  # fmt: skip

Value: TypeAlias = int | float | bytes | tuple[int | float | bytes, ...]
"""What a key may be here: a number (truth is 0 or 1), the bytes of a text, or several of these."""

UINT32: Final = 4
INT32: Final = 5
FLOAT32: Final = 6
STRING: Final = 8
ARRAY: Final = 9
"""Of `enum gguf_type`."""

_U64 = struct.Struct("<Q")
_SCALARS = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
_SCALAR_SIZES = {kind: struct.calcsize(f"<{form}") for kind, form in _SCALARS.items()}
_MOST_DIMENSIONS, _MOST_NESTING = 4, 4

BLOCKS: Final[Mapping[int, tuple[int, int]]] = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
"""Values and bytes in a block of each `ggml_type`; the size of other types is not checked."""

_LOOKALIKES = {
    b"tjgg": "an old GGML file, from before August 2023",
    b"lmgg": "an old GGML file, from before August 2023",
    b"fmgg": "an old GGML file, from before August 2023",
    b"algg": "an old GGML file: a LoRA adapter",
    b"PK\x03\x04": "a ZIP archive, perhaps PyTorch weights",
    b"vers": "perhaps a pointer of Git LFS, without the file it stands for",
    b"<!DO": "a web page",
    b"<!do": "a web page",
    b"<htm": "a web page",
    b"FUGG": "a GGUF file for big-endian machines",
}
_AGAIN = "Download it again, or check that it was copied whole"
_SPLIT_NAME = re.compile(r"^(?P<prefix>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")


_SPLIT = frozenset({"split.no", "split.count"})


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor of a file: its name, how many values in each dimension, and their `ggml_type`."""

    name: bytes
    shape: tuple[int, ...]
    kind: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    types    the type of each key, of `enum gguf_type`; of an array, that of its elements after it
    values   those of the keys that were asked for, and are there; where a key is there twice, that
             of the first
    """

    version: int
    tensors: tuple[Tensor, ...] = ()
    types: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[str, Value] = field(default_factory=dict)

    @property
    def split_number(self) -> int:
        """Which part of a model this is, from 0 on."""
        return self.integer("split.no") or 0

    @property
    def split_count(self) -> int:
        """How many parts the model is split into; 0 where it is whole."""
        return self.integer("split.count") or 0

    def integer(self, key: str) -> int | None:
        """Return a value that is a whole number, or None."""
        value = self.values.get(key)
        return value if isinstance(value, int) else None

    def text(self, key: str) -> str | None:
        """Return a value that is text, or None; what is not UTF-8 in it is replaced."""
        value = self.values.get(key)
        return value.decode("utf-8", "replace") if isinstance(value, bytes) else None

    def several(self, key: str) -> tuple[int | float | bytes, ...]:
        """Return a value that is an array; () where there is none."""
        value = self.values.get(key)
        return value if isinstance(value, tuple) else ()


def check(path: Path) -> None:
    """Check that `path` is a whole GGUF file, or the first of a whole split set.

    Raises `ModelNotFound` if there is none, `InvalidModel` if it cannot be one, saying why.
    """
    header = parse(path)
    if header.split_count > 1:
        _check_split(path, header)


def parse(path: Path, keys: Collection[str] = ()) -> Header:
    """Return what the header of `path` says, with the values of `keys`.

    Every tensor that it lists lies within the file. Raises `ModelNotFound` or `InvalidModel`.
    """
    if not path.exists():
        raise ModelNotFound(f"there is no file {str(path)!r}", hint="Check the path")
    if path.is_dir():
        raise InvalidModel(f"{str(path)!r} is a directory", hint=_gguf_in(path))
    try:
        return _parse_file(path, frozenset(keys))
    except OSError as error:
        raise InvalidModel(f"{str(path)!r} cannot be read: {error.strerror or error}") from error


def parts(path: Path) -> tuple[Path, ...]:
    """Return the files of the model that `path` names: itself, or the split set it is one of.

    Told by the name alone; whether they are there is for `check` to find out.
    """
    named = _SPLIT_NAME.match(path.name)
    if named is None:
        return (path,)
    prefix, count = named["prefix"], named["count"]
    names = (f"{prefix}-{number:05}-of-{count}.gguf" for number in range(1, int(count) + 1))
    return tuple(map(path.with_name, names))


def _gguf_in(path: Path) -> str:
    found = sorted(path.glob("*.gguf"))
    return f"Give a file in it, such as {found[0].name!r}" if found else "Give a .gguf file"


def _parse_file(path: Path, keys: frozenset[str]) -> Header:
    with path.open("rb") as file:
        if not file.read(1):
            raise InvalidModel(f"{str(path)!r} is empty", hint=_AGAIN)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data, str(path), keys | _SPLIT).header()


def _check_split(path: Path, header: Header) -> None:
    files = parts(path)
    if len(files) != header.split_count:
        raise InvalidModel(
            f"{str(path)!r} is part of a model in {header.split_count} files, under another name",
            hint="Name them as in model-00001-of-00002.gguf, as they were",
        )
    if header.split_number != 0:
        raise InvalidModel(
            f"{str(path)!r} is part {header.split_number + 1} of a model in {len(files)} files",
            hint=f"Load the first one, {files[0].name!r}",
        )
    missing = [part.name for part in files if not part.exists()]
    if missing:
        raise InvalidModel(
            f"{str(path)!r} needs {len(missing)} more files, such as {missing[0]!r}",
            hint="Put all parts into one folder",
        )
    for part in files[1:]:
        parse(part)


class _Reader:
    """Walks through a header, never beyond the end of the file."""

    def __init__(self, data: mmap.mmap, name: str, keys: frozenset[str]) -> None:
        self._data = data
        self._name = name
        self._keys = keys
        self._size = len(data)
        self._at = 0
        self._alignment = 32
        self._types: dict[str, tuple[int, ...]] = {}
        self._values: dict[str, Value] = {}

    def header(self) -> Header:
        self._magic()
        version = self._u32()
        if version not in (2, 3):
            raise self._invalid(f"has GGUF version {version}, and 2 and 3 are known", _AGAIN)
        tensors, pairs = self._u64(), self._u64()
        # A tensor takes 24 bytes at least, a pair 13: larger counts cannot be true.
        if tensors * 24 + pairs * 13 > self._size:
            raise self._truncated()
        for _ in range(pairs):
            self._pair()
        return Header(version, tuple(self._tensors(tensors)), self._types, self._values)

    def _magic(self) -> None:
        magic = self._bytes(4)
        if magic == b"GGUF":
            return
        known = _LOOKALIKES.get(magic)
        found = f"it looks like {known}" if known else f"it begins with {magic!r}"
        raise self._invalid(f"is not a GGUF file: {found}", "Give a model in GGUF format")

    def _pair(self) -> None:
        key, kind = self._string().decode("utf-8", "replace"), self._u32()
        at = self._at
        kinds = (kind, self._u32()) if kind == ARRAY else (kind,)
        self._at = at
        if key == "general.alignment" and kind == UINT32:
            self._align(self._u32())
            self._at = at
        if key in self._keys and key not in self._types:
            self._values[key] = self._value(kind)
        else:
            self._skip(kind)
        self._types.setdefault(key, kinds)

    def _align(self, alignment: int) -> None:
        self._alignment = alignment
        if alignment.bit_count() != 1:
            raise self._invalid(f"has an alignment of {alignment}", _AGAIN)

    def _value(self, kind: int) -> Value:
        if kind == STRING:
            return self._string()
        if kind != ARRAY:
            return self._numbers(kind, 1)[0]
        inner, count = self._u32(), self._u64()
        if count > self._size:
            raise self._truncated()
        if inner == STRING:
            return tuple(self._string() for _ in range(count))
        return self._numbers(inner, count)

    def _numbers(self, kind: int, count: int) -> tuple[int | float, ...]:
        if kind not in _SCALARS:
            raise self._unknown(kind)
        data = self._bytes(_SCALAR_SIZES[kind] * count)
        return struct.unpack(f"<{count}{_SCALARS[kind]}", data)

    def _skip(self, kind: int, depth: int = 0) -> None:
        if kind in _SCALAR_SIZES:
            self._advance(_SCALAR_SIZES[kind])
        elif kind == STRING:
            self._advance(self._u64())
        elif kind == ARRAY and depth < _MOST_NESTING:
            self._skip_array(depth + 1)
        else:
            raise self._unknown(kind)

    def _skip_array(self, depth: int) -> None:
        kind, count = self._u32(), self._u64()
        if count > self._size:
            raise self._truncated()
        if kind in _SCALAR_SIZES:
            self._advance(_SCALAR_SIZES[kind] * count)
        elif kind == STRING:
            self._skip_strings(count)
        else:
            for _ in range(count):
                self._skip(kind, depth)

    def _skip_strings(self, count: int) -> None:
        # A vocabulary has up to 300,000 of them: no method calls here.
        data, size, at, length = self._data, self._size, self._at, _U64.unpack_from
        for _ in range(count):
            if at + 8 > size:
                raise self._truncated()
            at += 8 + length(data, at)[0]
        self._at = at
        self._advance(0)

    def _tensors(self, count: int) -> Iterator[Tensor]:
        end = 0
        for _ in range(count):
            tensor, offset = self._tensor(), self._u64()
            block, size = BLOCKS.get(tensor.kind, (1, 0))
            end = max(end, offset + math.prod(tensor.shape) // block * size)
            yield tensor
        start = -(-self._at // self._alignment) * self._alignment
        if start + end > self._size:
            raise self._truncated(start + end)

    def _tensor(self) -> Tensor:
        name, dimensions = self._string(), self._u32()
        if dimensions > _MOST_DIMENSIONS:
            raise self._invalid(f"has a tensor {name!r} of {dimensions} dimensions", _AGAIN)
        return Tensor(name, tuple(self._u64() for _ in range(dimensions)), self._u32())

    def _string(self) -> bytes:
        return self._bytes(self._u64())

    def _u32(self) -> int:
        return int.from_bytes(self._bytes(4), "little")

    def _u64(self) -> int:
        return int.from_bytes(self._bytes(8), "little")

    def _bytes(self, count: int) -> bytes:
        start = self._at
        self._advance(count)
        return self._data[start : self._at]

    def _advance(self, count: int) -> None:
        self._at += count
        if self._at > self._size:
            raise self._truncated()

    def _truncated(self, needed: int | None = None) -> InvalidModel:
        of = "" if needed is None else f" of {needed:,}"
        return self._invalid(f"is cut off or damaged: it has {self._size:,}{of} bytes", _AGAIN)

    def _unknown(self, kind: int) -> InvalidModel:
        return self._invalid(f"has a value of an unknown type, {kind}", _AGAIN)

    def _invalid(self, what: str, hint: str) -> InvalidModel:
        return InvalidModel(f"{self._name!r} {what}", hint=hint)
