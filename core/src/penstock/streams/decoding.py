"""UTF-8 that arrives cut anywhere, and text that arrives with half characters."""

from __future__ import annotations

import re
from encodings.utf_8 import IncrementalDecoder as _Utf8Decoder

__all__ = ["CharacterDecoder"]

_SURROGATE = "[\ud800-\udfff]"
_HIGH = "\ud800", "\udbff"


class CharacterDecoder:
    """Turns bytes or text into whole characters; what is incomplete waits for the next piece.

    An invalid byte sequence becomes one U+FFFD and decoding goes on. Text may carry halves of
    surrogate pairs (some servers cut JSON escapes there): they are joined, a lone half becomes
    U+FFFD.
    """

    __slots__ = ("_decoder", "_high")

    def __init__(self) -> None:
        self._decoder = _Utf8Decoder("replace")
        self._high = ""

    def feed(self, data: bytes) -> str:
        """Return the characters that are complete with `data`."""
        if self._high:
            return self._lone_half() + self._decoder.decode(data)
        return self._decoder.decode(data)

    def feed_text(self, text: str) -> str:
        """Return the characters that are complete with `text`."""
        if self._decoder.buffer:
            return self._decoder.decode(b"", final=True) + self.feed_text(text)
        if not self._high and (text.isascii() or not re.search(_SURROGATE, text)):
            return text
        text = self._high + text
        self._high = ""
        if text and _HIGH[0] <= text[-1] <= _HIGH[1]:
            text, self._high = text[:-1], text[-1]
        return _joined(text)

    def flush(self) -> str:
        """Return U+FFFD where the input ended inside a character, else nothing."""
        return self._decoder.decode(b"", final=True) + self._lone_half()

    def _lone_half(self) -> str:
        half, self._high = self._high, ""
        return _joined(half)


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
