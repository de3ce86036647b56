"""A vocabulary for models that were never trained: it can spell any text, and it looks like words.

Sentencepiece joins two neighbours only where the two together are a piece. So each piece here is
an earlier piece and one letter more, and the shorter ones come first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice

import gguf

SPACE = "▁"
CONTROL = ("<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>")
BOS, EOS = 1, 2
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + message['content'] + '</s>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
_CONSONANTS, _VOWELS = "tnshrdlcmwfgypbvk", "eaoiu"
_ENGLISH = (
    "the of and to in is was for that on as with his they at be this from have or by one had "
    "not but what all were when we there can an your which their said if do will each about how "
    "up out them then she many some so these would other into has more her two like him see time "
    "could no make than first been its who now people my made over did down only way find use "
    "may water long little very after words called just where most know once upon a fox ran"
)
_MARKS = ('{"', '":', '",', '"}', '"]', '["', "},", "],", ". ", ", ")

Piece = tuple[str, float, gguf.TokenType]


def special() -> list[Piece]:
    """Return what comes first: unknown, control and byte tokens."""
    kinds = gguf.TokenType
    control = [("<unk>", 0.0, kinds.UNKNOWN), *((name, 0.0, kinds.CONTROL) for name in CONTROL)]
    return [*control, *((f"<0x{byte:02X}>", 0.0, kinds.BYTE) for byte in range(256))]


def vocabulary(size: int) -> list[Piece]:
    """Return `size` pieces with their scores and kinds."""
    first = special()
    words = islice(_distinct(_normal()), size - len(first))
    return first + [(word, -float(at), gguf.TokenType.NORMAL) for at, word in enumerate(words)]


def _normal() -> Iterator[str]:
    yield SPACE
    yield from (chr(code) for code in range(33, 127))
    yield from (mark.replace(" ", SPACE) for mark in _MARKS)
    for word in _ENGLISH.split():
        yield from (SPACE + word[:length] for length in range(1, len(word) + 1))
    yield from _spoken()


def _spoken() -> Iterator[str]:
    """Yield words that can be spoken, each with and without a space, short ones first."""
    words = [*_CONSONANTS, *_VOWELS]
    while True:
        yield from (SPACE + word for word in words)
        yield from words
        words = [word + letter for word in words for letter in _after(word)]


def _after(word: str) -> str:
    return _CONSONANTS if word[-1] in _VOWELS else _VOWELS


def _distinct(words: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for word in words:
        if word not in seen:
            seen.add(word)
            yield word
