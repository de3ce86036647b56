"""CUDA's own libraries, opened before the one that needs them; and whether there is a GPU."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from pathlib import Path

from penstock.errors import LoadError

__all__ = ["prepare"]

_LINUX = (("cuda_runtime", "libcudart.so.12"), ("cublas", "libcublas.so.12"))
_WINDOWS = (("cuda_runtime", "cudart64_12.dll"), ("cublas", "cublas64_12.dll"))


def prepare() -> None:
    """Open CUDA 12's libraries, from the packages of NVIDIA or from the system.

    Raises `OSError` where they are not there, `LoadError` where they find no GPU: ctransformers
    would end the process.
    """
    names = _WINDOWS if sys.platform == "win32" else _LINUX
    runtime, _ = [ctypes.CDLL(_place(package, file)) for package, file in names]
    count = ctypes.c_int()
    code = runtime.cudaGetDeviceCount(ctypes.byref(count))
    if code or count.value < 1:
        raise LoadError(f"CUDA finds no GPU here (it says {code})", hint="Load with device='cpu'")


def _place(package: str, file: str) -> str:
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / package / ("bin" if sys.platform == "win32" else "lib") / file
        if path.exists():
            return str(path)
    return file
