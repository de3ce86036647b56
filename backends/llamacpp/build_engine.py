"""Build and install llama.cpp (llama-cpp-python) so that it runs on this machine.

    python backends/llamacpp/build_engine.py --into .build/wheels --constraint constraints.txt

Needs only Python and a C++ compiler. Done before, with the same release, flags, compiler and CPU,
it does nothing. A build that someone else installed is kept, as long as it can evaluate a model.
Set CMAKE_ARGS (`-DGGML_CUDA=on`), CC, CXX, CFLAGS, CXXFLAGS as for any build of llama-cpp-python.
"""  # noqa: INP001  # a script beside its package

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGE = "llama-cpp-python"
DEFAULT_RELEASE = "0.3.36"
NO_AMX = ("-mno-amx-tile", "-mno-amx-int8", "-mno-amx-bf16")
CORE_MINUTES = 8
"""Minutes that one core takes to compile llama.cpp."""

TAIL = 25
PROBE = Path(__file__).parent / "src" / "penstock_llamacpp" / "probe.py"

SAMPLE = """
#include <immintrin.h>
struct config { unsigned char bytes[64]; };
void configure(const struct config *given) {
    struct config config __attribute__((aligned(64)));
    for (int i = 0; i < 64; i++)
        config.bytes[i] = given->bytes[i] ^ 1;
    _tile_loadconfig(&config);
}
"""
"""`ldtilecfg` reads 64 bytes. GCC 12 believes that it reads 8, and drops the stores of the others
as dead code: the instruction then faults, in the first evaluation of quantised weights. (llama.cpp
configures its tiles in the same way, in ggml-cpu/amx/mmq.cpp.)"""

_STORE_SIZES = {"movb": 1, "movw": 2, "movl": 4, "movq": 8}
_VECTOR_SIZES = {"xmm": 16, "ymm": 32, "zmm": 64}
_STORE = re.compile(r"^\s*v?(?P<name>mov\w+)\s+(?P<source>[^,(]+),\s*(?P<target>[^,%]*\([^)]*\))")
_STEP = re.compile(r"\[\s*(?P<done>\d+)(?:/(?P<total>\d+)|%)\]")

_NO_COMPILER = """there is no C++ compiler ({name}). Install one, and run this again:
  Debian, Ubuntu   sudo apt install g++
  Fedora           sudo dnf install gcc-c++
  macOS            xcode-select --install"""


class BuildError(Exception):
    """The build cannot be had; the text says why, and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides what comes out of the compiler. Equal recipes give equal builds."""

    release: str
    compiler: str
    cpu: str
    flags: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        """A name for the folder of the wheel."""
        digest = hashlib.sha256(repr(self).encode()).hexdigest()
        return f"{self.release}-{digest[:12]}"

    def variables(self) -> dict[str, str]:
        """Return the environment for the compiler: the user's, with our flags added."""
        found = dict(os.environ)
        for name in ("CFLAGS", "CXXFLAGS"):
            found[name] = " ".join([*shlex.split(found.get(name, "")), *self.flags])
        found.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(cores()))
        return found


class Progress:
    """One line that says how far the work is: rewritten on a terminal, else every 15 seconds."""

    def __init__(self, stream: TextIO, *, every: float = 15.0) -> None:
        self._stream = stream
        self._every = 0.1 if stream.isatty() else every
        self._begun = self._shown = time.monotonic()

    def show(self, text: str) -> None:
        """Show `text`, unless the last one is too fresh."""
        now = time.monotonic()
        if now - self._shown < self._every:
            return
        self._shown = now
        self._write(f"{text} ({now - self._begun:.0f} s)")

    def close(self) -> None:
        """Leave the line free for what follows."""
        if self._stream.isatty():
            self._stream.write("\r\x1b[K")

    def _write(self, text: str) -> None:
        self._stream.write(f"\r\x1b[K  {text}" if self._stream.isatty() else f"  {text}\n")
        self._stream.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Build what is missing, install it, and see whether it runs; return a status."""
    asked = parse(arguments)
    try:
        install(asked.into, asked.constraint, asked.model)
    except BuildError as error:
        say(f"llama.cpp: {error}")
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--into", type=Path, required=True, help="folder for wheels and logs")
    parser.add_argument("--constraint", type=Path, help="file that pins llama-cpp-python")
    parser.add_argument("--model", type=Path, help="GGUF file to try; default: a tiny one")
    return parser.parse_args(arguments)


def install(into: Path, constraint: Path | None, model: Path | None) -> None:
    """Bring the environment of this Python to a build that runs. Raises `BuildError`."""
    release = pinned(constraint)
    if keeps_foreign(release, into, model):
        return
    recipe = survey(release)
    folder = into.resolve() / recipe.key
    if installed_from() == folder:
        say(f"llama.cpp: {PACKAGE} {release} is built and installed")
        return
    wheel = find_wheel(folder) or build(recipe, folder)
    pip_install(wheel, release, constraint, folder)
    if fault := probe(model):
        raise BuildError(f"the build in {folder} does not run: {fault}")
    say(f"llama.cpp: {PACKAGE} {release} is installed, and evaluates a quantised model")


def keeps_foreign(release: str, into: Path, model: Path | None) -> bool:
    """Whether a build of the right release, not made by this script, is installed and runs."""
    if installed_release() != release or installed_from().is_relative_to(into.resolve()):
        return False
    if fault := probe(model):
        say(f"llama.cpp: the installed build does not run ({fault}); making another")
        return False
    say(f"llama.cpp: keeping the {PACKAGE} {release} that is installed; it runs")
    return True


def pinned(constraint: Path | None) -> str:
    """Return the release that `constraint` pins. Raises `BuildError` if it pins none."""
    if constraint is None:
        return DEFAULT_RELEASE
    for line in constraint.read_text(encoding="utf-8").splitlines():
        name, _, release = line.partition("#")[0].partition("==")
        if name.strip().lower().replace("_", "-") == PACKAGE and release:
            return release.partition(";")[0].strip()
    raise BuildError(f"{constraint} does not pin {PACKAGE}")


def survey(release: str) -> Recipe:
    """Look at compiler and CPU. Raises `BuildError` where there is no compiler."""
    compiler = shlex.split(os.environ.get("CXX", "")) or ["c++"]
    if shutil.which(compiler[0]) is None:
        raise BuildError(_NO_COMPILER.format(name=compiler[0]))
    flags = NO_AMX if loses_tile_configuration(compiler) else ()
    names = (
        "CC",
        "CXX",
        "CFLAGS",
        "CXXFLAGS",
        "CMAKE_ARGS",
        "FORCE_CMAKE",
        "MACOSX_DEPLOYMENT_TARGET",
    )
    given = tuple((name, os.environ[name]) for name in names if os.environ.get(name))
    version = run([*compiler, "--version"]).stdout.partition("\n")[0]
    return Recipe(release=release, compiler=version, cpu=cpu(), flags=flags, environment=given)


def loses_tile_configuration(compiler: Sequence[str]) -> bool:
    """Whether `compiler` compiles the sample, and drops stores of the tile configuration.

    Without `-march`, as the widest stores then have 16 bytes: one store of 64 would hide the fault.
    """
    command = [*compiler, "-x", "c++", "-O3", "-mamx-tile", "-S", "-o", "-", "-"]
    done = run(command, text=SAMPLE)
    return done.returncode == 0 and drops_stores(done.stdout)


def drops_stores(assembly: str) -> bool:
    """Whether fewer than 64 bytes are stored before `ldtilecfg` in `assembly` (AT&T syntax).

    Each place counts once. Copying by `call` or `rep` counts as a whole, and so does a
    configuration that is loaded from where it was given, not from the stack.
    """
    before, found, after = assembly.partition("ldtilecfg")
    if not found or re.search(r"\bcall\w*\s|\brep\b", before):
        return False
    if not re.match(r"\s*[^(]*\(%[re]?[sb]p", after):
        return False
    stores = (store for line in before.splitlines() if (store := _STORE.match(line)))
    places = {store["target"].strip(): _stored(store["name"], store["source"]) for store in stores}
    return sum(places.values()) < 64


def _stored(name: str, source: str) -> int:
    for register, size in _VECTOR_SIZES.items():
        if register in source and name not in _STORE_SIZES:
            return size
    return _STORE_SIZES.get(name, 0)


def build(recipe: Recipe, folder: Path) -> Path:
    """Compile the wheel into `folder`, showing progress. Raises `BuildError` with the log's end."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "build.log"
    minutes = max(1, round(CORE_MINUTES / cores()))
    say(f"llama.cpp: compiling {PACKAGE} {recipe.release} for this CPU, once: "
        f"about {minutes} min on {cores()} cores")  # fmt: skip
    if recipe.flags and "amx" in recipe.cpu:
        say("  this compiler breaks AMX code, so the build does without")
    command = [
        *pip(), "wheel", "--verbose", "--no-cache-dir", "--no-deps", "--no-binary", PACKAGE,
        "--wheel-dir", str(folder), f"{PACKAGE}=={recipe.release}",
    ]  # fmt: skip
    status, last = follow(command, recipe.variables(), log, Progress(sys.stdout))
    wheel = find_wheel(folder)
    if status or wheel is None:
        said = "\n  ".join(last)
        raise BuildError(f"the build failed. The log is {log}; it ends with\n  {said}")
    return wheel


def follow(
    command: Sequence[str], environment: Mapping[str, str], log: Path, progress: Progress
) -> tuple[int, Sequence[str]]:
    """Run `command`, write what it says to `log`; return its status and its last lines."""
    last: deque[str] = deque(maxlen=TAIL)
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(  # noqa: S603  # pip, with arguments made here
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, errors="replace",
        ) as child,
    ):  # fmt: skip
        phase = "getting the sources"
        for line in child.stdout or ():
            file.write(line)
            last.append(line.rstrip())
            phase = phase_of(line) or phase
            progress.show(phase)
    progress.close()
    return child.returncode, last


def phase_of(line: str) -> str | None:
    """Return what a line of pip's, CMake's or Ninja's says about progress, or None."""
    if step := _STEP.search(line):
        total = f"/{step['total']}" if step["total"] else " %"
        return f"compiling {step['done']}{total}"
    if "Configuring CMake" in line or "-- The C" in line:
        return "configuring"
    return None


def pip_install(wheel: Path, release: str, constraint: Path | None, folder: Path) -> None:
    """Install `wheel`, then what it depends on. Raises `BuildError`."""
    limits = [] if constraint is None else ["--constraint", str(constraint)]
    for what in (["--force-reinstall", "--no-deps", str(wheel)], [f"{PACKAGE}=={release}"]):
        done = run([*pip(), "install", "--quiet", "--no-cache-dir", *limits, *what])
        if done.returncode:
            log = folder / "install.log"
            log.write_text(done.stdout + done.stderr, encoding="utf-8")
            raise BuildError(
                f"pip cannot install {what[-1]}: {done.stderr.strip()}\nThe log: {log}"
            )


def installed_release() -> str | None:
    """Return the release of llama-cpp-python in this environment."""
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return None


def installed_from() -> Path:
    """Return the folder of the wheel that is installed, or the root where that is not known."""
    nowhere = Path("/")
    try:
        record = importlib.metadata.distribution(PACKAGE).read_text("direct_url.json")
    except importlib.metadata.PackageNotFoundError:
        return nowhere
    url = str(json.loads(record).get("url", "")) if record else ""
    return Path(url2pathname(urlsplit(url).path)).parent if url.startswith("file:") else nowhere


def find_wheel(folder: Path) -> Path | None:
    """Return the wheel in `folder`, if one was built there."""
    return next(iter(sorted(folder.glob("*.whl"))), None)


def probe(model: Path | None) -> str | None:
    """Return what is wrong with the installed build, or None: see `probe.py`."""
    spec = importlib.util.spec_from_file_location("penstock_llamacpp_probe", PROBE)
    if spec is None or spec.loader is None:
        raise BuildError(f"{PROBE} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    fault: str | None = module.probe(model)
    return fault


def cores() -> int:
    """Return how many CPUs this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu() -> str:
    """Return what tells this CPU from others: its name and its features."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    wanted = ("model name", "flags", "Features", "CPU part")
    lines = text.partition("\n\n")[0].splitlines()
    return "; ".join(line.partition(":")[2].strip() for line in lines if line.startswith(wanted))


def run(command: Sequence[str], text: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run `command` to its end and return it with what it said."""
    return subprocess.run(  # noqa: S603  # compilers and pip, with arguments made here
        command, input=text, capture_output=True, text=True, errors="replace", check=False
    )


def pip() -> list[str]:
    """Return the pip of this Python."""
    return [sys.executable, "-m", "pip", "--disable-pip-version-check"]


def say(text: str) -> None:
    """Tell the user, at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
