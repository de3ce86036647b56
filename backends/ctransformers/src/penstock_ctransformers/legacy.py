"""Legacy GGML files: their layouts, told apart and checked before the library opens them.

Such a file begins with numbers without names, has no sizes to check, and does not say what kind of
model it is. So each layout is tried: where all tensors fit one to the last byte, that is it.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Final

from penstock.errors import InvalidModel
from penstock.gguf import BLOCKS

from penstock_ctransformers import kinds
from penstock_ctransformers.layouts import LAYOUTS, MAGICS, Layout
from penstock_ctransformers.modelfile import ModelFile, Words

__all__ = ["is_legacy", "read"]

_MOST_WORDS = 2**20
_SPACE = "\u2581".encode()
_CONTROL = re.compile(rb"<\|[^|]*\|>|<fim[-_][a-z]+>|<unk>|### End|### Instruction:|### Response:")
_ENDS: Final = (b"<|endoftext|>", b"<|end|>", b"<|im_end|>", b"<|end_of_turn|>", b"### End")
_NAMES_OF_FTYPES: Final = (0, 1, 2, 3, 7, 8, 9, 10, 11, 12, 13, 14)
"""The `ggml_ftype`s that the library knows; it ends the process at others."""


def is_legacy(path: Path) -> bool:
    """Whether a file begins as a GGML file does."""
    with path.open("rb") as file:
        return file.read(4) in MAGICS


def read(path: Path, model_type: str | None) -> ModelFile:
    """Return what `path` holds; `model_type` None finds out what kind of model it is.

    Raises `InvalidModel` for a file that is cut off, damaged, or of no known kind.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        walk = _best(data, model_type)
    if walk.fault:
        raise InvalidModel(
            f"{str(path)!r} is no legacy {walk.layout.model_type} model: {walk.fault}",
            hint="Download it again, or name what it holds with the option model_type",
        )
    return _described(path, walk, model_type)


@dataclass(slots=True)
class _Walk:
    """How far a layout fits a file, and what was read on the way; `fault` says why no further."""

    layout: Layout
    at: int = 0
    fault: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    pieces: list[bytes] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    sizes: dict[int, int] = field(default_factory=dict)


def _best(data: mmap.mmap, model_type: str | None) -> _Walk:
    layouts = [layout for layout in LAYOUTS if model_type in (None, *layout.names)]
    walks = (_Walker(data, layout).walk() for layout in layouts)
    return max(walks, key=lambda walk: (not walk.fault, walk.at))


class _Walker:
    """Walks through a file along a layout, never beyond its end."""

    def __init__(self, data: mmap.mmap, layout: Layout) -> None:
        self._data = data
        self._layout = layout
        self._size = len(data)
        self._walk = _Walk(layout)

    def walk(self) -> _Walk:
        try:
            self._numbers()
            self._words()
            self._tensors()
        except _Fault as fault:
            self._walk.fault = str(fault)
        return self._walk

    def _numbers(self) -> None:
        version = MAGICS[self._bytes(4)]
        layout, numbers = self._layout, self._walk.numbers
        if version not in layout.versions:
            raise _Fault("files of this kind begin otherwise")
        if version and self._int() not in layout.versions[version]:
            raise _Fault("its version is not known")
        numbers |= {name: self._int() for name in layout.fields}
        numbers["aligned"] = version in ("ggjt", "ggcc")
        numbers["scored"] = bool(version) or layout.scored
        self._check_numbers()

    def _check_numbers(self) -> None:
        numbers = self._walk.numbers
        for name in ("width", "heads", "layers", "vocabulary"):
            if not 0 < numbers[name] < 2**24:
                raise _Fault(f"it claims a {name} of {numbers[name]}")
        if numbers["width"] % numbers["heads"] or numbers["layers"] > 512:
            raise _Fault("its numbers do not fit each other")
        if numbers["vocabulary"] > _MOST_WORDS or not 0 < numbers.get("context", 2048) < 2**20:
            raise _Fault("its numbers are too large")
        if self._layout.asserts_ftype and numbers["ftype"] % 1000 not in _NAMES_OF_FTYPES:
            raise _Fault(f"its type of weights, {numbers['ftype']}, is not known")

    def _words(self) -> None:
        numbers, count = self._walk.numbers, self._walk.numbers["vocabulary"]
        if self._layout.counted and self._int() != count:
            raise _Fault("its vocabulary has another size than it says")
        for _ in range(count):
            self._walk.pieces.append(self._bytes(self._int()))
            if numbers["scored"]:
                self._walk.scores.append(struct.unpack("<f", self._bytes(4))[0])
        if "merges" in numbers:
            for _ in range(2 * self._int()):
                self._bytes(self._int())

    def _tensors(self) -> None:
        names: set[bytes] = set()
        while self._walk.at < self._size:
            names.add(self._tensor())
        layout, layers = self._layout, self._walk.numbers["layers"]
        if layout.sign not in names:
            raise _Fault(f"it has no tensor {layout.sign.decode()!r}")
        if len(names) < layout.per_layer * layers + 2:
            raise _Fault(f"it has {len(names)} tensors, too few for {layers} layers")

    def _tensor(self) -> bytes:
        dimensions, length, kind = self._int(), self._int(), self._int()
        if not 1 <= dimensions <= 2 or kind not in kinds.KNOWN:
            raise _Fault(f"at byte {self._walk.at:,} is no tensor that it may have")
        shape = [self._int() for _ in range(dimensions)]
        name = self._bytes(length)
        block, size = BLOCKS[kind]
        if min(shape) < 1 or shape[0] % block:
            raise _Fault(f"its tensor {name!r} has the shape {shape}")
        if self._walk.numbers["aligned"]:
            self._bytes(-self._walk.at & 31)
        held = prod(shape) // block * size
        self._walk.sizes[kind] = self._walk.sizes.get(kind, 0) + held
        self._skip(held)
        return name

    def _int(self) -> int:
        return int(struct.unpack("<i", self._bytes(4))[0])

    def _bytes(self, count: int) -> bytes:
        start = self._walk.at
        self._skip(count)
        return self._data[start : self._walk.at]

    def _skip(self, count: int) -> None:
        if not 0 <= count <= self._size - self._walk.at:
            raise _Fault(f"it is cut off or damaged: it has {self._size:,} bytes")
        self._walk.at += count


class _Fault(Exception):
    """Why a layout does not fit."""


def _described(path: Path, walk: _Walk, model_type: str | None) -> ModelFile:
    numbers, layout = walk.numbers, walk.layout
    kind = model_type or layout.told_by(walk.pieces)
    return ModelFile(
        path=path,
        name=path.stem,
        legacy=True,
        model_type=kind,
        architecture=kind,
        context=numbers.get("context", 2048),
        width=numbers["width"],
        heads=numbers["heads"],
        kv_heads=numbers["heads"],
        layers=numbers["layers"],
        quantisation=kinds.name_of(max(walk.sizes, key=lambda kind: walk.sizes[kind])),
        words=_llama_words(walk) if layout.model_type == "llama" else _gpt_words(path, walk),
    )


def _llama_words(walk: _Walk) -> Words:
    pieces = (b"" if at < 3 else piece for at, piece in enumerate(walk.pieces))
    control = {"<unk>": 0, "<s>": 1, "</s>": 2}
    return Words(tuple(pieces), control, bos=1, eos=2, ends=(2,), adds_bos=True, adds_space=True)


def _gpt_words(path: Path, walk: _Walk) -> Words:
    raw = list(_decoded(path, walk))
    control = {
        piece.decode("utf-8", "replace"): at
        for at, piece in enumerate(raw)
        if _CONTROL.fullmatch(piece)
    }
    ends = tuple(sorted(control[end.decode()] for end in _ENDS if end.decode() in control))
    eos = control.get("<|endoftext|>", -1)
    silent = frozenset(control.values())
    return Words(
        tuple(b"" if at in silent else piece for at, piece in enumerate(raw)),
        control,
        bos=eos,
        eos=eos,
        ends=ends,
        splitting=walk.layout.splitting,
        scores=tuple(walk.scores),
    )


def _decoded(path: Path, walk: _Walk) -> Iterator[bytes]:
    if not walk.layout.spelled:
        yield from (piece.replace(_SPACE, b" ") for piece in walk.pieces)
        return
    for piece in walk.pieces:
        try:
            # Each byte is written as the character of that number; the library ends the process
            # where it cannot read them.
            yield bytes(ord(char) & 0xFF for char in piece.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise InvalidModel(
                f"{str(path)!r} has the token {piece!r}, which is not UTF-8",
                hint="Download it again",
            ) from error
