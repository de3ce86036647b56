"""UTF-8 that arrives cut anywhere, and text that arrives with half characters."""

from __future__ import annotations

import codecs
import re

__all__ = ["CharacterDecoder"]

_SURROGATE = re.compile("[\ud800-\udfff]")
_HIGH = "\ud800", "\udbff"


class CharacterDecoder:
    """Turns bytes or text into whole characters; what is incomplete waits for the next piece.

    An invalid byte sequence becomes one U+FFFD and decoding goes on. Text may carry halves of
    surrogate pairs (some servers cut JSON escapes there): they are joined, a lone half becomes
    U+FFFD.
    """

    __slots__ = ("_decoder", "_high")

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._high = ""

    def feed(self, data: bytes) -> str:
        """Return the characters that are complete with `data`."""
        return self._decoder.decode(data)

    def feed_text(self, text: str) -> str:
        """Return the characters that are complete with `text`."""
        if not self._high and (text.isascii() or not _SURROGATE.search(text)):
            return text
        text = self._high + text
        self._high = ""
        if text and _HIGH[0] <= text[-1] <= _HIGH[1]:
            text, self._high = text[:-1], text[-1]
        return _joined(text)

    def flush(self) -> str:
        """Return U+FFFD where the input ended inside a character, else nothing."""
        tail = self._decoder.decode(b"", final=True) + _joined(self._high)
        self._high = ""
        return tail


def _joined(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
