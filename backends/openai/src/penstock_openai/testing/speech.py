"""Speech: the tokens of an honest server, and what it says."""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Sequence
from random import Random

__all__ = ["cut_at", "id_of", "said_back", "text_of", "tokens_of", "vector_of"]

TOKEN_BYTES = 4
NOTHING = "nothing was said"


def tokens_of(text: str) -> list[bytes]:
    """Return the tokens of a text: pieces of up to four bytes that hold whole characters."""
    data = text.encode("utf-8", "replace")
    tokens = []
    begin = 0
    while begin < len(data):
        end = _whole(data, begin + TOKEN_BYTES)
        tokens.append(data[begin:end])
        begin = end
    return tokens


def id_of(token: bytes) -> int:
    """Return the id of a token: its bytes as a number, behind a 1 that keeps leading zeros."""
    return int.from_bytes(b"\1" + token, "big")


def text_of(ids: Sequence[int]) -> str:
    """Return the text of tokens again; the ids are above 0."""
    datas = (known.to_bytes((known.bit_length() + 7) // 8, "big")[1:] for known in ids)
    return b"".join(datas).decode("utf-8", "replace")


def said_back(text: str, least: int, chance: Random | None = None) -> list[bytes]:
    """Say a text, in its order or by chance, again and again until it is `least` tokens."""
    words = (text or NOTHING).split(" ")
    tokens: list[bytes] = []
    while not tokens or len(tokens) < least:
        if chance:
            chance.shuffle(words)
        tokens += tokens_of((" " if tokens else "") + " ".join(words))
    return tokens


def cut_at(stops: Sequence[str], tokens: list[bytes]) -> list[bytes]:
    """Return the tokens up to where the first of these strings begins, if one is in them."""
    text = b"".join(tokens).decode()
    found = [at for at in map(text.find, stops) if at >= 0]
    return tokens_of(text[: min(found)]) if found else tokens


def vector_of(text: str) -> list[float]:
    """Return eight numbers of length 1 that are always the same for a text."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    numbers = struct.unpack("<8i", digest)
    length = math.hypot(*numbers)
    return [number / length for number in numbers]


def _whole(data: bytes, end: int) -> int:
    """Return the last end of a character that is not behind `end`."""
    if end >= len(data):
        return len(data)
    while data[end] & 0xC0 == 0x80:
        end -= 1
    return end
