"""What a server's refusals teach: ways of saying a thing that it wants otherwise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from penstock.errors import RequestRefused, Unsupported

from penstock_openai.flavors import Flavor, Limit

__all__ = ["Manners", "unsupported_option"]

_OTHER_LIMIT: dict[Limit, Limit] = {
    "max_tokens": "max_completion_tokens",
    "max_completion_tokens": "max_tokens",
}
_NOT_KNOWN = frozenset({"unsupported_parameter", "unsupported_value", "unknown_parameter"})
_SYSTEM_ROLE = re.compile(
    r"\brole\b.*\b(system|developer)\b|\b(system|developer)\b.*\brole\b|messages\[\d+\]\.role",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(slots=True)
class Manners:
    """How a server wants to be spoken to; it begins with what its flavor says.

    limit   what it calls `max_tokens`
    role    whose message says what to do
    counts  whether it may be asked for usage in a stream
    strict  whether schemas are to bind it wholly, which OpenAI does for some schemas only
    """

    limit: Limit
    role: Literal["system", "developer"] = "system"
    counts: bool = True
    strict: bool = False
    _tried: frozenset[str] = frozenset()

    @classmethod
    def of(cls, flavor: Flavor) -> Manners:
        """Return what is known of a flavor before the first refusal."""
        return cls(flavor.limit, strict=flavor.strict)

    def learn(self, refusal: RequestRefused) -> str | None:
        """Take a refusal; return what is done otherwise from now on, or None if nothing helps.

        The server's own field for the culprit decides, and its wording where it has none. Nothing
        is changed twice: a server that refuses both ways is not asked a third time.
        """
        param = refusal.param or ""
        told = f"{param} {refusal.message}"
        if "stream_options" in told and self.counts:
            self.counts = False
            return "it is asked without stream_options"
        if self.strict and param.startswith("response_format"):
            self.strict = False
            return "the schema binds it as far as it likes"
        if re.search(rf"\b{self.limit}\b", told) and self._first("limit"):
            self.limit = _OTHER_LIMIT[self.limit]
            return f"the limit of tokens is called {self.limit}"
        if _SYSTEM_ROLE.search(told) and self._first("role"):
            self.role = "developer" if self.role == "system" else "system"
            return f"what to do is said as {self.role}"
        return None

    def _first(self, what: str) -> bool:
        if what in self._tried:
            return False
        self._tried |= {what}
        return True


def unsupported_option(refusal: RequestRefused, flavor: Flavor) -> tuple[str, Unsupported] | None:
    """Return the option a server does not know, and the error to raise, if that is what it says."""
    param = refusal.param
    if refusal.code not in _NOT_KNOWN or param is None:
        return None
    ours = {theirs: name for name, theirs in flavor.renamed.items()}
    name = ours.get(param, param)
    if name not in flavor.options:
        return None
    error = Unsupported(
        f"the server does not honour {name}: {refusal.message}",
        hint="Leave it out, or set unsupported to 'warn' or 'drop'; that works from now on",
    )
    return name, error
