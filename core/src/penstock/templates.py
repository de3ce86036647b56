"""Chat templates: Jinja in a sandbox, rendered to marked segments.

What a message says is wrapped in two private-use characters before rendering and found by them
afterwards, so that control tokens come from the template alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from penstock.errors import InvalidModel, PenstockError, UsageError
from penstock.messages import Message, Segment

__all__ = ["MAX_PROMPT_CHARS", "render"]

MAX_PROMPT_CHARS = 16_000_000
"""Characters a rendered prompt may have; a template that makes more is refused."""

_INSTEAD = "Use complete() with a prompt of your own"
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARKS = re.compile(f"[{_OPEN}{_CLOSE}]")


def render(
    template: str,
    messages: Sequence[Message],
    *,
    bos_token: str = "",
    eos_token: str = "",
) -> tuple[Segment, ...]:
    """Return the prompt for the next answer in this conversation.

    Raises `InvalidModel` for a template that cannot be compiled or run, and `UsageError` where it
    refuses these messages (a role it does not know, a wrong order).
    """
    import jinja2

    try:
        pieces = _compiled(template).generate(
            messages=[{"role": m.role, "content": _marked(m.content)} for m in messages],
            add_generation_prompt=True,
            bos_token=bos_token,
            eos_token=eos_token,
            tools=None,
        )
        text = _bounded(pieces)
    except jinja2.TemplateSyntaxError as error:
        raise InvalidModel(
            f"the model's chat template is not valid Jinja: {error}",
            hint=_INSTEAD,
        ) from error
    except jinja2.TemplateError as error:
        raise UsageError(f"the model's chat template refuses these messages: {error}") from error
    except PenstockError:
        raise
    except Exception as error:  # a template is a program: it may divide by zero
        raise InvalidModel(f"the model's chat template fails: {error!r}", hint=_INSTEAD) from error
    return tuple(_segments(text))


@lru_cache(maxsize=32)
def _compiled(template: str) -> Any:  # a jinja2.Template; jinja2 is imported on first use
    from penstock.sandbox import Sandbox

    return Sandbox().compiled(template)


def _bounded(pieces: Iterator[str]) -> str:
    parts, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_PROMPT_CHARS:
            raise UsageError(f"the chat template makes more than {MAX_PROMPT_CHARS} characters")
        parts.append(piece)
    return "".join(parts)


def _marked(content: str) -> str:
    """Wrap the text, leaving white space at its ends outside, where templates trim it."""
    content = _MARKS.sub("", content)
    body = content.strip()
    if not body:
        return content
    start = content.index(body)
    return f"{content[:start]}{_OPEN}{body}{_CLOSE}{content[start + len(body) :]}"


def _segments(text: str) -> Iterator[Segment]:
    at, control = 0, True
    for mark in _MARKS.finditer(text):
        if mark.start() > at:
            yield Segment(text[at : mark.start()], control)
        control = mark.group() == _CLOSE
        at = mark.end()
    if at < len(text):
        yield Segment(text[at:], control)
