"""Options reach the structures of llama.cpp, and what it made of them is told."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from penstock.backend import OptionValue
from penstock.errors import LoadError, UsageError
from penstock_llamacpp.devices import Choice, Device
from penstock_llamacpp.library import load_library
from penstock_llamacpp.options import CACHE_TYPES, MOST_DEVICES, LoadOptions
from penstock_llamacpp.parameters import (
    ContextFacts,
    context_parameters,
    model_parameters,
    new_context,
)
from penstock_llamacpp.weights import Weights

CARDS = tuple(Device(f"CUDA{at}", handle=0x1000 + at) for at in (0, 1))
Opened = Callable[..., Weights]


def of_model(choice: Choice, **options: OptionValue):
    return model_parameters(load_library(), LoadOptions.of(options), choice, lambda _: True)


def pointers(address: int, count: int) -> list[int | None]:
    return list((ctypes.c_void_p * count).from_address(address))


def test_named_devices_are_passed_as_a_list_that_ends() -> None:
    made = of_model(Choice(CARDS, exact=True))
    assert pointers(made.native.devices, 3) == [0x1000, 0x1001, None]
    assert made.native.n_gpu_layers == -1


def test_the_cpu_alone_is_an_empty_list() -> None:
    made = of_model(Choice(), n_gpu_layers=99)
    assert pointers(made.native.devices, 1) == [None]
    assert made.native.n_gpu_layers == 0


def test_without_names_llamacpp_finds_the_devices() -> None:
    made = of_model(Choice(CARDS, exact=False), n_gpu_layers=7)
    assert made.native.devices is None
    assert made.native.n_gpu_layers == 7


@pytest.mark.parametrize(("name", "number"), [("none", 0), ("layer", 1), ("row", 2), ("tensor", 3)])
def test_the_split_mode_is_that_of_the_header(name: str, number: int) -> None:
    structs = load_library().structs
    assert number == getattr(structs, f"LLAMA_SPLIT_MODE_{name.upper()}", number)
    assert of_model(Choice(CARDS), split_mode=name).native.split_mode == number


def test_shares_fill_the_array_that_llamacpp_reads() -> None:
    library = load_library()
    made = of_model(Choice(CARDS), tensor_split="3,1", main_gpu=1)
    shares = [made.native.tensor_split[at] for at in range(library.most_devices())]
    assert shares == [3.0, 1.0] + [0.0] * (library.most_devices() - 2)
    assert made.native.main_gpu == 1
    assert library.most_devices() == MOST_DEVICES


def test_a_share_or_a_number_without_a_device_is_refused() -> None:
    with pytest.raises(UsageError, match=r"tensor_split is '1,1,2'.*cuda:0, cuda:1"):
        of_model(Choice(CARDS), tensor_split=[1, 1, 2])
    with pytest.raises(UsageError, match=r"main_gpu is 2.*cuda:0, cuda:1"):
        of_model(Choice(CARDS), main_gpu=2, split_mode="none")


@pytest.mark.parametrize(
    ("options", "mode"),
    [
        ({}, "AUTO"),
        ({"use_mmap": True}, "MMAP"),
        ({"use_mmap": False}, "NONE"),
        ({"use_mmap": False, "use_mlock": True}, "MLOCK"),
        ({"use_mmap": True, "use_mlock": True}, "MMAP_MLOCK"),
        ({"use_mlock": True}, "MMAP_MLOCK"),
    ],
)
def test_how_the_file_is_read(options: dict[str, OptionValue], mode: str) -> None:
    expected = getattr(load_library().structs, f"LLAMA_LOAD_MODE_{mode}")
    assert of_model(Choice(), **options).native.load_mode == expected


@pytest.mark.parametrize("name", CACHE_TYPES)
def test_every_cache_type_is_that_of_the_header(tiny: Path, opened: Opened, name: str) -> None:
    weights = opened(tiny, type_k=name, type_v=name)
    params = context_parameters(weights.library, weights, weights.options, 1, 256)
    expected = (
        30 if name == "bf16" else getattr(weights.library.structs, f"GGML_TYPE_{name.upper()}")
    )
    assert (params.type_k, params.type_v) == (expected, expected)


@pytest.mark.parametrize("name", CACHE_TYPES)
def test_a_context_runs_with_every_cache_type(pocket: Path, opened: Opened, name: str) -> None:
    weights = opened(pocket, type_k=name, type_v=name)
    params = context_parameters(weights.library, weights, weights.options, 1, 512)
    pointer, facts = new_context(weights, params)
    tokens = (ctypes.c_int32 * 8)(*[5] * 8)
    code = weights.library.decode(pointer, weights.library.structs.llama_batch_get_one(tokens, 8))
    weights.library.context_free(pointer)
    assert code == 0
    assert facts.flash_attn
    # llama.cpp tells hundredths of a MiB, of two parts.
    assert facts.memory_bytes == pytest.approx(weights.context_bytes(512), abs=2 * 2**20 / 100)


def test_a_cache_type_that_does_not_fit_the_model_is_told(tiny: Path, opened: Opened) -> None:
    weights = opened(tiny, type_k="q8_0")  # its heads are 16 wide, a block is 32
    params = context_parameters(weights.library, weights, weights.options, 1, 256)
    with pytest.raises(LoadError, match=r"block size 32 does not divide.*Choose another type_k"):
        new_context(weights, params)


@pytest.mark.skipif(
    os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") > 2**36,
    reason="a machine with more than 64 GiB promises that much memory",
)
def test_a_context_without_memory_for_it_is_told(tiny: Path, opened: Opened) -> None:
    weights = opened(tiny)
    params = context_parameters(weights.library, weights, weights.options, 1, 2**31 - 1)
    with pytest.raises(LoadError, match=r"2,147,483,647 tokens.*smaller n_ctx"):
        new_context(weights, params)


def test_options_reach_the_context(tiny: Path, opened: Opened) -> None:
    weights = opened(
        tiny, n_batch=128, n_ubatch=512, n_threads=3, swa_full=False, offload_kqv=False,
        op_offload=False, flash_attn=False, rope_scaling="linear", rope_freq_base=5000.0,
        rope_freq_scale=0.5, yarn_ext_factor=1, yarn_attn_factor=2, yarn_beta_fast=3.0,
        yarn_beta_slow=4.0, yarn_orig_ctx=99,
    )  # fmt: skip
    params = context_parameters(weights.library, weights, weights.options, 1, 256)
    assert (params.n_ctx, params.n_batch, params.n_ubatch) == (256, 128, 128)
    assert (params.n_threads, params.n_threads_batch, params.flash_attn_type) == (3, 3, 0)
    assert [params.swa_full, params.offload_kqv, params.op_offload] == [False] * 3
    assert (params.rope_scaling_type, params.rope_freq_base, params.rope_freq_scale) == (
        1,
        5e3,
        0.5,
    )
    yarn = (params.yarn_ext_factor, params.yarn_attn_factor, params.yarn_beta_fast)
    assert (*yarn, params.yarn_beta_slow, params.yarn_orig_ctx) == (1, 2, 3, 4, 99)


def test_what_is_left_open_is_llamacpps(tiny: Path, opened: Opened) -> None:
    weights = opened(tiny)
    params = context_parameters(weights.library, weights, weights.options, 1, 256)
    usual = weights.library.context_params()
    positions = ("rope_scaling_type", "rope_freq_base", "yarn_ext_factor", "yarn_orig_ctx")
    places = ("swa_full", "offload_kqv", "op_offload", "type_k", "type_v", "flash_attn_type")
    for name in positions + places:
        assert getattr(params, name) == getattr(usual, name), name


def test_two_yarn_contexts_stretch_alike(tiny: Path, opened: Opened) -> None:
    """llama.cpp changes the trained length with the first one."""
    weights = opened(tiny, rope_scaling="yarn", rope_freq_scale=0.5)
    library = weights.library
    originals = []
    for _ in range(2):
        params = context_parameters(library, weights, weights.options, 1, 256)
        originals.append(params.yarn_orig_ctx)
        pointer, _facts = new_context(weights, params)
        library.context_free(pointer)
    assert originals == [2048, 2048]
    assert library.model_context(weights.pointer) == 4096
    assert weights.trained_context == 2048


@pytest.mark.parametrize(
    ("asked", "lines", "flash"),
    [
        (-1, ["resolve_fused_ops: Flash Attention enabled"], True),
        (-1, ["resolve_fused_ops: Flash Attention not supported, set to disabled"], False),
        (1, [], True),
        (0, [], False),
        (1, ["llama_init_from_model: flash_attn is not compatible with Grok - forcing off"], False),
        (-1, ["x: enabling flash_attn since it is required for quantized V cache"], True),
    ],
)
def test_flash_attention_is_told_as_it_is(asked: int, lines: list[str], flash: bool) -> None:
    params = load_library().context_params()
    params.flash_attn_type = asked
    assert ContextFacts.read(lines, params).flash_attn is flash


def test_memory_is_the_sum_of_its_parts() -> None:
    lines = [
        "llama_kv_cache:      CUDA0 KV buffer size =   100.50 MiB",
        "llama_kv_cache:        CPU KV buffer size =     0.25 MiB",
        "llama_memory_recurrent:        CPU RS buffer size =     1.00 MiB",
        "llama_context:        CPU  output buffer size =     9.00 MiB",
    ]
    facts = ContextFacts.read(lines, load_library().context_params())
    assert facts.memory_bytes == 101.75 * 2**20
