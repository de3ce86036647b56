"""A file that is no whole GGUF model is refused with a reason, whatever is in it."""

from __future__ import annotations

import contextlib
import random
import struct
from pathlib import Path

import gguf as writing
import numpy as np
import pytest
from penstock import gguf
from penstock.errors import InvalidModel, ModelNotFound, PenstockError


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small file with all that a header may hold."""
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    writer = writing.GGUFWriter(path, arch="none")
    writer.add_name("tiny")
    writer.add_bool("some.flag", True)
    writer.add_token_list([f"token {at}" for at in range(300)])
    writer.add_token_scores([-float(at) for at in range(300)])
    writer.add_tensor("embedding", np.ones((300, 32), np.float32))
    writer.add_tensor("norm", np.ones(32, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def written(tmp_path: Path):
    def write(data: bytes, name: str = "model.gguf") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def test_a_whole_file_passes(tiny: Path) -> None:
    gguf.check(tiny)
    assert gguf.parse(tiny).version == 3


def test_values_are_read_where_they_are_asked_for(tiny: Path) -> None:
    keys = ("general.name", "tokenizer.ggml.tokens", "tokenizer.ggml.scores", "some.flag", "none")
    header = gguf.parse(tiny, keys)
    assert header.text("general.name") == "tiny"
    assert header.several("tokenizer.ggml.tokens") == tuple(b"token %d" % at for at in range(300))
    assert header.several("tokenizer.ggml.scores")[2] == -2.0
    assert header.integer("some.flag") == 1
    assert header.values.keys() == {*keys} - {"none"}
    assert header.integer("general.name") is header.text("some.flag") is header.text("none") is None
    assert header.types["general.name"] == (gguf.STRING,)
    assert header.types["tokenizer.ggml.tokens"] == (gguf.ARRAY, gguf.STRING)
    assert not gguf.parse(tiny).values


def test_tensors_are_told_with_their_shapes_and_types(tiny: Path) -> None:
    first, second = gguf.parse(tiny).tensors
    assert first == gguf.Tensor(b"embedding", (32, 300), 0)
    assert (second.name, second.shape, second.kind) == (b"norm", (32,), 1)


def test_of_a_key_that_is_there_twice_the_first_counts(written) -> None:
    def pair(value: int) -> bytes:
        return struct.pack("<Q", 1) + b"k" + struct.pack("<II", 4, value)

    path = written(b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pair(1) + pair(2) + bytes(64))
    assert gguf.parse(path, ["k"]).integer("k") == 1


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="absent"):
        gguf.check(tmp_path / "absent.gguf")


def test_a_directory_is_refused_and_a_file_in_it_proposed(tmp_path: Path, written) -> None:
    with pytest.raises(InvalidModel, match=r"directory.*Give a \.gguf file"):
        gguf.check(tmp_path)
    written(b"GGUF", "inside.gguf")
    with pytest.raises(InvalidModel, match=r"inside\.gguf"):
        gguf.check(tmp_path)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"GG", "cut off"),
        (b"GGUF", "cut off"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"tjgg" + bytes(40), "old GGML"),
        (b"PK\x03\x04" + bytes(40), "ZIP"),
        (bytes(64), "begins with"),
        (b"GGUF" + struct.pack("<IQQ", 1, 0, 0), "version 1"),
        (b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0), "cut off"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 2**63), "cut off"),
    ],
)
def test_another_kind_of_file_is_refused_with_what_it_is(written, data: bytes, reason: str) -> None:
    with pytest.raises(InvalidModel, match=reason):
        gguf.check(written(data))


def test_a_file_that_is_cut_off_anywhere_is_refused(tiny: Path, written) -> None:
    data = tiny.read_bytes()
    for length in [*range(0, 5000, 97), len(data) // 2, len(data) - 1]:
        with pytest.raises(InvalidModel):
            gguf.check(written(data[:length]))


def test_a_truncated_file_is_told_with_both_sizes(tiny: Path, written) -> None:
    data = tiny.read_bytes()
    with pytest.raises(InvalidModel, match=f"{len(data) - 1:,} of {len(data):,} bytes"):
        gguf.check(written(data[:-1]))


@pytest.mark.parametrize("seed", range(400))
def test_a_damaged_header_gives_an_error_of_ours_or_none(tiny: Path, written, seed: int) -> None:
    draw = random.Random(seed)
    data = bytearray(tiny.read_bytes())
    for _ in range(draw.randint(1, 8)):
        data[draw.randrange(8000)] = draw.choice([0, 0xFF, draw.randrange(256)])
    with contextlib.suppress(PenstockError):
        gguf.check(written(bytes(data)))


@pytest.mark.parametrize("seed", range(50))
def test_noise_after_the_magic_gives_an_error_of_ours(written, seed: int) -> None:
    noise = random.Random(seed).randbytes(500)
    with pytest.raises(InvalidModel):
        gguf.check(written(b"GGUF" + struct.pack("<I", 3) + noise))


def _split(number: int, count: int) -> bytes:
    def pair(key: bytes, value: int) -> bytes:
        return struct.pack("<Q", len(key)) + key + struct.pack("<IH", 2, value)

    pairs = pair(b"split.no", number) + pair(b"split.count", count)
    return b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + pairs + bytes(64)


def test_a_split_set_is_loaded_by_its_first_file_and_must_be_whole(written) -> None:
    first = written(_split(0, 2), "m-00001-of-00002.gguf")
    with pytest.raises(InvalidModel, match=r"m-00002-of-00002\.gguf"):
        gguf.check(first)
    second = written(_split(1, 2), "m-00002-of-00002.gguf")
    gguf.check(first)
    with pytest.raises(InvalidModel, match=r"Load the first one, 'm-00001-of-00002\.gguf'"):
        gguf.check(second)


def test_a_part_under_another_name_is_refused(written) -> None:
    with pytest.raises(InvalidModel, match="another name"):
        gguf.check(written(_split(0, 2), "renamed.gguf"))


def test_a_name_that_counts_otherwise_is_refused(written) -> None:
    with pytest.raises(InvalidModel, match="another name"):
        gguf.check(written(_split(0, 2), "m-00001-of-00003.gguf"))


def test_a_damaged_part_of_a_split_set_is_refused(written) -> None:
    first = written(_split(0, 2), "m-00001-of-00002.gguf")
    written(b"", "m-00002-of-00002.gguf")
    with pytest.raises(InvalidModel, match="empty"):
        gguf.check(first)
