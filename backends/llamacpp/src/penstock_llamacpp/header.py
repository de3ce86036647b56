"""The header of a GGUF file, checked in Python before llama.cpp opens the file.

Damaged files are common (a download that stopped, an HTML page, a pointer of Git LFS), and
llama.cpp tells little about them. Format: `docs/gguf.md` in the ggml repository.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from penstock.errors import InvalidModel, ModelNotFound

__all__ = ["Header", "check", "check_adapter", "parse", "parts"]

_U64 = struct.Struct("<Q")
_SCALAR_SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
_STRING, _ARRAY, _UINT16, _UINT32, _FLOAT32 = 8, 9, 2, 4, 6
_MOST_DIMENSIONS, _MOST_NESTING = 4, 4

_BLOCKS = {
    0: (1, 4), 1: (1, 2), 2: (32, 18), 3: (32, 20), 6: (32, 22), 7: (32, 24), 8: (32, 34),
    9: (32, 36), 10: (256, 84), 11: (256, 110), 12: (256, 144), 13: (256, 176), 14: (256, 210),
    15: (256, 292), 24: (1, 1), 25: (1, 2), 26: (1, 4), 27: (1, 8), 28: (1, 8), 30: (1, 2),
}  # fmt: skip
"""Values and bytes in a block of each `ggml_type`; the size of other types is left to llama.cpp."""

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
_OF_ADAPTERS = {
    b"general.type": _STRING,
    b"general.architecture": _STRING,
    b"adapter.type": _STRING,
    b"adapter.lora.alpha": _FLOAT32,
}
"""Keys that llama.cpp reads of an adapter without a look at their type."""

_AGAIN = "Download it again, or check that it was copied whole"
_SPLIT_NAME = re.compile(r"^(?P<prefix>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf$")


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says: its version, and how many parts the model is split into.

    `kinds` has the types (`enum gguf_type`) of those keys that an adapter must have.
    """

    version: int
    tensors: int
    split_number: int = 0
    split_count: int = 0
    kinds: Mapping[str, int] = field(default_factory=dict)


def check(path: Path) -> None:
    """Check that `path` is a whole GGUF file, or the first of a whole split set.

    Raises `ModelNotFound` if there is none, `InvalidModel` if it cannot be one, saying why.
    """
    header = parse(path)
    if header.split_count > 1:
        _check_split(path, header)


def parse(path: Path) -> Header:
    """Return what the header of `path` says; every tensor it lists lies within the file.

    Raises `ModelNotFound` or `InvalidModel`.
    """
    if not path.exists():
        raise ModelNotFound(f"there is no file {str(path)!r}", hint="Check the path")
    if path.is_dir():
        raise InvalidModel(f"{str(path)!r} is a directory", hint=_gguf_in(path))
    try:
        return _parse_file(path)
    except OSError as error:
        raise InvalidModel(f"{str(path)!r} cannot be read: {error.strerror or error}") from error


def check_adapter(path: Path) -> None:
    """Check that `path` is a whole GGUF file, whose keys for an adapter have the right types.

    llama.cpp ends the process where they have not. Raises as `check` does.
    """
    for key, kind in parse(path).kinds.items():
        if kind != _OF_ADAPTERS[key.encode()]:
            raise InvalidModel(
                f"{str(path)!r} has the key {key!r} with the type {kind}",
                hint="Convert the adapter again, with llama.cpp's own script",
            )


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


def _parse_file(path: Path) -> Header:
    with path.open("rb") as file:
        if not file.read(1):
            raise InvalidModel(f"{str(path)!r} is empty", hint=_AGAIN)
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _Reader(data, str(path)).header()


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

    def __init__(self, data: mmap.mmap, name: str) -> None:
        self._data = data
        self._name = name
        self._size = len(data)
        self._at = 0
        self._alignment = 32
        self._split: dict[bytes, int] = {}
        self._kinds: dict[str, int] = {}

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
        self._check_tensors(tensors)
        count, number = self._split.get(b"split.count", 0), self._split.get(b"split.no", 0)
        return Header(version, tensors, number, count, self._kinds)

    def _magic(self) -> None:
        magic = self._bytes(4)
        if magic == b"GGUF":
            return
        known = _LOOKALIKES.get(magic)
        found = f"it looks like {known}" if known else f"it begins with {magic!r}"
        raise self._invalid(f"is not a GGUF file: {found}", "Give a model in GGUF format")

    def _pair(self) -> None:
        key, kind = self._string(), self._u32()
        if key in _OF_ADAPTERS:
            self._kinds[key.decode()] = kind
        if key == b"general.alignment" and kind == _UINT32:
            self._alignment = self._u32()
            if self._alignment.bit_count() != 1:
                raise self._invalid(f"has an alignment of {self._alignment}", _AGAIN)
        elif key in (b"split.no", b"split.count") and kind == _UINT16:
            self._split[key] = int.from_bytes(self._bytes(2), "little")
        else:
            self._skip(kind)

    def _skip(self, kind: int, depth: int = 0) -> None:
        if kind in _SCALAR_SIZES:
            self._advance(_SCALAR_SIZES[kind])
        elif kind == _STRING:
            self._advance(self._u64())
        elif kind == _ARRAY and depth < _MOST_NESTING:
            self._skip_array(depth + 1)
        else:
            raise self._invalid(f"has a value of an unknown type, {kind}", _AGAIN)

    def _skip_array(self, depth: int) -> None:
        kind, count = self._u32(), self._u64()
        if count > self._size:
            raise self._truncated()
        if kind in _SCALAR_SIZES:
            self._advance(_SCALAR_SIZES[kind] * count)
        elif kind == _STRING:
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

    def _check_tensors(self, count: int) -> None:
        end = max((self._tensor_end() for _ in range(count)), default=0)
        start = -(-self._at // self._alignment) * self._alignment
        if start + end > self._size:
            raise self._truncated(start + end)

    def _tensor_end(self) -> int:
        name, dimensions = self._string(), self._u32()
        if dimensions > _MOST_DIMENSIONS:
            raise self._invalid(f"has a tensor {name!r} of {dimensions} dimensions", _AGAIN)
        values = 1
        for _ in range(dimensions):
            values *= self._u64()
        kind, offset = self._u32(), self._u64()
        block, size = _BLOCKS.get(kind, (1, 0))
        return offset + values // block * size

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

    def _invalid(self, what: str, hint: str) -> InvalidModel:
        return InvalidModel(f"{self._name!r} {what}", hint=hint)
