"""Where a model runs: what the user asks for, and what this build and this machine have."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from penstock.errors import LoadError

from penstock_llamacpp.library import Library

__all__ = ["Choice", "Device", "Kind", "Offload", "choose", "label", "listed"]

Kind: TypeAlias = Literal["cpu", "gpu", "igpu", "accel", "meta"]

_KINDS: Final[tuple[Kind, ...]] = ("cpu", "gpu", "igpu", "accel", "meta")
"""`enum ggml_backend_dev_type`, in its order."""

_NAMED = re.compile(r"^(?P<family>[A-Za-z]+)(?P<index>\d*)")
_FAMILIES: Final = {"mtl": "metal", "hip": "rocm", "gpuopencl": "opencl"}
"""What llama.cpp calls a family, and people another name."""

_WHEELS = "https://abetlen.github.io/llama-cpp-python/whl/"
_BUILDS: Final = {
    "cuda": ("cu124", "cu118, cu121 to cu125, cu130, cu132"),
    "metal": ("metal", ""),
    "rocm": ("rocm72", "hip-radeon"),
    "vulkan": ("vulkan", ""),
}
"""The folder of wheels for each family, and its other folders."""

_USED = re.compile(r"using device (\S+) \(")
_OFFLOADED = re.compile(r"offloaded (\d+)/(\d+) layers to GPU")


@dataclass(frozen=True, slots=True)
class Device:
    """A device of ggml, and its memory in bytes, 0 where it does not tell.

    `name` is ggml's, such as "CUDA0"; `handle` is the address of the C object.
    """

    name: str
    description: str = ""
    kind: Kind = "gpu"
    memory_free: int = 0
    memory_total: int = 0
    handle: int = 0

    @property
    def family(self) -> str:
        """What kind of build it takes, such as "cuda" or "metal"."""
        return self.label.partition(":")[0]

    @property
    def label(self) -> str:
        """The name to ask for it by, such as "cuda:0"."""
        return label(self.name)

    def __str__(self) -> str:
        free, total = (f"{size / 2**30:,.1f}" for size in (self.memory_free, self.memory_total))
        memory = f"{total} GiB" if free == total else f"{free} of {total} GiB free"
        return f"{self.label}: {self.description}" + (f", {memory}" if self.memory_total else "")


@dataclass(frozen=True, slots=True)
class Choice:
    """The devices beside the CPU that a model may be put on; none is: the CPU alone.

    Where `exact` is False, llama.cpp takes what it finds, and leaves out a device that two of its
    parts see.
    """

    devices: tuple[Device, ...] = ()
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Offload:
    """What llama.cpp put on which devices: `layers` of `total`."""

    devices: tuple[str, ...] = ()
    layers: int = 0
    total: int = 0

    @classmethod
    def read(cls, lines: Iterable[str], asked: Offload) -> Offload:
        """Return what llama.cpp's log of loading says, or `asked` where it says nothing."""
        text = "\n".join(lines)
        used = tuple(label(name) for name in _USED.findall(text)) or asked.devices
        counts = _OFFLOADED.search(text)
        if counts is None or not asked.devices:
            return asked
        return cls(used, int(counts[1]), int(counts[2]))

    def __str__(self) -> str:
        if not self.devices or not self.layers:
            return "cpu"
        return f"{', '.join(self.devices)} ({self.layers}/{self.total} layers)"


def label(name: str) -> str:
    """Return the name that people use for ggml's `name` of a device: "cuda:0" for "CUDA0"."""
    named = _NAMED.match(name)
    if named is None:
        return name.lower()
    family = named["family"].lower()
    family = _FAMILIES.get(family, family)
    return f"{family}:{named['index']}" if named["index"] else family


def listed(library: Library) -> tuple[Device, ...]:
    """Return the devices that this build finds on this machine."""
    library.supports_gpu()  # loads the parts of llama.cpp that are libraries of their own
    handles = map(library.device_get, range(library.device_count()))
    return tuple(_device(library, handle) for handle in handles)


def choose(devices: Sequence[Device], asked: str) -> Choice:
    """Return what `asked` stands for among `devices`.

    auto      GPUs where there are any, integrated ones if there are no others; else the CPU
    cpu       the CPU alone
    gpu       as auto, but not the CPU
    cuda      all devices of that family; so with metal, vulkan, rocm, sycl, …
    cuda:1    that device alone

    Raises `LoadError` for what is not there, with what there is and what to install.
    """
    wanted = label(asked.strip()) if ":" not in asked else asked.strip().lower()
    usable = _usable(devices)
    if wanted == "cpu" or (wanted == "auto" and not usable):
        return Choice()
    if wanted in ("auto", "gpu") and usable:
        return Choice(usable, exact=False)
    others = [device for device in devices if device.kind in ("gpu", "igpu")]
    found = tuple(device for device in others if wanted in (device.label, device.family))
    if not found:
        raise LoadError(f"the device {asked!r} is not here", hint=_advice(others, wanted))
    return Choice(found)


def _usable(devices: Sequence[Device]) -> tuple[Device, ...]:
    for kind in ("gpu", "igpu"):
        found = tuple(device for device in devices if device.kind == kind)
        if found:
            return found
    return ()


def _advice(others: Sequence[Device], wanted: str) -> str:
    family = wanted.partition(":")[0]
    names = [device.label for device in others]
    there = f"This build of llama-cpp-python finds here: {', '.join(['cpu', *names])}"
    if any(device.family == family for device in others):
        return there
    if family not in _BUILDS and family != "gpu":
        return f"{there}. Choose one of these, 'gpu' or 'auto'"
    folder, more = _BUILDS.get(family, ("", "cu124, metal, rocm72, vulkan and others"))
    also = f" (there are also {more})" if more else ""
    return f"{there}. Builds for other devices are at {_WHEELS}{folder}{also}"


def _device(library: Library, handle: int) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    library.device_memory(handle, ctypes.byref(free), ctypes.byref(total))
    return Device(
        name=library.device_name(handle).decode("utf-8", "replace"),
        description=library.device_description(handle).decode("utf-8", "replace").strip(),
        kind=_KINDS[library.device_type(handle)],
        memory_free=free.value,
        memory_total=total.value,
        handle=handle,
    )
