"""Pocket: a very small chat and story model in one GGUF file, for demos and tests without network.

The file needs no download and no configuration; ``path()`` says where it lies.
"""

from __future__ import annotations

from pathlib import Path

__all__ = ["path"]


def path() -> Path:
    """Return the path of the model file, which is at most four million bytes long."""
    return Path(__file__).parent / "pocket.gguf"
