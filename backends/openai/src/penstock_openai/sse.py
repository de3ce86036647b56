"""Server-Sent Events out of bytes, as servers send them rather than as they should.

The framing is that of the HTML standard, section 9.2. Accepted beside it are a last event without
its blank line, an `error:` line (older llama-server), and a line that is bare JSON.
"""

from __future__ import annotations

from typing import Final, TypeAlias

__all__ = ["MOST_BYTES", "Event", "EventParser"]

Event: TypeAlias = tuple[bytes, bytes]
"""Name and data; the name is empty for the events that answers consist of."""

MOST_BYTES: Final = 32 * 2**20
"""Bytes of one event beyond which a server is taken to have gone mad."""

_BOM: Final = b"\xef\xbb\xbf"


class EventParser:
    """Fed with bytes cut anywhere, gives whole events.

    `feed` raises `ValueError` once it holds more than `MOST_BYTES` of an event; what came before
    that event was given.
    """

    __slots__ = ("_begun", "_data", "_name", "_rest", "_size")

    def __init__(self) -> None:
        self._begun = False
        self._rest = b""
        self._name = b""
        self._data: list[bytes] = []
        self._size = 0

    def feed(self, data: bytes) -> list[Event]:
        """Take bytes; return the events they complete."""
        if len(self._rest) + self._size > MOST_BYTES:
            raise ValueError(f"an event of more than {MOST_BYTES} bytes")
        events: list[Event] = []
        for line in self._lines(data):
            if not line:
                self._close(events)
            elif line.startswith(b"data:"):
                self._keep(line[6:] if line[5:6] == b" " else line[5:])
            else:
                self._other(line)
        return events

    def flush(self) -> list[Event]:
        """Return what is left at the end: an event whose blank line is missing."""
        events = self.feed(b"\n")
        self._close(events)
        return events

    def _lines(self, data: bytes) -> list[bytes]:
        if self._rest:
            data = self._rest + data
        if not self._begun and data:
            data = self._without_bom(data)
        if b"\r" in data:
            data = _with_plain_breaks(data)
        lines = data.split(b"\n")
        self._rest = lines.pop()
        return lines

    def _without_bom(self, data: bytes) -> bytes:
        self._begun = not _BOM.startswith(data)  # a mark that is cut is waited for
        return data.removeprefix(_BOM)

    def _close(self, events: list[Event]) -> None:
        """End the event at hand; one without data is none, says the standard."""
        data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        if data:
            events.append((self._name, data))
        self._data.clear()
        self._name, self._size = b"", 0

    def _keep(self, data: bytes) -> None:
        self._data.append(data)
        self._size += len(data)

    def _other(self, line: bytes) -> None:
        field, _, value = line.partition(b":")
        if field == b"event":
            self._name = value.strip()
        elif field == b"error":
            self._name = b"error"
            self._keep(value.strip())
        elif line.startswith(b"{"):
            self._keep(line)


def _with_plain_breaks(data: bytes) -> bytes:
    """Make every line break a line feed; a CR at the end may be half of one, and is left."""
    tail = b"\r" if data.endswith(b"\r") else b""
    body = data[: len(data) - len(tail)]
    return body.replace(b"\r\n", b"\n").replace(b"\r", b"\n") + tail
