"""Thousands of damaged files: none crashes the reader, and none reaches the library."""

from __future__ import annotations

import dataclasses
import random
import struct
from pathlib import Path

import pytest
from penstock import gguf
from penstock.errors import LoadError, PenstockError
from penstock_ctransformers import backend, ggufs, library

HEAD = 65_536
FILES = 2_400


class Reached(Exception):
    """The library was asked to open a file."""


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's door: to go through it is an error of the test."""

    def create(*_: object) -> int:
        raise Reached

    real = library.open_library(library.choose("auto", "cpu"))
    double = dataclasses.replace(real, create=create)
    monkeypatch.setattr(backend.library, "open_library", lambda _name: double)


def damaged(data: bytes, draw: random.Random) -> bytes:
    """Return a copy with bits flipped, numbers replaced, parts taken out, or the end cut off."""
    copy = bytearray(data)
    for _ in range(draw.randint(1, 6)):
        at = draw.randrange(len(copy) - 16) if draw.random() < 0.5 else draw.randrange(1600)
        how = draw.randrange(5)
        if how == 0:
            copy[at] ^= 1 << draw.randrange(8)
        elif how == 1:
            number = draw.choice([0, 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1, draw.getrandbits(40)])
            struct.pack_into("<Q", copy, at, number % 2**64)
        elif how == 2:
            struct.pack_into("<I", copy, at, draw.choice([0, 2**31, 2**32 - 1, 9, 8, 6]))
        elif how == 3:
            del copy[at : at + draw.randrange(1, 64)]
        else:
            copy[at : at + 8] = draw.randbytes(8)
    return bytes(copy[: draw.randrange(len(copy))] if draw.random() < 0.1 else copy)


def test_the_reader_never_fails_otherwise_than_by_its_own_errors(pocket: Path, tmp_path: Path):
    head, draw, path = pocket.read_bytes()[:HEAD], random.Random(1), tmp_path / "m.gguf"
    refused = 0
    for _ in range(FILES):
        path.write_bytes(damaged(head, draw))
        try:
            gguf.check(path)
        except LoadError:
            refused += 1
    # The weights are not there, so that nearly all is refused; a header without tensors may pass.
    assert refused > 0.9 * FILES


def test_no_damaged_head_reaches_the_library(pocket: Path, tmp_path: Path, guarded, fresh) -> None:
    head, draw, path = pocket.read_bytes()[:HEAD], random.Random(2), tmp_path / "m.gguf"
    for _ in range(FILES):
        path.write_bytes(damaged(head, draw))
        with pytest.raises(LoadError):
            ggufs.read(path)
    for _ in range(50):
        path.write_bytes(damaged(head, draw))
        with pytest.raises(PenstockError):
            fresh(path)


def test_what_passes_of_whole_damaged_files_is_a_model_that_the_library_can_run(
    pocket: Path, tmp_path: Path
) -> None:
    """Whole files with damaged heads: what gets through has every tensor, in its own shape."""
    data, draw, path = pocket.read_bytes(), random.Random(3), tmp_path / "m.gguf"
    body = data[HEAD:]
    wanted = {(tensor.name, tensor.shape) for tensor in gguf.parse(pocket).tensors}
    passed = 0
    for _ in range(300):
        path.write_bytes(damaged(data[:HEAD], draw) + body)
        try:
            file = ggufs.read(path)
        except LoadError:
            continue
        passed += 1
        assert {(tensor.name, tensor.shape) for tensor in gguf.parse(path).tensors} == wanted
        assert len(file.words.pieces) == 1536
    assert passed > 10


def test_the_guard_of_the_library_would_tell(pocket: Path, guarded, fresh) -> None:
    with pytest.raises(Reached):
        fresh(pocket)
