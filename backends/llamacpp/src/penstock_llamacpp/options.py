"""The options a model is loaded with, typed and checked before llama.cpp sees any of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

from penstock.backend import OptionValue
from penstock.errors import UsageError
from penstock.nearest import did_you_mean
from penstock.secret import Secret

__all__ = ["CACHE_TYPES", "MOST_DEVICES", "FlashAttention", "LoadOptions", "Lora", "MemoryMap"]

FlashAttention: TypeAlias = bool | Literal["auto"]
MemoryMap: TypeAlias = bool | Literal["auto"]

CACHE_TYPES: Final[Mapping[str, tuple[int, int]]] = {
    "f32": (1, 4), "f16": (1, 2), "bf16": (1, 2), "q8_0": (32, 34), "q5_1": (32, 24),
    "q5_0": (32, 22), "q4_1": (32, 20), "q4_0": (32, 18), "iq4_nl": (32, 18),
}  # fmt: skip
"""The types of keys and values: how many of them share a block, and its bytes."""

MOST_DEVICES: Final = 16
"""What `llama_max_devices` returns: llama.cpp reads as many shares, whatever there is."""

_MOST_THREADS = 512
"""GGML_MAX_N_THREADS: ggml aborts the process beyond it."""

_MOST_PARALLEL = 64

_SPLITS = ("none", "layer", "row", "tensor")
_ROPES = ("none", "linear", "yarn", "longrope")
_POOLINGS = ("auto", "mean", "cls", "last")


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA adapter: its file, and how strongly it is applied; 0 is not at all."""

    path: str
    scale: float = 1.0

    def __str__(self) -> str:
        return f"{self.path}={self.scale:g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load a model. Where an option is None, the model or llama.cpp decides.

    Context
    n_ctx             context length in tokens; 0 or None takes the model's own, up to n_ctx_limit
    n_ctx_limit       the most that a context length taken from the model may be
    n_batch           tokens llama.cpp accepts in one call
    n_ubatch          tokens it computes at once
    flash_attn        "auto", True or False
    type_k, type_v    how keys and values are kept, one of CACHE_TYPES; quantised values need
                      flash attention
    swa_full          keep all tokens for layers that look at the last ones only, so that a prefix
                      can be used again
    offload_kqv       keep keys and values on the GPU, where layers are
    op_offload        compute large batches on the GPU also for layers that are not there

    Many generations
    parallel          generations that run at once
    n_cells           tokens that all generations and kept prefixes together may hold
    queue_limit       generations that may wait
    prompt_stretch    how many times as long as usual a step of running streams may take while a
                      prompt is evaluated, 1 or more: larger is sooner for the prompt
    prompt_aside      evaluate a long prompt, while others run on a CPU, in a context of its own
                      between their steps: faster, for the memory of one more text
    reuse_prefix      keep what was evaluated, for prompts that begin with it
    cache_bytes       memory for what is put aside of it, in bytes; 0 is none

    Threads
    n_threads         threads for one token; None is one for each physical core this process may
                      use, and fewer for models of a few megabytes
    n_threads_batch   threads for prompts; None is as many as n_threads

    Weights
    n_gpu_layers      layers to put on a GPU, where there is one; -1 is all
    split_mode        "none", "layer", "row" or "tensor": how several GPUs share the model
    main_gpu          which of the devices takes it all where split_mode is "none"
    tensor_split      the share of each device, as numbers or as "3,1"
    use_mmap          map the file rather than read it; "auto" does where the device can
    use_mlock         keep the weights from being swapped out
    check_tensors     look for values that are no numbers while loading
    lora              adapters: a path, "path=scale", or several of these

    Positions
    rope_scaling      "none", "linear", "yarn" or "longrope"
    rope_freq_base    base frequency, above 0
    rope_freq_scale   factor for frequencies, above 0: 0.5 is for twice the length
    yarn_ext_factor, yarn_attn_factor, yarn_beta_fast, yarn_beta_slow, yarn_orig_ctx
                      YaRN's own; the last is the length trained with, in tokens

    Embeddings
    pooling           what a text's vector is: "mean" of its tokens', that of the first ("cls") or
                      the "last"; "auto" is what the model was made for, else "mean"

    Raises `UsageError` for values outside these meanings.
    """

    n_ctx: int | None = None
    n_ctx_limit: int = 16384
    n_batch: int = 2048
    n_ubatch: int = 512
    flash_attn: FlashAttention = "auto"
    type_k: str = "f16"
    type_v: str = "f16"
    swa_full: bool = True
    offload_kqv: bool = True
    op_offload: bool = True

    parallel: int = 4
    n_cells: int | None = None
    queue_limit: int = 256
    prompt_stretch: float = 2.5
    prompt_aside: bool = True
    reuse_prefix: bool = True
    cache_bytes: int = 512 * 2**20

    n_threads: int | None = None
    n_threads_batch: int | None = None

    n_gpu_layers: int = -1
    split_mode: str = "layer"
    main_gpu: int = 0
    tensor_split: tuple[float, ...] = ()
    use_mmap: MemoryMap = "auto"
    use_mlock: bool = False
    check_tensors: bool = False
    lora: tuple[Lora, ...] = ()

    rope_scaling: str | None = None
    rope_freq_base: float | None = None
    rope_freq_scale: float | None = None
    yarn_ext_factor: float | None = None
    yarn_attn_factor: float | None = None
    yarn_beta_fast: float | None = None
    yarn_beta_slow: float | None = None
    yarn_orig_ctx: int | None = None

    pooling: str = "auto"

    def __post_init__(self) -> None:
        for name, (holds, expected) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise _wrong(name, value, expected)
        if self.flash_attn is False and CACHE_TYPES[self.type_v][0] > 1:
            raise UsageError(
                f"the llamacpp option type_v is {self.type_v!r}, and flash_attn is False",
                hint="Quantised values need flash attention: take type_v='f16', or allow it",
            )

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> LoadOptions:
        """Return `options`, as a user wrote them, checked.

        Raises `UsageError` for an unknown name, with the nearest right one, or a wrong value.
        """
        known = [field.name for field in fields(cls)]
        for name in options:
            if name not in known:
                raise UsageError(f"llamacpp has no option {name!r}", hint=_advice(name, known))
        read = {
            name: _READERS[name](value) if name in _READERS else value
            for name, value in options.items()
        }
        return cls(**read)  # type: ignore[arg-type]  # __post_init__ checks each type

    def context_length(self, trained: int) -> int:
        """Return the context length to ask for, of a model trained with `trained` tokens."""
        return self.n_ctx or min(trained, self.n_ctx_limit)


def _wrong(name: str, value: object, expected: str) -> UsageError:
    return UsageError(f"the llamacpp option {name} is {value!r}", hint=f"It must be {expected}")


def _advice(name: str, known: list[str]) -> str:
    return did_you_mean(name, known, f"Options are {', '.join(known)}")


_LORA = 'a path, "path=scale" with a number as the scale, or several of these'
_SHARES = f'numbers of 0 or more, at most {MOST_DEVICES}, one of them above 0, or text as "3,1"'


def _read_lora(value: OptionValue) -> tuple[Lora, ...]:
    several = [value] if isinstance(value, str) or not isinstance(value, Sequence) else value
    return () if value is None else tuple(_one_lora(one) for one in several)


def _one_lora(value: object) -> Lora:
    if isinstance(value, Lora):
        return value
    if not isinstance(value, str):
        raise _wrong("lora", value, _LORA)
    path, equals, scale = value.rpartition("=")
    try:
        return Lora(path, float(scale)) if equals else Lora(value)
    except ValueError:  # a path may hold the sign too
        return Lora(value)


def _read_shares(value: OptionValue) -> tuple[float, ...]:
    if value is None:
        return ()
    if isinstance(value, bool | Secret):
        raise _wrong("tensor_split", value, _SHARES)
    several = value.split(",") if isinstance(value, str) else value
    try:
        return tuple(map(float, several if isinstance(several, Sequence) else [several]))
    except (TypeError, ValueError) as error:
        raise _wrong("tensor_split", value, _SHARES) from error


_READERS: Mapping[str, Callable[[OptionValue], object]] = {
    "lora": _read_lora,
    "tensor_split": _read_shares,
}
"""For the options that may be written in several ways."""

_Rule: TypeAlias = tuple[Callable[[object], bool], str]
"""Whether a value may be, and what may be, for people."""


def _whole(least: int, most: int = 2**31 - 1, unit: str = "", *, optional: bool = False) -> _Rule:
    def holds(value: object) -> bool:
        if value is None:
            return optional
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    size = f"from {least} to {most}" if most < 2**31 - 1 else f"of {least} or more"
    return holds, f"a whole number{unit} {size}" + (", or None" if optional else "")


def _real(*, zero: bool) -> _Rule:
    def holds(value: object) -> bool:
        if value is None:
            return True
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return math.isfinite(value) and (value > 0 or (zero and value == 0))

    return holds, f"a number {'of 0 or more' if zero else 'above 0'}, or None"


def _choice(*names: str, optional: bool = False) -> _Rule:
    def holds(value: object) -> bool:
        return value in names if isinstance(value, str) else optional and value is None

    return holds, "one of " + ", ".join(map(repr, names)) + (", or None" if optional else "")


def _flag(*, auto: bool = False) -> _Rule:
    def holds(value: object) -> bool:
        return isinstance(value, bool) or (auto and value == "auto")

    return holds, '"auto", True or False' if auto else "True or False"


def _are_shares(value: object) -> bool:
    if not isinstance(value, tuple) or len(value) > MOST_DEVICES:
        return False
    good = all(isinstance(one, float) and math.isfinite(one) and one >= 0 for one in value)
    return good and (not value or any(value))


def _are_loras(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(one, Lora) and bool(one.path) and math.isfinite(one.scale) for one in value
    )


def _is_stretch(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value >= 1  # type: ignore[arg-type, operator]


_TOKENS = " of tokens,"
_THREADS = _whole(1, _MOST_THREADS, optional=True)

_RULES: Mapping[str, _Rule] = {
    "n_ctx": _whole(0, unit=_TOKENS, optional=True),
    "n_ctx_limit": _whole(1, unit=_TOKENS),
    "n_batch": _whole(1, unit=_TOKENS),
    "n_ubatch": _whole(1, unit=_TOKENS),
    "flash_attn": _flag(auto=True),
    "type_k": _choice(*CACHE_TYPES),
    "type_v": _choice(*CACHE_TYPES),
    "swa_full": _flag(),
    "offload_kqv": _flag(),
    "op_offload": _flag(),
    "parallel": _whole(1, _MOST_PARALLEL),
    "n_cells": _whole(1, unit=_TOKENS, optional=True),
    "queue_limit": _whole(0),
    "prompt_stretch": (_is_stretch, "a number of 1 or more"),
    "prompt_aside": _flag(),
    "reuse_prefix": _flag(),
    "cache_bytes": _whole(0, 2**62, " of bytes,"),
    "n_threads": _THREADS,
    "n_threads_batch": _THREADS,
    "n_gpu_layers": _whole(-1),
    "split_mode": _choice(*_SPLITS),
    "main_gpu": _whole(0, MOST_DEVICES - 1),
    "tensor_split": (_are_shares, _SHARES),
    "use_mmap": _flag(auto=True),
    "use_mlock": _flag(),
    "check_tensors": _flag(),
    "lora": (_are_loras, _LORA),
    "rope_scaling": _choice(*_ROPES, optional=True),
    "rope_freq_base": _real(zero=False),
    "rope_freq_scale": _real(zero=False),
    "yarn_ext_factor": _real(zero=True),
    "yarn_attn_factor": _real(zero=True),
    "yarn_beta_fast": _real(zero=True),
    "yarn_beta_slow": _real(zero=True),
    "yarn_orig_ctx": _whole(1, unit=_TOKENS, optional=True),
    "pooling": _choice(*_POOLINGS),
}
