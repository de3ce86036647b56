"""ctransformers' shared libraries: which one suits this machine, and its functions.

The package itself is not imported: it would ask the hub client and a CPU survey in first, for a
second, and its class is what this backend stands in for.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.metadata
import importlib.util
import sys
import threading
from collections.abc import Callable
from ctypes import POINTER, c_bool, c_char_p, c_int, c_void_p
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias

from penstock.errors import LoadError

from penstock_ctransformers import cuda, processor

__all__ = ["LIBRARIES", "Config", "Library", "choose", "found", "open_library", "version"]

LIBRARIES: Final = ("basic", "avx", "avx2", "cuda")
"""The folders of the wheel, a library in each."""

_FILES: Final = {"linux": "libctransformers.so", "darwin": "libctransformers.dylib"}
_INSTALL = "Install it: pip install 'ctransformers>=0.2.27,<0.3'"
_Function: TypeAlias = Callable[..., int]
_Bind: TypeAlias = Callable[..., Callable[..., int]]


class Config(ctypes.Structure):
    """What a model is loaded with; the order is the library's."""

    _fields_ = (
        ("context_length", c_int),
        ("gpu_layers", c_int),
        ("mmap", c_bool),
        ("mlock", c_bool),
    )


@dataclass(frozen=True, slots=True)
class Library:
    """The functions of a library, and the lock that its legacy models share.

    Their evaluation works in memory that all models of a type have in common, whatever thread they
    run on: only who holds `turn` may evaluate one.
    """

    name: str
    create: Callable[[bytes, bytes, Config], int | None]
    delete: Callable[[int], None]
    tokenize: _Function
    detokenize: Callable[[int, int], bytes]
    evaluate: _Function
    logits: Callable[[int], int]
    logits_size: Callable[[int], int]
    context_length: Callable[[int], int]
    vocabulary_size: Callable[[int], int]
    bos: Callable[[int], int]
    eos: Callable[[int], int]
    turn: threading.Lock = field(default_factory=threading.Lock)


def version() -> str:
    """Return the release of ctransformers. Raises `LoadError` where it is not installed."""
    try:
        return importlib.metadata.version("ctransformers")
    except importlib.metadata.PackageNotFoundError as error:
        raise LoadError("ctransformers is not installed", hint=_INSTALL) from error


def found() -> dict[str, Path]:
    """Return the libraries that are installed for this system, by name. Raises `LoadError`."""
    version()
    spec = importlib.util.find_spec("ctransformers")
    if spec is None or spec.origin is None:
        raise LoadError("ctransformers is installed, and has no package", hint=_INSTALL)
    folder = Path(spec.origin).parent / "lib"
    file = _FILES.get(sys.platform, "ctransformers.dll")
    paths = {name: folder / name / file for name in LIBRARIES}
    return {name: path for name, path in paths.items() if path.exists()}


def choose(asked: str, device: str) -> str:
    """Return the name of the library for `asked` ("auto" or one of LIBRARIES) and a device.

    Raises `LoadError` for one that is not there, or that this processor cannot run.
    """
    there = found()
    features = processor.features()
    name = _fastest(there, features) if asked == "auto" else asked
    name = "cuda" if device == "cuda" else name
    if name not in there:
        raise LoadError(
            f"ctransformers has no library {name!r} for this system",
            hint=f"It has {', '.join(there) or 'none: use another backend'}",
        )
    if not processor.runs(name, features):
        raise LoadError(
            f"this processor cannot run the library {name!r}", hint="Set library='auto'"
        )
    return name


def _fastest(there: dict[str, Path], features: frozenset[str]) -> str:
    runs = (name for name in ("avx2", "avx") if name in there and processor.runs(name, features))
    return next(runs, "basic")


@functools.cache
def open_library(name: str) -> Library:
    """Return the functions of an installed library, opened once. Raises `LoadError`."""
    path = found()[name]
    try:
        if name == "cuda":
            cuda.prepare()
        # A call that gives Python's lock away may wait long to have it back: short ones keep it.
        native, short = ctypes.CDLL(str(path)), ctypes.PyDLL(str(path))
    except OSError as error:
        raise LoadError(
            f"the library {name!r} of ctransformers cannot be opened: {error}",
            hint="For CUDA: pip install 'ctransformers[cuda]'; or load with device='cpu'",
        ) from error
    return _bound(name, partial(_function, native), partial(_function, short))


def _function(
    native: ctypes.CDLL, name: str, restype: object, *argtypes: object
) -> Callable[..., int]:
    bound = getattr(native, f"ctransformers_llm_{name}")
    bound.restype, bound.argtypes = restype, [*argtypes]
    return bound  # type: ignore[no-any-return]  # ctypes makes them as it goes


def _bound(name: str, bind: _Bind, short: _Bind) -> Library:
    ints = POINTER(c_int)
    return Library(
        name=name,
        create=bind("create", c_void_p, c_char_p, c_char_p, Config),
        delete=bind("delete", None, c_void_p),  # type: ignore[arg-type]  # it returns None
        tokenize=bind("tokenize", c_int, c_void_p, c_char_p, c_bool, ints),
        detokenize=short("detokenize", c_char_p, c_void_p, c_int),  # type: ignore[arg-type]
        evaluate=bind("batch_eval", c_bool, c_void_p, ints, c_int, c_int, c_int, c_int),
        logits=short("logits_data", c_void_p, c_void_p),
        logits_size=short("logits_size", c_int, c_void_p),
        context_length=short("context_length", c_int, c_void_p),
        vocabulary_size=short("vocab_size", c_int, c_void_p),
        bos=short("bos_token_id", c_int, c_void_p),
        eos=short("eos_token_id", c_int, c_void_p),
    )
