"""Text to tokens, and tokens to bytes."""

from __future__ import annotations

import ctypes
import functools
from array import array
from collections.abc import Iterable, Sequence

from penstock.errors import UsageError
from penstock.messages import Segment

from penstock_llamacpp.weights import Weights

__all__ = ["Vocabulary"]

_UNKNOWN, _CONTROL, _USER_DEFINED = 1 << 0, 1 << 3, 1 << 4
"""Bits of `enum llama_token_attr`."""

_PIECE_BYTES = 64
_SEAM = "\x02"
"""A character that no vocabulary merges with others: what comes behind it stands for itself."""


class Vocabulary:
    """The vocabulary of a model. Safe from any thread, also while a generation runs.

    size         how many tokens there are
    bos, eos     ids of the tokens that begin and end a text, -1 where there is none
    """

    def __init__(self, weights: Weights) -> None:
        library = self._library = weights.library
        self._weights = weights
        self._pointer = pointer = int(library.model_vocab(weights.pointer))
        self.size = int(library.vocab_size(pointer))
        self.bos = int(library.vocab_bos(pointer))
        self.eos = int(library.vocab_eos(pointer))
        self._adds_bos = bool(library.vocab_adds_bos(pointer)) and self.bos >= 0
        self.pieces: list[bytes | None] = [None] * self.size
        self._adds_space = self._probe_space()
        self.is_end = functools.partial(library.vocab_is_end, pointer)

    @property
    def pointer(self) -> int:
        """The address of the C object, which is the model's own."""
        return self._pointer

    def encode(self, prompt: Sequence[Segment]) -> list[int]:
        """Return the ids that `prompt` is evaluated as, with exactly one BOS if the model has it.

        No text segment yields a control token. Raises `ModelClosed`.
        """
        with self._weights.held():
            ids = self._encode(prompt)
        if self._adds_bos and ids[:1] != [self.bos]:
            ids.insert(0, self.bos)
        return ids

    def encode_whole(self, text: str) -> list[int]:
        """Return the ids of a text that is embedded: with all that the model puts around one.

        Nothing in it yields a control token. Raises `ModelClosed`.
        """
        with self._weights.held():
            return self._tokenise(text, control=False, special=True)

    def decode(self, ids: Iterable[int]) -> bytes:
        """Return the bytes of `ids`; control tokens have none.

        Raises `UsageError` for an id that is not in the vocabulary, and `ModelClosed`.
        """
        with self._weights.held():
            return b"".join(self._decode(self._checked(ids)))

    def continue_with(self, text: str) -> list[int]:
        """Return the ids of `text` as they are in the middle of a text: no BOS, no space added.

        Raises `ModelClosed`.
        """
        with self._weights.held():
            before = self._tokenise(_SEAM, control=False)
            ids = self._tokenise(_SEAM + text, control=False)
        return ids[len(before) :] if ids[: len(before)] == before else []

    def all_pieces(self) -> list[bytes]:
        """Return the bytes of every token; control tokens have none. Raises `ModelClosed`."""
        with self._weights.held():
            return [piece or self.learn(token) for token, piece in enumerate(self.pieces)]

    def trims_after(self, ids: Sequence[int]) -> bool:
        """Whether text after `ids` begins with a space that the vocabulary put there itself."""
        return self._adds_space and bool(ids) and self._is(ids[-1], _CONTROL | _USER_DEFINED)

    def learn(self, token: int) -> bytes:
        """Return the bytes of `token`, and keep them in `pieces`."""
        piece = self.pieces[token] = self._piece(token)
        return piece

    def name(self, token: int) -> str:
        """Return what the vocabulary calls `token`, such as "</s>"; "" for none."""
        if token < 0:
            return ""
        text: bytes = self._library.vocab_text(self._pointer, token)
        return text.decode("utf-8", "replace")

    @functools.cached_property
    def ends(self) -> tuple[int, ...]:
        """The tokens that end a text."""
        return tuple(token for token in range(self.size) if self.is_end(token))

    @functools.cached_property
    def suppressed(self) -> tuple[int, ...]:
        """The tokens that the model file says must never be generated."""
        count = ctypes.c_int32()
        tokens = self._library.vocab_suppressed(self._pointer, ctypes.byref(count))
        return tuple(tokens[: count.value]) if tokens else ()

    def _encode(self, prompt: Sequence[Segment]) -> list[int]:
        text = "".join(segment.text for segment in prompt)
        if not any(segment.control for segment in prompt):
            return self._tokenise(text, control=False)
        # Tokenised as one text, a prompt is what the model was trained on: cut at every segment,
        # spaces and merges at the seams would differ. It is right as long as each control token
        # comes from a control segment.
        whole = self._tokenise(text, control=True)
        pieces = [self._tokenise(segment.text, control=segment.control) for segment in prompt]
        apart = [token for piece in pieces for token in piece]
        return whole if self._controls(whole) == self._controls(apart) else apart

    def _tokenise(self, text: str, *, control: bool, special: bool = False) -> list[int]:
        data = text.encode("utf-8", "replace")
        ids = array("i", bytes(4 * (len(data) + 16)))
        count = self._fill(data, ids, control, special)
        if count < 0:
            ids = array("i", bytes(4 * -count))
            count = self._fill(data, ids, control, special)
        if count < 0:
            raise UsageError(f"a prompt of {len(data):,} bytes cannot be tokenized")
        return ids[:count].tolist()

    def _fill(self, data: bytes, ids: array[int], control: bool, special: bool) -> int:
        address, room = ids.buffer_info()
        return int(
            self._library.tokenize(self._pointer, data, len(data), address, room, special, control)
        )

    def _controls(self, ids: list[int]) -> list[int]:
        found = {token for token in set(ids) if self._is(token, _CONTROL | _UNKNOWN)}
        return [token for token in ids if token in found]

    def _is(self, token: int, attributes: int) -> bool:
        return bool(self._library.vocab_attributes(self._pointer, token) & attributes)

    def _probe_space(self) -> bool:
        ids = self._tokenise("a", control=False)
        return bool(ids) and self.learn(ids[0]).startswith(b" ")

    def _decode(self, ids: list[int]) -> Iterable[bytes]:
        for at, token in enumerate(ids):
            piece = self.pieces[token] or self.learn(token)
            yield piece.removeprefix(b" ") if self.trims_after(ids[at - 1 : at]) else piece

    def _checked(self, ids: Iterable[int]) -> list[int]:
        # llama.cpp ends the process on an id that it does not have.
        checked = list(ids)
        for token in checked:
            if not 0 <= token < self.size:
                raise UsageError(
                    f"there is no token {token!r}", hint=f"The vocabulary has {self.size}"
                )
        return checked

    def _piece(self, token: int) -> bytes:
        room = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = self._library.token_piece(self._pointer, token, buffer, room, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            room = -length
