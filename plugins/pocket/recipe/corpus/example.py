"""What the families produce: exchanges and documents, and the split into training and held-out."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

HELD_OUT_SHARE = 0.1
_FRAGILE = str.maketrans("", "", string.punctuation.replace("+", "").replace("-", ""))


@dataclass(frozen=True, slots=True)
class Turn:
    """One message: its role (``system``, ``user`` or ``assistant``) and its text."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Exchange:
    """One question and its answer, with the shortest right answer beside it.

    ``key`` decides the split: two exchanges with one key are on the same side of it. ``others``
    are further replies that are just as right.
    """

    family: str
    ask: str
    answer: str
    short: str
    key: str
    others: tuple[str, ...] = ()

    def turns(self) -> tuple[Turn, Turn]:
        """Return the exchange as a user turn and the reply to it."""
        return Turn("user", self.ask), Turn("assistant", self.answer)


@dataclass(frozen=True, slots=True)
class Document:
    """A training text or a test: a conversation that ends in the reply, or a bare story."""

    family: str
    turns: tuple[Turn, ...]
    key: str
    others: tuple[str, ...] = ()

    @property
    def prompt(self) -> tuple[Turn, ...]:
        """Everything before the final reply."""
        return self.turns[:-1]

    @property
    def reply(self) -> str:
        """The final reply, which is what a test compares with."""
        return self.turns[-1].text


Family = Callable[[Random], Exchange]


def normalise(text: str) -> str:
    """Return the text without case and punctuation, so that variants share one key."""
    return " ".join(text.lower().translate(_FRAGILE).split())


def held_out(key: str) -> bool:
    """Say whether this key belongs to the held-out side; the same for every seed, for ever."""
    digest = hashlib.sha256(key.encode()).digest()
    return int.from_bytes(digest[:4], "big") < HELD_OUT_SHARE * 2**32


def exchange(family: str, ask: str, answer: str, short: str = "") -> Exchange:
    """Build an exchange whose key is its normalised question."""
    return Exchange(family, ask, answer, short or answer, f"{family}:{normalise(ask)}")


def draw(rng: Random, *family: Family, test: bool = False) -> Exchange:
    """Draw from the parts of a family until the exchange lies on the wanted side of the split."""
    while True:
        found = rng.choice(family)(rng)
        if held_out(found.key) is test:
            return found


def article(noun: str) -> str:
    """Return the article that goes with the noun."""
    return "an" if noun[0] in "aeiou" else "a"


def words(text: str) -> list[str]:
    """Return the words of a text, for lists that read better without quotes."""
    return text.split()


def capitalised(text: str) -> str:
    """Return the text with its first letter in upper case and the rest untouched."""
    return text[:1].upper() + text[1:]
