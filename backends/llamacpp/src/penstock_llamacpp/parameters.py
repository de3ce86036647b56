"""The C structures that llama.cpp takes for a model and for a context, filled from the options."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import LoadError, UsageError

from penstock_llamacpp.devices import Choice
from penstock_llamacpp.library import Library
from penstock_llamacpp.options import LoadOptions

if TYPE_CHECKING:
    from penstock_llamacpp.weights import Weights

__all__ = [
    "ContextFacts",
    "ModelParameters",
    "context_parameters",
    "model_parameters",
    "new_context",
]

_LOAD_MODES: Final = {
    ("auto", False): -1, (False, False): 0, (True, False): 1, (False, True): 2,
    ("auto", True): 3, (True, True): 3,
}  # fmt: skip
"""`enum llama_load_mode`, by (mmap, mlock)."""

_SPLITS: Final = {"none": 0, "layer": 1, "row": 2, "tensor": 3}
_FLASH: Final = {"auto": -1, False: 0, True: 1}
_ROPES: Final = {"none": 0, "linear": 1, "yarn": 2, "longrope": 3}
_TYPES: Final = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "iq4_nl": 20,
    "bf16": 30,
}  # fmt: skip
"""`enum ggml_type`."""

_POSITIONS = (
    "rope_freq_base", "rope_freq_scale", "yarn_ext_factor", "yarn_attn_factor", "yarn_beta_fast",
    "yarn_beta_slow", "yarn_orig_ctx",
)  # fmt: skip
"""Options that are fields of the structure; left open, llama.cpp takes the model's own."""

_MEMORY = re.compile(r"(?:KV|RS) buffer size = +([\d.]+) MiB")
_FLASH_SAID: Final = {
    "Flash Attention enabled": True,
    "Flash Attention not supported": False,
    "enabling flash_attn": True,
    "flash_attn is not compatible": False,
}
"""What llama.cpp says of flash attention when it decides otherwise, or by itself."""


@dataclass(frozen=True, slots=True)
class ModelParameters:
    """A `llama_model_params` for one load. Keep it until the model is loaded.

    `kept` is what the structure points to.
    """

    native: Any
    kept: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextFacts:
    """What a context was really made with; `memory_bytes` is for keys, values and states."""

    n_batch: int
    n_ubatch: int
    n_threads: int
    n_threads_batch: int
    flash_attn: bool
    memory_bytes: int

    @classmethod
    def read(cls, lines: Iterable[str], params: Any) -> ContextFacts:
        """Return what `params` asked for, less what llama.cpp's log of it says otherwise."""
        text = "\n".join(lines)
        said = [wins for words, wins in _FLASH_SAID.items() if words in text]
        return cls(
            n_batch=params.n_batch,
            n_ubatch=params.n_ubatch,
            n_threads=params.n_threads,
            n_threads_batch=params.n_threads_batch,
            flash_attn=said[-1] if said else params.flash_attn_type == 1,
            memory_bytes=round(sum(map(float, _MEMORY.findall(text))) * 2**20),
        )


def model_parameters(
    library: Library, options: LoadOptions, choice: Choice, keep_going: Callable[[float], bool]
) -> ModelParameters:
    """Return the structure to load a model with, on the devices of `choice`.

    `keep_going` is called with the share that is loaded; where it returns False, loading stops.
    Raises `UsageError` for an option that names a device which is not among them.
    """
    params = library.model_params()
    # The callback must outlive the call, and only the call.
    watch = library.structs.llama_progress_callback(lambda share, _data: keep_going(share))
    params.progress_callback = watch
    params.load_mode = _LOAD_MODES[options.use_mmap, options.use_mlock]
    params.check_tensors = options.check_tensors
    params.n_gpu_layers = options.n_gpu_layers if choice.devices else 0
    kept = [watch, *(_place(library, params, options, choice) if choice.devices else ())]
    if choice.exact:
        handles = [device.handle for device in choice.devices]
        kept.append(end := (ctypes.c_void_p * (len(handles) + 1))(*handles))  # ends with NULL
        params.devices = ctypes.addressof(end)
    return ModelParameters(params, tuple(kept))


def context_parameters(
    library: Library, weights: Weights, options: LoadOptions, threads: int, length: int
) -> Any:
    """Return a `llama_context_params` for one sequence of `length` tokens.

    It points to nothing that must be kept. How many sequences and outputs there are is the
    caller's to change.
    """
    params = library.context_params()
    params.n_ctx = length
    params.n_batch = min(options.n_batch, length)
    params.n_ubatch = min(options.n_ubatch, params.n_batch)
    params.n_seq_max = params.n_outputs_max = 1
    params.n_threads = options.n_threads or threads
    params.n_threads_batch = options.n_threads_batch or params.n_threads
    params.flash_attn_type = _FLASH[options.flash_attn]
    params.type_k, params.type_v = _TYPES[options.type_k], _TYPES[options.type_v]
    params.swa_full = options.swa_full
    params.offload_kqv, params.op_offload = options.offload_kqv, options.op_offload
    params.no_perf = True
    _position(params, weights, options)
    return params


def new_context(weights: Weights, params: Any) -> tuple[int, ContextFacts]:
    """Make a context, and apply the adapters of `weights` to it; return its address.

    Raises `LoadError` where llama.cpp cannot, usually for lack of memory.
    """
    library = weights.library
    library.log.forget()
    with library.log.heard() as lines:
        pointer = library.context_new(weights.pointer, params)
    if not pointer:
        raise _refused(library.log.errors(), params)
    weights.adapters.apply(int(pointer))
    return int(pointer), ContextFacts.read(lines, params)


def _place(library: Library, params: Any, options: LoadOptions, choice: Choice) -> Iterable[Any]:
    """Set how the devices share the model; return what must be kept."""
    count = len(choice.devices)
    names = ", ".join(device.label for device in choice.devices)
    if options.split_mode == "none" and options.main_gpu >= count:
        hint = f"The first of these has the number 0: {names}"
        raise UsageError(f"the llamacpp option main_gpu is {options.main_gpu}", hint=hint)
    if len(options.tensor_split) > count:
        shares = ",".join(f"{share:g}" for share in options.tensor_split)
        hint = f"Give one number for each of these: {names}"
        raise UsageError(f"the llamacpp option tensor_split is {shares!r}", hint=hint)
    params.split_mode, params.main_gpu = _SPLITS[options.split_mode], options.main_gpu
    if not options.tensor_split:
        return ()
    # llama.cpp reads this many, however many there are.
    shares_array = (ctypes.c_float * library.most_devices())(*options.tensor_split)
    params.tensor_split = ctypes.cast(shares_array, ctypes.POINTER(ctypes.c_float))
    return (shares_array,)


def _position(params: Any, weights: Weights, options: LoadOptions) -> None:
    if options.rope_scaling is not None:
        params.rope_scaling_type = _ROPES[options.rope_scaling]
    for name in _POSITIONS:
        if (value := getattr(options, name)) is not None:
            setattr(params, name, value)
    told = options.yarn_orig_ctx or weights.metadata_of("rope.scaling.original_context_length")
    if options.rope_scaling == "yarn" and not told:
        # With the first context of this kind, llama.cpp changes the length that the model was
        # trained with, and would take that for the second one.
        params.yarn_orig_ctx = weights.trained_context


def _refused(said: str, params: Any) -> LoadError:
    hint = "Load the model with a smaller n_ctx"
    if "cache type" in said:
        hint = "Choose another type_k or type_v for this model"
    what = f"llama.cpp cannot make a context of {params.n_ctx:,} tokens"
    return LoadError(f"{what}: {said}" if said else what, hint=hint)
