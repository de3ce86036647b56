"""What this processor can do, as far as it decides which library may run."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["features", "runs"]

_NEEDS: Final = {
    "basic": frozenset[str](),
    "avx": frozenset({"avx", "f16c"}),
    "avx2": frozenset({"avx2", "f16c", "fma"}),
    "cuda": frozenset({"avx2", "f16c", "fma"}),
}
"""What each library is compiled for. On another processor, its first step kills the process."""

_CPUINFO = Path("/proc/cpuinfo")
_WINDOWS: Final = {39: ("avx", "f16c"), 40: ("avx2", "fma", "f16c")}
"""Of `IsProcessorFeaturePresent`; what came with them at the latest has no number of its own."""


def runs(name: str, features: frozenset[str]) -> bool:
    """Whether a processor with these features can run the library `name`."""
    return _NEEDS.get(name, frozenset()) <= features


def features(cpuinfo: Path = _CPUINFO) -> frozenset[str]:
    """Return the features of this processor, such as "avx2"; none where they cannot be told."""
    try:
        if sys.platform == "darwin":
            return _of_macos()
        if sys.platform == "win32":
            return _of_windows()
        return _of_linux(cpuinfo.read_text(encoding="utf-8"))
    except OSError:
        return frozenset()


def _of_linux(text: str) -> frozenset[str]:
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def _of_macos() -> frozenset[str]:
    names = ["machdep.cpu.features", "machdep.cpu.leaf7_features"]
    done = subprocess.run(  # noqa: S603  # a program of the system, with fixed words
        ["/usr/sbin/sysctl", "-n", *names], capture_output=True, text=True, check=False
    )
    return frozenset(done.stdout.lower().replace("avx1.0", "avx").split())


def _of_windows() -> frozenset[str]:
    kernel = getattr(ctypes, "windll").kernel32  # noqa: B009  # not there on other systems
    known = (names for code, names in _WINDOWS.items() if kernel.IsProcessorFeaturePresent(code))
    return frozenset(name for names in known for name in names)
