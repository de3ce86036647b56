"""Chat formats by name, as templates, for models that bring none of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from penstock.errors import UsageError
from penstock.nearest import did_you_mean

__all__ = ["TEMPLATES", "template_of"]


def _titled(
    titles: Mapping[str, str], ends: Mapping[str, str], *, opening: str = "", last: str
) -> str:
    """Return a template in which each message stands behind a title and before an end, by its role.

    Titles and ends are Jinja expressions; a role without any is left out.
    """
    kinds = " ".join(
        f"{{% {'elif' if at else 'if'} message['role'] == '{role}' %}}"
        f"{{{{ {title} + message['content'] + {ends[role]} }}}}"
        for at, (role, title) in enumerate(titles.items())
    ).replace("} {%", "}{%")
    return (
        f"{opening}{{% for message in messages %}}{kinds}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt %}}{{{{ {last} }}}}{{% endif %}}"
    )


def _headed(before: str, after: str, end: str, *, opening: str = "", last: str = "") -> str:
    """Return a template in which the role of each message is named between two marks."""
    answer = last or f"{before}assistant{after}"
    return (
        f"{opening}{{% for message in messages %}}"
        f"{{{{ '{before}' + message['role'] + '{after}' + message['content'] + '{end}' }}}}"
        f"{{% endfor %}}{{% if add_generation_prompt %}}{{{{ '{answer}' }}}}{{% endif %}}"
    )


def _instructed(
    ask: str,
    answer: str,
    *,
    opening: str = "",
    system: str = "held.system + '\\n\\n'",
    when: str = "held.system",
) -> str:
    """Return a template without a place for a system text: it goes into a message of the user.

    `ask` and `answer` are Jinja expressions of `text`; `when` says which message takes what is held
    until then: the next one, if nothing else is said.
    """
    return (
        "{% set held = namespace(system='') %}"
        f"{opening}{{% for message in messages %}}{{% set text = message['content'] %}}"
        "{% if message['role'] == 'system' %}"
        "{% set held.system = held.system + '\n\n' + text if held.system else text %}"
        "{% elif message['role'] == 'user' %}"
        f"{{% if {when} %}}{{% set text = {system} + text %}}"
        "{% set held.system = '' %}{% endif %}"
        f"{{{{ {ask} }}}}{{% elif message['role'] == 'assistant' %}}{{{{ {answer} }}}}{{% endif %}}"
        "{% endfor %}"
    )


_PARAGRAPH = r"'\n\n'"
_LINE_END = r"'<|end|>\n'"
_EOS_LINE = r"eos_token + '\n'"

TEMPLATES: Final[Mapping[str, str]] = {
    "alpaca": _titled(
        {"system": "''", "user": r"'### Instruction:\n'", "assistant": r"'### Response:\n'"},
        {"system": _PARAGRAPH, "user": _PARAGRAPH, "assistant": _PARAGRAPH},
        last=r"'### Response:\n'",
    ),
    "chatml": _headed("<|im_start|>", r"\n", r"<|im_end|>\n"),
    "deepseek": _titled(
        {"system": "''", "user": "'<｜User｜>'", "assistant": "'<｜Assistant｜>'"},
        {"system": "''", "user": "''", "assistant": "'<｜end▁of▁sentence｜>'"},
        opening="{{ bos_token }}",
        last="'<｜Assistant｜>'",
    ),
    "dolly": _titled(
        {"system": "''", "user": r"'### Instruction:\n'", "assistant": r"'### Response:\n'"},
        {"system": _PARAGRAPH, "user": _PARAGRAPH, "assistant": r"'\n\n### End\n\n'"},
        last=r"'### Response:\n'",
    ),
    "gemma": _instructed(
        r"'<start_of_turn>user\n' + text | trim + '<end_of_turn>\n'",
        r"'<start_of_turn>model\n' + text | trim + '<end_of_turn>\n'",
        opening="{{ bos_token }}",
    )
    + r"{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}",
    "llama2": _instructed(
        "bos_token + '[INST] ' + text + ' [/INST]'",
        "' ' + text + ' ' + eos_token",
        system=r"'<<SYS>>\n' + held.system + '\n<</SYS>>\n\n'",
    ),
    "llama3": _headed(
        "<|start_header_id|>", r"<|end_header_id|>\n\n", "<|eot_id|>", opening="{{ bos_token }}"
    ).replace("message['content']", "message['content'] | trim"),
    "mistral": _instructed(
        "'[INST] ' + text + ' [/INST]'",
        "text + eos_token",
        opening="{{ bos_token }}",
    ),
    "mistral-nemo": _instructed(
        "'[INST]' + text + '[/INST]'",
        "text + eos_token",
        opening="{{ bos_token }}",
        when="held.system and loop.last",
    ),
    "phi3": _titled(
        {role: rf"'<|{role}|>\n'" for role in ("system", "user", "assistant")},
        dict.fromkeys(("system", "user", "assistant"), _LINE_END),
        last=r"'<|assistant|>\n'",
    ),
    "starchat": _headed("<|", r"|>\n", r"<|end|>\n"),
    "vicuna": _titled(
        {"system": "''", "user": "'USER: '", "assistant": "'ASSISTANT: '"},
        {"system": "' '", "user": "' '", "assistant": "'</s>'"},
        last="'ASSISTANT:'",
    ),
    "zephyr": _titled(
        {role: rf"'<|{role}|>\n'" for role in ("system", "user", "assistant")},
        dict.fromkeys(("system", "user", "assistant"), _EOS_LINE),
        last=r"'<|assistant|>\n'",
    ),
}
"""The formats that models were trained with, by the name of the first or best known of them."""


def template_of(asked: str) -> str:
    """Return a template by its name, or one that is Jinja already.

    Names are understood with and without hyphens. Raises `UsageError` for another name.
    """
    if not isinstance(asked, str):
        raise UsageError(f"chat_template={asked!r}", hint="It is a name, or Jinja")
    names = {_plain(name): template for name, template in TEMPLATES.items()}
    if _plain(asked) in names:
        return names[_plain(asked)]
    if "{" not in asked:
        hint = f"Names are {', '.join(TEMPLATES)}; anything else must be Jinja"
        meant = did_you_mean(asked, TEMPLATES)
        raise UsageError(
            f"there is no chat template {asked!r}",
            hint=f"{meant} {hint}" if meant else hint,
        )
    return asked


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
