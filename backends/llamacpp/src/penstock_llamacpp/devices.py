"""Where a model runs: what the user asks for, and what this build of llama.cpp offers."""

from __future__ import annotations

from penstock.errors import LoadError

from penstock_llamacpp.library import Library
from penstock_llamacpp.weights import Weights

__all__ = ["describe", "wants_gpu"]

_WHEELS = "https://abetlen.github.io/llama-cpp-python/whl/"


def wants_gpu(library: Library, device: str) -> bool:
    """Return whether layers go to a GPU: `auto` takes one where the build can use it.

    Raises `LoadError` for a device that this backend or this build does not know.
    """
    if device == "cpu":
        return False
    if device == "auto":
        return bool(library.supports_gpu())
    raise LoadError(f"the device {device!r} cannot be used", hint=_advice(library))


def describe(weights: Weights) -> str:
    """Return the device really used, such as "cpu" or "gpu (25/33 layers)"."""
    if not weights.gpu_layers_asked:
        return "cpu"
    return f"gpu ({weights.offloaded_layers}/{weights.layers + 1} layers)"


def _advice(library: Library) -> str:
    if library.supports_gpu():
        return "Choose 'auto', which uses the GPUs of this build, or 'cpu'"
    return (
        "This build of llama-cpp-python runs on the CPU: choose 'auto' or 'cpu', or install a "
        f"build for your GPU from {_WHEELS}"
    )
