"""llama.cpp's C functions, bound for this package alone.

They come from the shared library that llama-cpp-python ships, with its structures; its `Llama`
class is not used. Every function is bound in one of two ways:

- long calls give up the GIL, so that other threads run meanwhile;
- short calls keep it. Giving it up and taking it back costs up to 5 ms where another thread
  computes in Python, far more than the call itself.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import importlib
import importlib.metadata
import logging
import os
import threading
from collections.abc import Callable
from ctypes import POINTER, c_bool, c_char_p, c_float, c_int32, c_size_t, c_uint32, c_uint64
from ctypes import c_void_p as ptr
from pathlib import Path
from typing import Any

from penstock.errors import LoadError

from penstock_llamacpp import teams
from penstock_llamacpp.log import NativeLog

__all__ = ["DISTRIBUTION", "Library", "Native", "load_library", "version"]

DISTRIBUTION = "llama-cpp-python"
_OLDEST, _BEYOND = (0, 3, 36), (0, 4, 0)
"""Structures change between releases, so that another release would be read wrongly."""

_INSTALL = f"Install it with: pip install '{DISTRIBUTION}>=0.3.36,<0.4'"

Native = Callable[..., Any]
"""A C function."""

_LOADING = threading.Lock()


def load_library() -> Library:
    """Return the library, loaded and initialised once for the process, its log redirected.

    Raises `LoadError` where it is not installed, of another release, or cannot be loaded.
    """
    with _LOADING:
        return _load_library()


def version() -> str:
    """Return the release of llama-cpp-python, or raise `LoadError` where there is none."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError as error:
        raise LoadError(f"{DISTRIBUTION} is not installed", hint=_INSTALL) from error


@functools.cache
def _load_library() -> Library:
    _check_version(version())
    try:
        module = _import_bindings()
    except (ImportError, OSError, RuntimeError) as error:
        raise LoadError(
            f"{DISTRIBUTION} cannot be imported: {error}", hint="Reinstall it, or rebuild it here"
        ) from error
    try:
        return Library(module)
    except AttributeError as error:
        raise LoadError(
            f"the llama.cpp library lacks a function: {error}",
            hint="Unset LLAMA_CPP_LIB_PATH, or reinstall llama-cpp-python",
        ) from error


def _import_bindings() -> Any:
    with teams.patient():
        module = importlib.import_module("llama_cpp.llama_cpp")
    utils = importlib.import_module("llama_cpp._utils")
    for name in ("outnull_file", "errnull_file"):
        # It opens the null device twice, and never closes it: a ResourceWarning at exit.
        if file := getattr(utils, name, None):
            atexit.register(file.close)
    return module


def _check_version(found: str) -> None:
    with contextlib.suppress(ValueError):
        if _OLDEST <= tuple(int(part) for part in found.split(".")[:3]) < _BEYOND:
            return
    raise LoadError(f"{DISTRIBUTION} is {found}, which this backend does not know", hint=_INSTALL)


class Library:
    """The functions this package calls, named as in llama.h without their `llama_`.

    `log` holds what llama.cpp said. `structs` is the module that defines the C structures.
    """

    def __init__(self, module: Any) -> None:
        self.structs = module
        self.log = NativeLog(logging.getLogger("penstock.llamacpp"))
        shared = module._lib
        self._bind_long(ctypes.CDLL(shared._name, handle=shared._handle))
        self._bind_short(ctypes.PyDLL(shared._name, handle=shared._handle))
        self._redirect_log()
        self.backend_init()

    def _bind_long(self, shared: ctypes.CDLL) -> None:
        bind = functools.partial(_bind, shared)
        structs = self.structs
        self.backend_init = bind("llama_backend_init", None)
        self.model_load = bind(
            "llama_model_load_from_file", ptr, c_char_p, structs.llama_model_params
        )
        self.model_free = bind("llama_model_free", None, ptr)
        self.context_new = bind("llama_init_from_model", ptr, ptr, structs.llama_context_params)
        self.context_free = bind("llama_free", None, ptr)
        self.decode = bind("llama_decode", c_int32, ptr, structs.llama_batch)
        self.synchronize = bind("llama_synchronize", None, ptr)
        # It looks at every token of the vocabulary, for each breaker.
        self.dry = bind(
            "llama_sampler_init_dry",
            ptr, ptr, c_float, c_float, c_int32, c_int32, POINTER(c_char_p), c_size_t,
        )  # fmt: skip
        self.state_size = bind("llama_state_seq_get_size_ext", c_size_t, ptr, c_int32, c_uint32)
        self.state_get = bind(
            "llama_state_seq_get_data_ext", c_size_t, ptr, ptr, c_size_t, c_int32, c_uint32
        )
        self.state_set = bind(
            "llama_state_seq_set_data_ext", c_size_t, ptr, ptr, c_size_t, c_int32, c_uint32
        )
        self.tokenize = bind(
            "llama_tokenize", c_int32, ptr, c_char_p, c_int32, ptr, c_int32, c_bool, c_bool
        )  # fmt: skip
        self._bind_devices(functools.partial(_bind, _with_ggml(shared)))
        self._bind_adapters(bind)
        self._bind_embeddings(bind)

    def _bind_short(self, shared: ctypes.PyDLL) -> None:
        bind = functools.partial(_bind, shared)
        self._bind_defaults(bind)
        self._bind_model(bind)
        self._bind_vocabulary(bind)
        self._bind_samplers(bind)

    def _bind_defaults(self, bind: Native) -> None:
        structs = self.structs
        self.version = bind("llama_version", c_char_p)
        self.system_info = bind("llama_print_system_info", c_char_p)
        self.supports_gpu = bind("llama_supports_gpu_offload", c_bool)
        self.log_set = bind("llama_log_set", None, structs.llama_log_callback, ptr)
        self.model_params = bind("llama_model_default_params", structs.llama_model_params)
        self.context_params = bind("llama_context_default_params", structs.llama_context_params)

    def _bind_model(self, bind: Native) -> None:
        self.model_vocab = bind("llama_model_get_vocab", ptr, ptr)
        self.model_context = bind("llama_model_n_ctx_train", c_int32, ptr)
        self.model_layers = bind("llama_model_n_layer", c_int32, ptr)
        self.model_width = bind("llama_model_n_embd", c_int32, ptr)
        self.model_heads = bind("llama_model_n_head", c_int32, ptr)
        self.model_kv_heads = bind("llama_model_n_head_kv", c_int32, ptr)
        self.model_window = bind("llama_model_n_swa", c_int32, ptr)
        self.model_size = bind("llama_model_size", c_uint64, ptr)
        self.model_parameters = bind("llama_model_n_params", c_uint64, ptr)
        self.model_ftype = bind("llama_model_ftype", c_int32, ptr)
        self.ftype_name = bind("llama_ftype_name", c_char_p, c_int32)
        self.model_has_encoder = bind("llama_model_has_encoder", c_bool, ptr)
        self.model_has_decoder = bind("llama_model_has_decoder", c_bool, ptr)
        self.model_is_recurrent = bind("llama_model_is_recurrent", c_bool, ptr)
        self.model_is_hybrid = bind("llama_model_is_hybrid", c_bool, ptr)
        self.model_is_diffusion = bind("llama_model_is_diffusion", c_bool, ptr)
        self.chat_template = bind("llama_model_chat_template", c_char_p, ptr, c_char_p)
        self.model_meta = bind(
            "llama_model_meta_val_str", c_int32, ptr, c_char_p, c_char_p, c_size_t
        )
        self.context_length = bind("llama_n_ctx_seq", c_uint32, ptr)
        self.context_batch = bind("llama_n_batch", c_uint32, ptr)
        self.context_memory = bind("llama_get_memory", ptr, ptr)
        self.memory_clear = bind("llama_memory_clear", None, ptr, c_bool)
        self.context_cells = bind("llama_n_ctx", c_uint32, ptr)
        self.context_ubatch = bind("llama_n_ubatch", c_uint32, ptr)
        self.memory_remove = bind("llama_memory_seq_rm", c_bool, ptr, c_int32, c_int32, c_int32)
        self.memory_copy = bind(
            "llama_memory_seq_cp", None, ptr, c_int32, c_int32, c_int32, c_int32
        )
        self.memory_first = bind("llama_memory_seq_pos_min", c_int32, ptr, c_int32)
        self.memory_last = bind("llama_memory_seq_pos_max", c_int32, ptr, c_int32)
        self.logits_row = bind("llama_get_logits_ith", ptr, ptr, c_int32)

    def _bind_vocabulary(self, bind: Native) -> None:
        self.vocab_type = bind("llama_vocab_type", c_int32, ptr)
        self.vocab_size = bind("llama_vocab_n_tokens", c_int32, ptr)
        self.vocab_bos = bind("llama_vocab_bos", c_int32, ptr)
        self.vocab_eos = bind("llama_vocab_eos", c_int32, ptr)
        self.vocab_adds_bos = bind("llama_vocab_get_add_bos", c_bool, ptr)
        self.vocab_is_end = bind("llama_vocab_is_eog", c_bool, ptr, c_int32)
        self.vocab_attributes = bind("llama_vocab_get_attr", c_int32, ptr, c_int32)
        self.vocab_text = bind("llama_vocab_get_text", c_char_p, ptr, c_int32)
        self.vocab_suppressed = bind(
            "llama_vocab_get_suppress_tokens", POINTER(c_int32), ptr, POINTER(c_int32)
        )
        self.token_piece = bind(
            "llama_token_to_piece", c_int32, ptr, c_int32, c_char_p, c_int32, c_int32, c_bool
        )

    def _bind_samplers(self, bind: Native) -> None:
        structs = self.structs
        self.sampler_apply = bind("llama_sampler_apply", None, ptr, ptr)
        self.sampler_accept = bind("llama_sampler_accept", None, ptr, c_int32)
        self.sampler_free = bind("llama_sampler_free", None, ptr)
        self.sampler_clone = bind("llama_sampler_clone", ptr, ptr)
        self.chain_params = bind(
            "llama_sampler_chain_default_params", structs.llama_sampler_chain_params
        )
        self.chain_new = bind("llama_sampler_chain_init", ptr, structs.llama_sampler_chain_params)
        self.chain_add = bind("llama_sampler_chain_add", None, ptr, ptr)
        self.dist = bind("llama_sampler_init_dist", ptr, c_uint32)
        self.top_k = bind("llama_sampler_init_top_k", ptr, c_int32)
        self.top_p = bind("llama_sampler_init_top_p", ptr, c_float, c_size_t)
        self.min_p = bind("llama_sampler_init_min_p", ptr, c_float, c_size_t)
        self.typical = bind("llama_sampler_init_typical", ptr, c_float, c_size_t)
        self.xtc = bind("llama_sampler_init_xtc", ptr, c_float, c_float, c_size_t, c_uint32)
        self.temp = bind("llama_sampler_init_temp", ptr, c_float)
        self.temp_ext = bind("llama_sampler_init_temp_ext", ptr, c_float, c_float, c_float)
        self.penalties = bind(
            "llama_sampler_init_penalties", ptr, c_int32, c_int32, c_float, c_float, c_float
        )

    def _bind_devices(self, bind: Native) -> None:
        self.most_devices = bind("llama_max_devices", c_size_t)
        self.device_count = bind("ggml_backend_dev_count", c_size_t)
        self.device_get = bind("ggml_backend_dev_get", ptr, c_size_t)
        self.device_name = bind("ggml_backend_dev_name", c_char_p, ptr)
        self.device_description = bind("ggml_backend_dev_description", c_char_p, ptr)
        self.device_type = bind("ggml_backend_dev_type", c_int32, ptr)
        self.device_memory = bind(
            "ggml_backend_dev_memory", None, ptr, POINTER(c_size_t), POINTER(c_size_t)
        )

    def _bind_adapters(self, bind: Native) -> None:
        self.adapter_load = bind("llama_adapter_lora_init", ptr, ptr, c_char_p)
        self.adapter_free = bind("llama_adapter_lora_free", None, ptr)
        self.adapters_set = bind(
            "llama_set_adapters_lora", c_int32, ptr, POINTER(ptr), c_size_t, POINTER(c_float)
        )

    def _bind_embeddings(self, bind: Native) -> None:
        self.model_width_out = bind("llama_model_n_embd_out", c_int32, ptr)
        self.embeddings = bind("llama_get_embeddings", POINTER(c_float), ptr)

    def _redirect_log(self) -> None:
        # The C side keeps only the address: the callback must live as long as the process.
        self._log_callback = self.structs.llama_log_callback(self.log)
        self.log_set(self._log_callback, None)


class _Together:
    """Shared libraries that are asked for a function one after the other."""

    def __init__(self, *shared: ctypes.CDLL) -> None:
        self._shared = shared

    def __getitem__(self, name: str) -> Any:
        for shared in self._shared[:-1]:
            with contextlib.suppress(AttributeError):
                return shared[name]
        return self._shared[-1][name]


def _with_ggml(shared: ctypes.CDLL) -> _Together:
    """Return llama.cpp's library and, on Windows, those of ggml beside it.

    Elsewhere, a symbol is also found in what a library depends on.
    """
    if os.name != "nt":
        return _Together(shared)
    folder = Path(shared._name).parent
    files = (file for name in ("ggml", "ggml-base") for file in folder.glob(f"*{name}.dll"))
    return _Together(shared, *(ctypes.CDLL(str(file)) for file in files))


def _bind(shared: ctypes.CDLL | _Together, name: str, returns: Any, *takes: Any) -> Native:
    function = shared[name]  # a function object of our own: `getattr` would share its types
    function.argtypes = takes
    function.restype = returns
    return function
