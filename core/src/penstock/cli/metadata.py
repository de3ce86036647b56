"""What a GGUF file says of itself: quantisation and context length."""

from __future__ import annotations

from pathlib import Path

from penstock import gguf
from penstock.errors import LoadError
from penstock.values import dataclass

__all__ = ["Weights", "weights_of"]

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K",
    11: "Q3_K_S", 12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S",
    17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS",
    23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S", 29: "IQ2_M",
    30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE",
}  # fmt: skip
"""What `general.file_type` stands for."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file says of itself. None is: it does not say, or cannot be read."""

    quantisation: str | None = None
    context_length: int | None = None


def weights_of(path: Path) -> Weights:
    """Describe a file of weights; one that is damaged, or of another format, says nothing."""
    try:
        said = gguf.parse(path, {"general.architecture", "general.file_type"})
        length = f"{said.text('general.architecture')}.context_length"
        context = gguf.parse(path, {length}).integer(length)
    except (LoadError, OSError):
        return Weights()
    kind = said.integer("general.file_type")
    return Weights(None if kind is None else FILE_TYPES.get(kind), context)
