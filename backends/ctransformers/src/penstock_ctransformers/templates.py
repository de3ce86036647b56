"""Chat templates by name, for files that have none of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from penstock.errors import UsageError

__all__ = ["TEMPLATES", "template_of"]


def _titled(user: str, assistant: str, end: str, *, between: str) -> str:
    """Return a template of headings: everything that is said stands behind one."""
    return (
        "{% for message in messages %}"
        "{% if message['role'] == 'system' %}{{ message['content'] + '" + between + "' }}"
        "{% elif message['role'] == 'user' %}{{ '"
        + user
        + "' + message['content'] + '"
        + between
        + "' }}"
        "{% else %}{{ '" + assistant + "' + message['content'] + '" + end + "' }}{% endif %}"
        "{% endfor %}{% if add_generation_prompt %}{{ '" + assistant.rstrip(" ") + "' }}{% endif %}"
    )


TEMPLATES: Final[Mapping[str, str]] = {
    "alpaca": _titled(r"### Instruction:\n", r"### Response:\n", r"\n\n", between=r"\n\n"),
    "chatml": (
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n'"
        " + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    "dolly": _titled(
        r"### Instruction:\n", r"### Response:\n", r"\n\n### End\n\n", between=r"\n\n"
    ),
    "starchat": (
        "{% for message in messages %}{{ '<|' + message['role'] + '|>\\n'"
        " + message['content'] + '<|end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
    ),
    "llama-2": (
        "{% set system = namespace(text='') %}{% for message in messages %}"
        "{% if message['role'] == 'system' %}"
        "{% set system.text = '<<SYS>>\\n' + message['content'] + '\\n<</SYS>>\\n\\n' %}"
        "{% elif message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + system.text + message['content'] + ' [/INST]' }}"
        "{% set system.text = '' %}"
        "{% else %}{{ ' ' + message['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
    ),
    "vicuna": _titled("USER: ", "ASSISTANT: ", "</s>", between=r"\n"),
}
"""The formats that the chat models of 2023 were trained with."""


def template_of(asked: str | None, own: str | None) -> str | None:
    """Return the template to use: by name, as Jinja, or the file's own. Raises `UsageError`."""
    if asked is None:
        return own
    if asked in TEMPLATES:
        return TEMPLATES[asked]
    if "{" not in asked:
        raise UsageError(
            f"there is no chat template {asked!r}",
            hint=f"Names are {', '.join(TEMPLATES)}; anything else must be Jinja",
        )
    return asked
