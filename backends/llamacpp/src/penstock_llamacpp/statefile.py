"""State files: what a model has evaluated of a text, for another day."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import tempfile
from array import array
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from penstock.errors import LoadError, ModelNotFound, UsageError

from penstock_llamacpp.shelf import State

__all__ = ["Identity", "read", "write"]

_MAGIC = b"PENSTOCK-STATE-1"
_SIZES = struct.Struct("<III")
_DIGEST = hashlib.sha256().digest_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What must be the same where a state is restored: llama.cpp reads it without a question.

    model     a digest of the model file's beginning, and its size
    type_k    how keys are kept
    type_v    how values are kept
    lora      the adapters
    release   the release of llama-cpp-python
    """

    model: str
    type_k: str
    type_v: str
    lora: str
    release: str

    def described(self) -> bytes:
        """Return it as JSON, always in one order."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, sort_keys=True).encode()


def write(path: Path, identity: Identity, tokens: array[int], state: State) -> None:
    """Write a state to `path`, whole or not at all. Raises `UsageError` where that cannot be."""
    head = identity.described()
    parts = [
        _MAGIC,
        _SIZES.pack(len(head), len(tokens), state.nbytes),
        head,
        tokens.tobytes(),
        state.tobytes(),
    ]
    digest = hashlib.sha256(b"".join(parts)).digest()
    try:
        _put([*parts, digest], path)
    except OSError as error:
        raise UsageError(
            f"{str(path)!r} cannot be written: {error.strerror or error}",
            hint="Give a path in a folder that exists, with room for the state",
        ) from error


def read(path: Path, identity: Identity) -> tuple[array[int], State]:
    """Return the tokens and the state in `path`.

    Raises `ModelNotFound` if there is no such file, `LoadError` if it is damaged, or was written
    with another model, other adapters, or another release.
    """
    data = _content(path)
    at = len(_MAGIC)
    head_size, count, size = _SIZES.unpack_from(data, at)
    at += _SIZES.size
    head, at = data[at : at + head_size], at + head_size
    tokens = array("i", data[at : at + 4 * count])
    state = np.frombuffer(data, np.uint8, size, at + 4 * count).copy()
    if head != identity.described():
        raise LoadError(
            f"{str(path)!r} was saved with {head.decode()}",
            hint=f"It cannot be used with {identity.described().decode()}",
        )
    return tokens, state


def _put(parts: list[bytes], path: Path) -> None:
    with tempfile.NamedTemporaryFile(
        dir=path.parent, prefix=f".{path.name}-", delete=False
    ) as file:
        try:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _content(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ModelNotFound(f"there is no file {str(path)!r}", hint="Check the path") from error
    except OSError as error:
        raise LoadError(f"{str(path)!r} cannot be read: {error.strerror or error}") from error
    body, digest = data[:-_DIGEST], data[-_DIGEST:]
    # The digest is of the whole, so that what is inside has the sizes that it says it has.
    if not data.startswith(_MAGIC) or hashlib.sha256(body).digest() != digest:
        raise LoadError(
            f"{str(path)!r} is no state file, or is damaged", hint="Save the state again"
        )
    return data
