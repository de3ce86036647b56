"""Documents packed into rows of one length, with little padding and none of them cut."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Encoded = tuple[list[int], list[bool]]


@dataclass(frozen=True, slots=True)
class Rows:
    """Arrays of one shape: tokens, the number of the document at each place, what is to be said."""

    tokens: NDArray[np.int16]
    documents: NDArray[np.int16]
    wanted: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.tokens)


def pack(encoded: Iterable[Encoded], length: int, open_rows: int = 64) -> Rows:
    """Put each document into the fullest open row that has room for it."""
    done: list[list[Encoded]] = []
    room: list[tuple[int, list[Encoded]]] = []
    for document in encoded:
        size = len(document[0])
        fitting = [i for i, (left, _) in enumerate(room) if left >= size]
        if fitting:
            best = min(fitting, key=lambda i: room[i][0])
            left, row = room[best]
            row.append(document)
            room[best] = (left - size, row)
            continue
        if len(room) == open_rows:
            done.append(room.pop(min(range(len(room)), key=lambda i: room[i][0]))[1])
        room.append((length - size, [document]))
    return _arrays(done + [row for _, row in room], length)


def _arrays(rows: list[list[Encoded]], length: int) -> Rows:
    tokens = np.zeros((len(rows), length), np.int16)
    documents = np.full((len(rows), length), -1, np.int16)
    wanted = np.zeros((len(rows), length), np.bool_)
    for i, row in enumerate(rows):
        at = 0
        for number, (ids, said) in enumerate(row):
            span = slice(at, at + len(ids))
            tokens[i, span], documents[i, span], wanted[i, span] = ids, number, said
            at += len(ids)
    return Rows(tokens, documents, wanted)
