"""llama.cpp's own programs, built once from the sources that llama-cpp-python brings.

    python -m benchmarks.native

The same sources, compiler and flags as the library that Penstock runs; what differs is only who
drives it. Nothing of it is committed; it lies in `.build/benchmarks/native`.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tarfile
import venv
from pathlib import Path
from types import ModuleType

from benchmarks.models import BUILD
from benchmarks.scale import Absent

FOLDER = BUILD / "native"
PROGRAMS = ("llama-server", "llama-batched-bench", "llama-bench")
_ROOT = Path(__file__).parents[1]
_OFF = ("LLAMA_BUILD_TESTS", "LLAMA_BUILD_EXAMPLES", "LLAMA_BUILD_APP", "LLAMA_BUILD_UI",
        "LLAMA_USE_PREBUILT_UI", "LLAMA_OPENSSL", "LLAMA_CURL")  # fmt: skip
"""What needs the network, or what nobody measures."""


def program(name: str) -> Path:
    """Return the built program `name`. Raises `Absent` where it was not built."""
    found = FOLDER / "bin" / name
    if not found.exists():
        raise Absent(f"{name} is not built: python -m benchmarks.native")
    return found


def build() -> None:
    """Build what is missing, at low priority. Raises `Absent` with what went wrong."""
    if all((FOLDER / "bin" / name).exists() for name in PROGRAMS):
        return
    recipe = _recipe()
    release = recipe.pinned(_ROOT / "constraints.txt")
    sources = _sources(release)
    environment = recipe.survey(release).variables()
    cmake, ninja = _tool("cmake"), _tool("ninja")
    options = [f"-D{name}=OFF" for name in _OFF]
    options += [
        "-DCMAKE_BUILD_TYPE=Release",
        "-DBUILD_SHARED_LIBS=ON",
        f"-DCMAKE_MAKE_PROGRAM={ninja}",
    ]
    _run([cmake, "-G", "Ninja", "-S", str(sources), "-B", str(FOLDER), *options], environment)
    _run(["nice", "-n", "10", cmake, "--build", str(FOLDER), "--target", *PROGRAMS], environment)


def _recipe() -> ModuleType:
    """Return the module that builds our library: compiler flags are its business."""
    file = _ROOT / "backends" / "llamacpp" / "build_engine.py"
    spec = importlib.util.spec_from_file_location("build_engine", file)
    if spec is None or spec.loader is None:
        raise Absent(f"{file} is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def _sources(release: str) -> Path:
    """Return the folder of llama.cpp's sources, from the sdist of llama-cpp-python."""
    folder = BUILD / "sdist"
    unpacked = folder / f"llama_cpp_python-{release}"
    if not unpacked.exists():
        archive = folder / f"llama_cpp_python-{release}.tar.gz"
        if not archive.exists():
            wanted = f"llama-cpp-python=={release}"
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download"]
            _run([*pip, "--no-deps", "--no-binary", ":all:", "--dest", str(folder), wanted])
        with tarfile.open(archive) as content:
            content.extractall(folder, filter="data")
    return unpacked / "vendor" / "llama.cpp"


def _tool(name: str) -> str:
    """Return the path of a build tool: the machine's own, or one installed beside the build."""
    folder = BUILD / "tools"
    if found := shutil.which(name) or shutil.which(name, path=str(folder / "bin")):
        return found
    venv.create(folder, with_pip=True)
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "cmake", "ninja"])
    return str(folder / "bin" / name)


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    if subprocess.run(command, env=environment, check=False).returncode:
        raise Absent(f"{' '.join(command[:3])} … failed")


if __name__ == "__main__":
    build()
    for name in PROGRAMS:
        print(program(name))
