"""What people said, inside a template: text that cannot pass for the template's own.

Each UTF-16 unit of it is moved to plane 15 of Unicode, where no template has anything, and back
when the template has run. Whatever a template does with a text (cut it, join it, look into it),
each character still tells whose it is. White space stays where it is, so that it can be trimmed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, SupportsIndex, TypeVar

from penstock.messages import Segment

__all__ = ["Arguments", "Said", "kept", "moved", "plain", "plainly", "segments"]

T = TypeVar("T")

_SPACES = " \t\n\r\f\v"
_FIRST, _LAST = 0xF0000, 0xFFFFF
_MOVED = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]")
_RUN = re.compile(f"[{chr(_FIRST)}-{chr(_LAST)}]+")
_STRETCH = re.compile(  # white space between two of its characters is part of a text
    f"[{chr(_FIRST)}-{chr(_LAST)}]"
    f"(?:[{chr(_FIRST)}-{chr(_LAST)}{_SPACES}]*[{chr(_FIRST)}-{chr(_LAST)}])?"
)
_PLANE_TO_NONE = bytes(0 if at == _FIRST >> 16 else at for at in range(256))


def kept(text: T) -> T | Said:
    """Return a string that has something said in it as `Said`; anything else as it is."""
    if isinstance(text, str) and type(text) is str and not text.isascii() and _MOVED.search(text):
        return Said(text)
    return text


def plain(text: str) -> str:
    """Return a text as it was before it was moved."""
    units = _shadow(text)
    if units.isascii():
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


def plainly(value: Any) -> Any:
    """Return a value with everything in it as it was before."""
    if isinstance(value, str):
        return plain(value)
    if isinstance(value, Mapping):
        return {plainly(key): plainly(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plainly(one) for one in value]
    return value


def segments(text: str) -> Iterator[Segment]:
    """Yield the segments of a rendered prompt; what was said is not control."""
    at = 0
    for found in _STRETCH.finditer(text):
        if found.start() > at:
            yield Segment(text[at : found.start()], control=True)
        yield Segment(plain(found[0]))
        at = found.end()
    if at < len(text):
        yield Segment(text[at:], control=True)


class Said(str):
    """A text that has something said in it, to templates like any other.

    It compares, and is searched and cut, as if nothing had been moved.
    """

    __slots__ = ()

    @classmethod
    def of(cls, text: str) -> Said:
        """Move a text."""
        units = text.encode("utf-16-le", "surrogatepass")
        count = len(units) // 2
        moved = bytearray(4 * count)
        moved[0::4], moved[1::4] = units[0::2], units[1::2]
        moved[2::4] = bytes([_FIRST >> 16]) * count
        found = moved.decode("utf-32-le")
        for space in _SPACES:
            found = found.replace(chr(_FIRST + ord(space)), space)
        return cls(found)

    def __str__(self) -> str:
        return self

    def __repr__(self) -> str:
        return Said.of(repr(plain(self)))

    def __hash__(self) -> int:
        return hash(plain(self))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and plain(self) == plain(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: str) -> bool:
        return plain(self) < plain(other)

    def __gt__(self, other: str) -> bool:
        return plain(self) > plain(other)

    def __contains__(self, part: object) -> bool:
        return isinstance(part, str) and _shadow(part) in _shadow(self)

    def __getitem__(self, at: SupportsIndex | slice) -> Said:
        return Said(str.__getitem__(self, at))

    def __iter__(self) -> Iterator[Said]:
        return (Said(one) for one in str.__iter__(self))

    def startswith(self, part: str | tuple[str, ...], *bounds: Any) -> bool:
        parts = (part,) if isinstance(part, str) else part
        return _shadow(self).startswith(tuple(map(_shadow, parts)), *bounds)

    def endswith(self, part: str | tuple[str, ...], *bounds: Any) -> bool:
        parts = (part,) if isinstance(part, str) else part
        return _shadow(self).endswith(tuple(map(_shadow, parts)), *bounds)

    def find(self, part: str, *bounds: Any) -> int:
        return _shadow(self).find(_shadow(part), *bounds)

    def rfind(self, part: str, *bounds: Any) -> int:
        return _shadow(self).rfind(_shadow(part), *bounds)

    def index(self, part: str, *bounds: Any) -> int:
        return _shadow(self).index(_shadow(part), *bounds)

    def count(self, part: str, *bounds: Any) -> int:
        return _shadow(self).count(_shadow(part), *bounds)

    def strip(self, chars: str | None = None) -> Said:
        shadow = _shadow(self)
        start = len(shadow) - len(shadow.lstrip(chars))
        return self[start : max(start, len(shadow.rstrip(chars)))]

    def lstrip(self, chars: str | None = None) -> Said:
        shadow = _shadow(self)
        return self[len(shadow) - len(shadow.lstrip(chars)) :]

    def rstrip(self, chars: str | None = None) -> Said:
        return self[: len(_shadow(self).rstrip(chars))]

    def removeprefix(self, part: str) -> Said:
        return self[len(_shadow(part)) :] if self.startswith(part) else self

    def removesuffix(self, part: str) -> Said:
        return self[: len(self) - len(_shadow(part))] if part and self.endswith(part) else self

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Said]:  # type: ignore[override]  # each is a str
        if sep is None:  # white space was not moved
            return [Said(part) for part in str.split(self, None, maxsplit)]
        return self._parts(_shadow(self).split(_shadow(sep), maxsplit), len(_shadow(sep)))

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Said]:  # type: ignore[override]  # each is a str
        if sep is None:
            return [Said(part) for part in str.rsplit(self, None, maxsplit)]
        return self._parts(_shadow(self).rsplit(_shadow(sep), maxsplit), len(_shadow(sep)))

    def splitlines(self, keepends: bool = False) -> list[Said]:  # type: ignore[override]  # str's own
        return [Said(line) for line in str.splitlines(self, keepends)]

    def partition(self, sep: str) -> tuple[Said, Said, Said]:
        at, size = self.find(sep), len(_shadow(sep))
        if at < 0:
            return self, Said(), Said()
        return self[:at], self[at : at + size], self[at + size :]

    def rpartition(self, sep: str) -> tuple[Said, Said, Said]:
        at, size = self.rfind(sep), len(_shadow(sep))
        if at < 0:
            return Said(), Said(), self
        return self[:at], self[at : at + size], self[at + size :]

    def replace(self, old: str, new: str, count: SupportsIndex = -1) -> Said:
        if not old:
            return Said(str.replace(self, old, new, count))
        return Said(new.join(self.split(old, count)))

    def upper(self) -> Said:
        return self._changed(str.upper)

    def lower(self) -> Said:
        return self._changed(str.lower)

    def title(self) -> Said:
        return self._changed(str.title)

    def capitalize(self) -> Said:
        return Said(self[:1].upper() + self[1:].lower())

    def isdigit(self) -> bool:
        return _shadow(self).isdigit()

    def _parts(self, shadows: list[str], between: int) -> list[Said]:
        found, at = [], 0
        for shadow in shadows:
            found.append(self[at : at + len(shadow)])
            at += len(shadow) + between
        return found

    def _changed(self, change: Callable[[str], str]) -> Said:
        """Change what was said apart from the rest; the result may be longer."""
        text, at, parts = str.__str__(self), 0, []
        for run in _RUN.finditer(text):
            parts += [change(text[at : run.start()]), Said.of(change(plain(run[0])))]
            at = run.end()
        return Said("".join([*parts, change(text[at:])]))


class Arguments(dict[Any, Any]):
    """Arguments of a call: a mapping for templates that want one, JSON for those that print it."""

    def __init__(self, text: str, values: Mapping[str, object]) -> None:
        super().__init__(moved(values))
        self.text = Said.of(text)

    def __str__(self) -> str:
        return self.text


def moved(value: Any) -> Any:
    """Return a value of JSON with every text in it moved."""
    if isinstance(value, str):
        return Said.of(value)
    if isinstance(value, dict):
        return {Said.of(key): moved(one) for key, one in value.items()}
    if isinstance(value, list):
        return [moved(one) for one in value]
    return value


def _shadow(text: str) -> str:
    """Return a text of the same length in which nothing is moved: pairs of surrogates are two."""
    if text.isascii():
        return str.__str__(text)
    data = bytearray(text.encode("utf-32-le", "surrogatepass"))
    data[2::4] = data[2::4].translate(_PLANE_TO_NONE)
    return data.decode("utf-32-le", "surrogatepass")
