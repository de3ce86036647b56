"""The options a model is loaded with, typed and checked before llama.cpp sees any of them."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias

from penstock.backend import OptionValue
from penstock.errors import UsageError

__all__ = ["FlashAttention", "LoadOptions"]

FlashAttention: TypeAlias = bool | Literal["auto"]

_MOST_THREADS = 512
"""GGML_MAX_N_THREADS: ggml aborts the process beyond it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load a model.

    n_ctx            context length in tokens; 0 or None takes the model's own, up to n_ctx_limit.
                     llama.cpp rounds it up to a multiple of 256
    n_ctx_limit      the most that a context length taken from the model may be
    n_batch          tokens llama.cpp accepts in one call
    n_ubatch         tokens it computes at once
    n_threads        threads for one token; None is one for each physical core this process may
                     use, and fewer for models of a few megabytes
    n_threads_batch  threads for prompts; None is as many as n_threads
    n_gpu_layers     layers to put on a GPU, where there is one; -1 is all
    use_mmap         map the file rather than read it
    use_mlock        keep the weights from being swapped out
    flash_attn       "auto", True or False

    Raises `UsageError` for values outside these meanings.
    """

    n_ctx: int | None = None
    n_ctx_limit: int = 16384
    n_batch: int = 2048
    n_ubatch: int = 512
    n_threads: int | None = None
    n_threads_batch: int | None = None
    n_gpu_layers: int = -1
    use_mmap: bool = True
    use_mlock: bool = False
    flash_attn: FlashAttention = "auto"

    def __post_init__(self) -> None:
        for name, (holds, expected) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise UsageError(
                    f"the llamacpp option {name} is {value!r}", hint=f"It must be {expected}"
                )

    @classmethod
    def parse(cls, options: Mapping[str, OptionValue]) -> LoadOptions:
        """Return `options`, as a user wrote them, checked.

        Raises `UsageError` for an unknown name, with the nearest right one, or a wrong value.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise UsageError(f"llamacpp has no option {name!r}", hint=_advice(name, known))
        return cls(**options)  # type: ignore[arg-type]  # __post_init__ checks each type

    def context_length(self, trained: int) -> int:
        """Return the context length to ask for, of a model trained with `trained` tokens."""
        return self.n_ctx or min(trained, self.n_ctx_limit)


def _advice(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {near[0]!r}?" if near else f"Options are {', '.join(known)}"


def _is_whole(value: object, least: int, most: int = 2**31 - 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _counts(value: object) -> bool:
    return _is_whole(value, 1)


def _is_threads(value: object) -> bool:
    return value is None or _is_whole(value, 1, _MOST_THREADS)


_THREADS = f"a whole number from 1 to {_MOST_THREADS}, or None for the physical cores"

_RULES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "n_ctx": (
        lambda value: value is None or _is_whole(value, 0),
        "a whole number of tokens, 0 for the model's own",
    ),
    "n_ctx_limit": (_counts, "a whole number of tokens, 1 or more"),
    "n_batch": (_counts, "a whole number of tokens, 1 or more"),
    "n_ubatch": (_counts, "a whole number of tokens, 1 or more"),
    "n_threads": (_is_threads, _THREADS),
    "n_threads_batch": (_is_threads, _THREADS),
    "n_gpu_layers": (lambda value: _is_whole(value, -1), "a whole number, -1 for all layers"),
    "use_mmap": (_is_flag, "True or False"),
    "use_mlock": (_is_flag, "True or False"),
    "flash_attn": (lambda value: value == "auto" or _is_flag(value), '"auto", True or False'),
}
