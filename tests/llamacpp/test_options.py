"""Load options are typed, and a wrong one is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from penstock.errors import UsageError
from penstock_llamacpp.options import CACHE_TYPES, LoadOptions, Lora


def test_nothing_said_gives_the_defaults() -> None:
    assert LoadOptions.of({}) == LoadOptions()


def test_options_are_taken_as_written() -> None:
    options = LoadOptions.of({"n_ctx": 512, "flash_attn": True, "n_threads": None})
    assert (options.n_ctx, options.flash_attn, options.n_threads) == (512, True, None)


def test_an_unknown_option_is_named_with_the_nearest_right_one() -> None:
    with pytest.raises(UsageError, match=r"'n_ctxx'.*'n_ctx'"):
        LoadOptions.of({"n_ctxx": 512})


def test_an_option_like_no_other_lists_them_all() -> None:
    with pytest.raises(UsageError, match="use_mmap"):
        LoadOptions.of({"zzz": 1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_ctx", -1),
        ("n_ctx", "4096"),
        ("n_ctx", 10**12),
        ("n_ctx", 1.5),
        ("n_ctx", True),
        ("n_ctx_limit", 0),
        ("n_batch", 0),
        ("n_ubatch", None),
        ("n_threads", 0),
        ("n_threads", 513),
        ("n_threads_batch", -2),
        ("n_gpu_layers", -2),
        ("use_mmap", "yes"),
        ("use_mlock", 1),
        ("flash_attn", "on"),
        ("flash_attn", None),
        ("parallel", 0),
        ("parallel", 65),
        ("n_cells", 0),
        ("queue_limit", -1),
        ("prompt_stretch", 0.9),
        ("prompt_stretch", None),
        ("prompt_stretch", float("inf")),
        ("reuse_prefix", None),
        ("cache_bytes", -1),
        ("cache_bytes", 1e9),
        ("type_k", "q6_k"),
        ("type_v", 8),
        ("type_v", None),
        ("swa_full", 0),
        ("split_mode", "rows"),
        ("split_mode", None),
        ("main_gpu", -1),
        ("tensor_split", "3,x"),
        ("tensor_split", "0,0"),
        ("tensor_split", [1.0, -1.0]),
        ("tensor_split", [1.0, float("nan")]),
        ("tensor_split", [1] * 17),
        ("tensor_split", True),
        ("lora", 3),
        ("lora", ["a.gguf", None]),
        ("lora", ""),
        ("lora", "a.gguf=nan"),
        ("rope_scaling", "ntk"),
        ("rope_freq_base", 0),
        ("rope_freq_scale", -1.0),
        ("rope_freq_scale", float("inf")),
        ("yarn_ext_factor", -1),
        ("yarn_beta_fast", "32"),
        ("yarn_orig_ctx", 0),
        ("yarn_orig_ctx", 1.5),
        ("pooling", "none"),
        ("check_tensors", "yes"),
    ],
)
def test_a_wrong_value_is_named_with_its_option(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"{name} is "):
        LoadOptions.of({name: value})


@pytest.mark.parametrize(
    ("asked", "trained", "length"),
    [(None, 1024, 1024), (0, 1024, 1024), (None, 10**6, 16384), (2048, 1024, 2048)],
)
def test_the_context_length_is_the_models_own_up_to_the_limit(
    asked: int | None, trained: int, length: int
) -> None:
    assert LoadOptions(n_ctx=asked).context_length(trained) == length


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, ()),
        ([], ()),
        ("a.gguf", (Lora("a.gguf"),)),
        ("a.gguf=0.5", (Lora("a.gguf", 0.5),)),
        ("a.gguf=-1", (Lora("a.gguf", -1.0),)),
        ("dir=x/a.gguf", (Lora("dir=x/a.gguf"),)),
        ("dir=x/a.gguf=2", (Lora("dir=x/a.gguf", 2.0),)),
        (["a.gguf", "b.gguf=0"], (Lora("a.gguf"), Lora("b.gguf", 0.0))),
        ([Lora("a.gguf", 0.25)], (Lora("a.gguf", 0.25),)),
    ],
)
def test_adapters_are_written_with_their_scale(written, read: tuple[Lora, ...]) -> None:
    assert LoadOptions.of({"lora": written}).lora == read


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (None, ()),
        ("3,1", (3.0, 1.0)),
        (" 0.5 , 0.5 ", (0.5, 0.5)),
        ("1", (1.0,)),
        (1, (1.0,)),
        ((2, 0), (2.0, 0.0)),
    ],
)
def test_shares_are_numbers_or_text(written, read: tuple[float, ...]) -> None:
    assert LoadOptions.of({"tensor_split": written}).tensor_split == read


@pytest.mark.parametrize("kind", [kind for kind, (values, _) in CACHE_TYPES.items() if values > 1])
def test_quantised_values_need_flash_attention(kind: str) -> None:
    with pytest.raises(UsageError, match=rf"type_v is '{kind}', and flash_attn is False.*'f16'"):
        LoadOptions.of({"type_v": kind, "flash_attn": False})
    assert LoadOptions.of({"type_v": kind}).type_v == kind
    assert LoadOptions.of({"type_k": kind, "flash_attn": False}).type_k == kind


@pytest.mark.parametrize("kind", ["f32", "f16", "bf16"])
def test_other_values_do_not(kind: str) -> None:
    assert LoadOptions.of({"type_v": kind, "flash_attn": False}).type_v == kind


def test_every_option_is_explained() -> None:
    """In the docstring of the class, for people who read the code."""
    words = (LoadOptions.__doc__ or "").replace(",", " ").split()
    assert not [name for name in LoadOptions.__slots__ if name not in words]


README = Path(__file__).parents[2] / "backends" / "llamacpp" / "README.md"


def test_every_option_is_in_the_table_for_users() -> None:
    cells = re.findall(r"^\| (`.*?) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    told = re.findall(r"`(\w+)`", " ".join(cells))
    assert sorted(told) == sorted(LoadOptions.__slots__)
