"""What servers say when something is wrong, as errors of Penstock.

Codes and types decide where there are some, and the status; wordings are read only for the length
of a context, for which several servers have no code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from penstock.errors import (
    AccessDenied,
    ContextOverflow,
    GenerationError,
    RateLimited,
    RemoteError,
    RequestRefused,
    ServerFailed,
)

__all__ = ["Fault", "fault_in", "retry_after"]

_OVERFLOW_CODES: Final = frozenset(
    {"context_length_exceeded", "exceed_context_size_error", "context_window_exceeded"}
)
_OPENAI: Final = (
    r"maximum context length (?:is|of) (?P<context>\d+) tokens?"
    r"(?:.*?requested (?P<asked>\d+))?"
    r"(?:.*?(?P<prompt>\d+) (?:of text |input tokens |tokens )?(?:in|from) (?:the|your) "
    r"(?:messages|prompt|input))?"
)
_OVERFLOWS: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # vLLM, SGLang, TGI, and others that lean on OpenAI's sentence
        _OPENAI,
        r"`?inputs`? (?:tokens|must have).*?(?P<context>\d+).*?given:? .*?(?P<prompt>\d+)",
        r"exceeds? (?:the )?(?:available )?context (?:size|length|window)",
        r"prompt is too long|input is too long|too many tokens in the prompt",
        r"tokens to keep from the initial prompt is greater than the context length",
    )
)
_NUMBERS: Final = re.compile(r"\d+")
_DENIED: Final = frozenset({"invalid_api_key", "authentication_error", "permission_error"})
_LIMITED: Final = frozenset({"rate_limit_exceeded", "rate_limit_error", "too_many_requests"})
_SPENT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_REFUSED: Final = frozenset({"invalid_request_error", "BadRequestError", "invalid_prompt"})
_PASSING: Final = frozenset({408, 409, 425})
_NEVER: Final = frozenset({501, 505})
_DIGITS: Final = 20
_LONGEST: Final = 600
"""Characters of a server's sentence that are passed on: it may be a whole web page."""

_HINTS: Final[Mapping[int, str]] = {
    401: "Check the option 'api_key', or the environment's OPENAI_API_KEY",
    403: "The key may not use this model, or not from here",
    404: "Check the option 'base_url' and the name of the model",
    413: "Shorten the request",
}


class Fault:
    """What a server said is wrong: its sentence, and the words that machines read.

    `of` takes any body that was ever seen with an error in it.
    """

    __slots__ = ("code", "context", "kind", "message", "param", "prompt")

    def __init__(self, said: Mapping[str, Any], message: str) -> None:
        self.message = " ".join(message.split())[:_LONGEST]
        self.code = _word(said.get("code"))
        self.kind = _word(said.get("type"))
        self.param = _word(said.get("param"))
        self.prompt = _number(said.get("n_prompt_tokens"))
        self.context = _number(said.get("n_ctx"))

    @classmethod
    def of(cls, body: object) -> Fault:
        """Read what is wrong out of a body: JSON of some shape, or text."""
        if not isinstance(body, Mapping):
            return cls({}, str(body or "").strip())
        said = body.get("error") or body.get("error_message") or body.get("detail") or body
        if isinstance(said, Mapping):
            message = said.get("message") or said.get("detail") or said.get("error") or said
            return cls({**body, **said}, str(message))
        return cls(body, str(said))

    def error(self, status: int | None, headers: Mapping[str, str]) -> GenerationError:
        """Return the error this is, by the status it came with, if any."""
        if self._is_overflow():
            return self._overflow()
        status = status or self._status()
        made = self._kind(status)(
            self._sentence(status),
            hint=_HINTS.get(status or 0),
            status=status,
            code=self.code or self.kind,
            param=self.param,
            request_id=headers.get("x-request-id"),
            retry_after=retry_after(headers),
        )
        if self.code in _SPENT or self.kind in _SPENT or status in _NEVER:
            made.retryable = False
        if (should := headers.get("x-should-retry")) in {"true", "false"}:
            made.retryable = should == "true"
        return made

    def _sentence(self, status: int | None) -> str:
        head = "the server failed" if status is None else f"the server answered {status}"
        return f"{head}: {self.message or 'it says no more'}"

    def _status(self) -> int | None:
        """Return the status that an error in a stream bears in its code, as vLLM's do."""
        code = _number(self.code)
        return code if code is not None and 400 <= code < 600 else None

    def _kind(self, status: int | None) -> type[RemoteError]:
        words = {self.code, self.kind}
        if status in {401, 403} or words & _DENIED:
            return AccessDenied
        if status == 429 or words & (_LIMITED | _SPENT):
            return RateLimited
        if status in _PASSING:
            return ServerFailed
        if (status is not None and status < 500) or words & _REFUSED:
            return RequestRefused
        return ServerFailed

    def _is_overflow(self) -> bool:
        if self.code in _OVERFLOW_CODES or self.kind in _OVERFLOW_CODES:
            return True
        return any(pattern.search(self.message) for pattern in _OVERFLOWS)

    def _overflow(self) -> ContextOverflow:
        prompt, context = self.prompt, self.context
        for pattern in _OVERFLOWS:
            if found := pattern.search(self.message):
                told = {name: int(text) for name, text in found.groupdict().items() if text}
                context = context or told.get("context")
                prompt = prompt or told.get("prompt") or told.get("asked")
                break
        if prompt is None and context is not None:
            prompt = self._greatest(context)
        whole = prompt is not None and context is not None
        sentence = None if whole else f"the prompt is too long for the server: {self.message}"
        return ContextOverflow(prompt, context, message=sentence)

    def _greatest(self, context: int) -> int | None:
        """Return the greatest number told beside the context's: what was asked of it."""
        numbers = {int(text) for text in _NUMBERS.findall(self.message)} - {context}
        return max(numbers, default=None)


def fault_in(chunk: Mapping[str, Any], event: bytes = b"") -> Fault | None:
    """Return what is wrong by this part of an answer; None: nothing is."""
    if event == b"error" or chunk.get("error") or chunk.get("error_message"):
        return Fault.of(chunk)
    if "choices" not in chunk and ("detail" in chunk or chunk.get("object") == "error"):
        return Fault.of(chunk)
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a server wants one to wait, by RFC 9110, 10.2.3; None if it does not say.

    `retry-after-ms`, milliseconds, is OpenAI's and more exact.
    """
    try:
        if (exact := headers.get("retry-after-ms")) is not None:
            return max(0.0, float(exact) / 1000)
        text = headers.get("retry-after")
        return None if text is None else max(0.0, _seconds(text))
    except (ValueError, OverflowError):
        return None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return (moment - datetime.now(UTC)).total_seconds()


def _word(value: object) -> str | None:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else None


def _number(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _DIGITS:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
