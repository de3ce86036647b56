"""Stop strings, matched on text however the tokens cut it."""

from __future__ import annotations

import re
from collections.abc import Sequence

__all__ = ["StopMatcher"]


class StopMatcher:
    """Passes text on up to the first stop string.

    Over the whole text, the match that begins first wins, and of those that begin together the
    shortest. Fed in any pieces, the result is the same: only a suffix that may still become part
    of a match is held back.
    """

    __slots__ = ("_first", "_include", "_longest", "_pattern", "_stops", "_tail", "matched")

    def __init__(self, stops: Sequence[str], *, include: bool = False) -> None:
        self._stops = tuple(stops)
        self._include = include
        self._longest = max(map(len, self._stops), default=0)
        by_length = sorted(self._stops, key=len)
        self._pattern = re.compile("|".join(map(re.escape, by_length)))
        self._first = re.compile("[" + "".join(re.escape(stop[0]) for stop in self._stops) + "]")
        self._tail = ""
        self.matched: str | None = None

    def feed(self, text: str) -> str:
        """Return the text that is safe to show. `matched` is set once a stop string is found."""
        if self.matched is not None:
            return ""
        if not self._tail and not self._first.search(text):
            return text
        return self._scan(self._tail + text)

    def flush(self) -> str:
        """Return what was held back, now that nothing follows."""
        tail, self._tail = self._tail, ""
        found = self._pattern.search(tail)
        return tail if found is None else self._cut(found)

    def _scan(self, text: str) -> str:
        held = self._held_from(text)
        found = self._pattern.search(text)
        if found is not None and found.start() <= held:
            return self._cut(found)
        self._tail = text[held:]
        return text[:held]

    def _held_from(self, text: str) -> int:
        """Where the longest suffix begins that is the start of a stop string."""
        for found in self._first.finditer(text, max(0, len(text) - self._longest + 1)):
            suffix = text[found.start() :]
            for stop in self._stops:
                if stop.startswith(suffix) and stop != suffix:
                    return found.start()
        return len(text)

    def _cut(self, found: re.Match[str]) -> str:
        self.matched = found.group()
        self._tail = ""
        return found.string[: found.end() if self._include else found.start()]
