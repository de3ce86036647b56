"""Devices are chosen by their names, and what is not there is told with what to install."""

from __future__ import annotations

import pytest
from penstock.errors import LoadError
from penstock_llamacpp.devices import Choice, Device, Offload, choose, label, listed
from penstock_llamacpp.library import load_library

CPU = Device("CPU", "a processor", "cpu", 8 * 2**30, 8 * 2**30)
BLAS = Device("BLAS", "a library", "accel")
CUDA = [
    Device(f"CUDA{at}", "a card", "gpu", 20 * 2**30, 24 * 2**30, handle=at + 1) for at in (0, 1)
]
VULKAN = Device("Vulkan0", "the same card", "gpu", handle=7)
METAL = Device("MTL0", "a chip", "gpu", handle=8)
INTEGRATED = Device("Vulkan1", "a chip", "igpu", handle=9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CPU", "cpu"),
        ("CUDA0", "cuda:0"),
        ("CUDA13", "cuda:13"),
        ("MTL0", "metal:0"),
        ("Vulkan1", "vulkan:1"),
        ("ROCm0", "rocm:0"),
        ("GPUOpenCL", "opencl"),
        ("RPC0[127.0.0.1:50052]", "rpc:0"),
        ("???", "???"),
    ],
)
def test_a_device_is_asked_for_by_its_family_and_number(name: str, expected: str) -> None:
    assert label(name) == expected


@pytest.mark.parametrize(
    ("devices", "asked", "names"),
    [
        ([CPU], "auto", []),
        ([CPU, BLAS], "auto", []),
        ([CPU], "cpu", []),
        ([CPU, *CUDA], "cpu", []),
        ([*CUDA, CPU], "auto", ["CUDA0", "CUDA1"]),
        ([*CUDA, CPU], "gpu", ["CUDA0", "CUDA1"]),
        ([*CUDA, CPU], "cuda", ["CUDA0", "CUDA1"]),
        ([*CUDA, CPU], "cuda:1", ["CUDA1"]),
        ([*CUDA, CPU], "CUDA:1", ["CUDA1"]),
        ([*CUDA, CPU], "CUDA1", ["CUDA1"]),
        ([*CUDA, VULKAN, CPU], "vulkan", ["Vulkan0"]),
        ([METAL, BLAS, CPU], "metal", ["MTL0"]),
        ([METAL, BLAS, CPU], "metal:0", ["MTL0"]),
        ([INTEGRATED, CPU], "auto", ["Vulkan1"]),
        ([INTEGRATED, CPU], "gpu", ["Vulkan1"]),
        ([INTEGRATED, *CUDA, CPU], "auto", ["CUDA0", "CUDA1"]),
        ([INTEGRATED, *CUDA, CPU], "vulkan:1", ["Vulkan1"]),
    ],
)
def test_a_name_chooses_devices(devices: list[Device], asked: str, names: list[str]) -> None:
    assert [device.name for device in choose(devices, asked).devices] == names


def test_llamacpp_may_drop_doubles_unless_devices_were_named() -> None:
    everything = [*CUDA, VULKAN, CPU]
    assert not choose(everything, "auto").exact
    assert not choose(everything, "gpu").exact
    assert choose(everything, "cuda").exact
    # Told nothing, llama.cpp would compute large batches on a GPU even with all layers on the CPU.
    assert choose(everything, "cpu") == Choice((), exact=True)


@pytest.mark.parametrize(
    ("devices", "asked", "told"),
    [
        ([CPU], "cuda", r"'cuda' is not here.*finds here: cpu\..*/whl/cu124 .*cu130"),
        ([CPU], "cuda:1", r"'cuda:1'.*/whl/cu124"),
        ([CPU], "metal", r"'metal'.*/whl/metal$"),
        ([CPU], "vulkan", r"'vulkan'.*/whl/vulkan$"),
        ([CPU], "rocm", r"'rocm'.*/whl/rocm72"),
        ([CPU], "gpu", r"'gpu'.*/whl/ .*metal"),
        ([METAL, CPU], "cuda", r"finds here: cpu, metal:0\..*/whl/cu124"),
        ([*CUDA, CPU], "cuda:2", r"'cuda:2' is not here.*finds here: cpu, cuda:0, cuda:1$"),
        ([*CUDA, CPU], "toaster", r"'toaster'.*cuda:1\. Choose one of these"),
        ([CPU], "cpu:1", r"'cpu:1' is not here"),
        ([CPU], "", r"'' is not here"),
    ],
)
def test_what_is_not_there_is_told(devices: list[Device], asked: str, told: str) -> None:
    with pytest.raises(LoadError, match=told):
        choose(devices, asked)


def test_a_device_describes_itself() -> None:
    assert str(CUDA[1]) == "cuda:1: a card, 20.0 of 24.0 GiB free"
    assert str(CPU) == "cpu: a processor, 8.0 GiB"
    assert str(METAL) == "metal:0: a chip"


LOG = """\
llama_prepare_model_devices: using device CUDA0 (A card) (0000:01:00.0) - 23000 MiB free
llama_prepare_model_devices: using device CUDA1 (A card) (unknown id) - 23000 MiB free
load_tensors: offloading output layer to GPU
load_tensors: offloading 24 repeating layers to GPU
load_tensors: offloaded 25/33 layers to GPU
load_tensors:        CUDA0 model buffer size =  3577.56 MiB""".splitlines()


def test_what_llamacpp_did_is_read_from_its_log() -> None:
    asked = Offload(("cuda:0", "cuda:1", "vulkan:0"), 33, 33)
    assert str(Offload.read(LOG, asked)) == "cuda:0, cuda:1 (25/33 layers)"
    assert str(Offload.read(LOG[2:], asked)) == "cuda:0, cuda:1, vulkan:0 (25/33 layers)"


def test_where_the_log_says_nothing_it_is_what_was_asked() -> None:
    assert str(Offload.read([], Offload(("metal:0",), 7, 7))) == "metal:0 (7/7 layers)"


@pytest.mark.parametrize("asked", [Offload(), Offload((), 0, 7), Offload(("cuda:0",), 0, 7)])
def test_without_layers_on_a_device_it_is_the_cpu(asked: Offload) -> None:
    assert str(Offload.read([], asked)) == "cpu"


def test_this_machine_has_a_processor() -> None:
    found = listed(load_library())
    (processor,) = [device for device in found if device.kind == "cpu"]
    assert processor.label == "cpu"
    assert processor.memory_total > 2**28
    assert processor.handle
    assert len({device.handle for device in found}) == len(found)
