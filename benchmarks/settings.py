"""What a context is made with: the same for Penstock and for what it is held against."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock import ModelInfo

_FLASH = {"auto": -1, "disabled": 0, "enabled": 1, "False": 0, "True": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The file, and the fields of llama.cpp's own context parameters that matter for speed."""

    path: str
    n_ctx: int
    n_threads: int
    n_threads_batch: int
    n_batch: int = 2048
    n_ubatch: int = 512
    n_seq_max: int = 1
    kv_unified: bool = True
    flash_attn: int = -1
    n_gpu_layers: int = 0

    @classmethod
    def of(cls, info: ModelInfo, path: str, streams: int = 1) -> Settings:
        """Return what the engine of `info` says it uses, with its defaults for what it does not."""
        said = info.details
        threads = int(str(said["n_threads"]))
        return cls(
            path=path,
            n_ctx=info.context_length or 0,
            n_threads=threads,
            n_threads_batch=int(str(said.get("n_threads_batch") or threads)),
            n_batch=int(str(said.get("n_batch", 2048))),
            n_ubatch=int(str(said.get("n_ubatch", 512))),
            n_seq_max=max(streams, int(str(said.get("parallel") or 1))),
            kv_unified=bool(said.get("kv_unified", True)),
            flash_attn=_FLASH[str(said.get("flash_attn", "auto"))],
            n_gpu_layers=int(str(said.get("gpu_layers", 0))),
        )

    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def read(cls, text: str) -> Settings:
        return cls(**json.loads(text))
