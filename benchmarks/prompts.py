"""Prompts that share no beginning, so that nobody gains from having seen the last one."""

from __future__ import annotations

import random
from itertools import count

_WORDS = (
    "the of and to in is was for that on as with his they at be this from have or by one had not "
    "but what all were when we there can an your which their said if do will each about how up "
    "out them then she many some so these would other into has more her two like him see time"
)
"""Each is one token of the vocabulary in `vocabulary`, with the space before it."""

_number = count()


def prompt(words: int = 8) -> str:
    """Return a text of so many words, and about as many tokens, unlike any before it."""
    draw = random.Random(next(_number))
    return " ".join(draw.choices(_WORDS.split(), k=words))
