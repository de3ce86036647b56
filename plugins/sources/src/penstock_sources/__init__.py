"""Sources of models: `hf:`, `https:`, `ollama:` and `file:`, and short names for current models."""

from __future__ import annotations

__all__: list[str] = []
