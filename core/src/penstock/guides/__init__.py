"""Constrained decoding for engines that give logits: schemas, expressions, choices, grammars.

It needs the extra `guides` (llguidance and numpy), and takes 70 ms to import: backends import it
when the first answer is to be bound, and core itself never does.
"""

from __future__ import annotations

from penstock.guides.guide import Guide, Guides
from penstock.guides.words import Words

__all__ = ["Guide", "Guides", "Words"]
