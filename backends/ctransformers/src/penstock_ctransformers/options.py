"""The options a model is loaded with, typed and checked before the library sees any of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar, Final, TypeAlias

from penstock.backend import OptionValue
from penstock.errors import UsageError
from penstock.nearest import did_you_mean

__all__ = ["MODEL_TYPES", "LoadOptions"]

MODEL_TYPES: Final = (
    "gpt2", "gptj", "gpt_neox", "dolly-v2", "starcoder", "mpt", "replit", "falcon", "llama",
)  # fmt: skip
"""The kinds of models in legacy GGML files."""

_OWN_NAMES: Final[Mapping[str, str]] = {
    "context_length": "n_ctx",
    "batch_size": "n_batch",
    "threads": "n_threads",
    "gpu_layers": "n_gpu_layers",
    "lib": "library",
    "mmap": "use_mmap",
    "mlock": "use_mlock",
}
"""What ctransformers calls these options itself."""

_MOST_THREADS = 512
"""The threads of a step lie on the stack: far more would run over it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """How to load a model. ctransformers' own names are understood too (`threads` and others).

    n_ctx         context length in tokens; 0 or None takes the model's own, 16,384 at most
    n_batch       tokens of a prompt that are evaluated in one call, 1 to 512; between two calls a
                  generation can be left
    n_threads     threads for one token; None is one for each physical core this process may use,
                  and fewer for models of a few megabytes
    n_threads_batch  threads for a chunk of 32 tokens or more; None is as many as n_threads
    n_gpu_layers  layers to put on a GPU with CUDA; -1 is all, None all with device="cuda", else 0
    library       "auto", "basic", "avx" or "avx2": what the processor must be able to do
    model_type    what a legacy GGML file holds, one of MODEL_TYPES; None finds it out
    template      a chat template: a name, or Jinja; None takes the file's own
    reuse_prefix  do not evaluate again what a prompt has in common with the text before
    use_mmap      map GGUF and legacy LLaMA files rather than read them
    use_mlock     keep the weights from being swapped out

    Raises `UsageError` for values outside these meanings.
    """

    SYNONYMS: ClassVar[Mapping[str, str]] = _OWN_NAMES

    n_ctx: int | None = None
    n_batch: int = 128
    n_threads: int | None = None
    n_threads_batch: int | None = None
    n_gpu_layers: int | None = None
    library: str = "auto"
    model_type: str | None = None
    template: str | None = None
    reuse_prefix: bool = True
    use_mmap: bool = True
    use_mlock: bool = False

    def __post_init__(self) -> None:
        for name, (holds, expected) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise UsageError(
                    f"the ctransformers option {name} is {value!r}", hint=f"It must be {expected}"
                )

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> LoadOptions:
        """Return `options`, as a user wrote them, checked.

        Raises `UsageError` for an unknown name, with the nearest right one, or a wrong value.
        """
        known = [field.name for field in fields(cls)]
        names: dict[str, str] = {}
        for name in options:
            right = _OWN_NAMES.get(name, name)
            if right not in known:
                raise UsageError(f"ctransformers has no option {name!r}", hint=_advice(name, known))
            if right in names:
                both = " and ".join(sorted([repr(name), repr(names[right])]))
                raise UsageError(
                    f"the ctransformers option {right} is given twice, as {both}",
                    hint="Leave one of them out",
                )
            names[right] = name
        read = {right: options[name] for right, name in names.items()}
        return cls(**read)  # type: ignore[arg-type]  # __post_init__ checks each type


def _advice(name: str, known: list[str]) -> str:
    return did_you_mean(name, [*known, *_OWN_NAMES], f"Options are {', '.join(known)}")


_Rule: TypeAlias = tuple[Callable[[object], bool], str]
"""Whether a value may be, and what may be, for people."""


def _whole(least: int, most: int = 2**31 - 1, *, optional: bool = True) -> _Rule:
    def holds(value: object) -> bool:
        if value is None:
            return optional
        return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most

    size = f"from {least} to {most}" if most < 2**31 - 1 else f"of {least} or more"
    return holds, f"a whole number {size}" + (", or None" if optional else "")


def _choice(*names: str, optional: bool) -> _Rule:
    def holds(value: object) -> bool:
        return value in names if isinstance(value, str) else optional and value is None

    return holds, "one of " + ", ".join(map(repr, names)) + (", or None" if optional else "")


_FLAG: _Rule = (lambda value: isinstance(value, bool)), "True or False"

_RULES: Mapping[str, _Rule] = {
    "n_ctx": _whole(0),
    "n_batch": _whole(1, 512, optional=False),
    "n_threads": _whole(1, _MOST_THREADS),
    "n_threads_batch": _whole(1, _MOST_THREADS),
    "n_gpu_layers": _whole(-1),
    "library": _choice("auto", "basic", "avx", "avx2", optional=False),
    "model_type": _choice(*MODEL_TYPES, optional=True),
    "template": (
        lambda value: value is None or (isinstance(value, str) and bool(value)),
        "the name of a chat template, or Jinja",
    ),
    "reuse_prefix": _FLAG,
    "use_mmap": _FLAG,
    "use_mlock": _FLAG,
}
