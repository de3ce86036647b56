"""Tiles: how prompts are cut where attention is cheap for many rows of a text, and dear for few.

ggml's flash attention for CPUs loads keys and values once for 64 rows (GGML_FA_TILE_Q), and for
fewer, once for each. 125 million parameters, behind 1,800 tokens: 40 rows took 600 ms, 64 took 160.
"""

from __future__ import annotations

__all__ = ["TILE", "spare", "whole"]

TILE = 64
"""Rows that share what is loaded."""

_FEW, _LONG = TILE // 2, 1024
"""Rows, and tokens before them, from which on it pays to evaluate some tokens again: in between,
it depends on the machine, and never makes much of a difference."""


def whole(pending: int, room: int, most: int) -> int:
    """Return how many of `pending` tokens to evaluate in a step for about `room`, at most `most`.

    What is left for the next one is not less than a tile, if it is not nothing, and if a step can
    hold two.
    """
    if most < 2 * TILE or not room < pending < room + TILE:
        return room
    return pending if pending <= most else pending // 2


def spare(pending: int, before: int) -> int:
    """Return how many tokens, evaluated already, to evaluate again so that a tile is filled.

    `pending` are left, and `before` them are so many.
    """
    return TILE - pending if _FEW <= pending < TILE and before >= _LONG else 0
