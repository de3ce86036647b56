"""Task: an instruction with examples, to be followed again and again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic

from penstock.errors import UsageError
from penstock.forms import Form, form_of, why
from penstock.messages import Message
from penstock.request import CallOptions, Deadlines, OtherOptions, Policy, Sampling
from penstock.streams.generation import Generation
from penstock.values import dataclass

if TYPE_CHECKING:
    from typing_extensions import TypeVar, Unpack

    from penstock.model import Model

    R = TypeVar("R", default=Any)  # result
else:
    from typing import TypeVar

    R = TypeVar("R")  # one with a default needs a newer Python

__all__ = ["Example", "Task", "prefix_of"]

Example = tuple[str, object]
"""A text, and what is to come of it: a value of the type asked for, JSON data, or a text."""


@dataclass(frozen=True, slots=True)
class Task(Generic[R]):
    """What `model.task(…)` makes: call it with a text, as often as you like.

    ```python
    extract = model.task("Extract.", schema=Person, examples=[("Al, 9", Person("Al", 9))])
    person = (await extract("Mia is seven years old.")).parsed
    ```

    It never changes, and no call knows of another: they may run side by side. An engine that keeps
    what it has evaluated evaluates `prefix`, the instruction and its examples, only once.

    sampling  the options of its calls; a call may set others
    """

    model: Model
    prefix: tuple[Message, ...]
    sampling: Sampling

    def __call__(
        self,
        text: str,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]:
        """Do it with `text`; return the answer, to be streamed or awaited. Raises as `chat`."""
        messages = (*self.prefix, Message("user", text))
        chosen: CallOptions = {**self.sampling.chosen(), **options}
        return self.model.chat(messages, deadlines=deadlines, unsupported=unsupported, **chosen)

    def run(
        self,
        text: str,
        *,
        deadlines: Deadlines | None = None,
        unsupported: Policy | None = None,
        **options: Unpack[OtherOptions],
    ) -> Generation[R]:
        """Do the same."""
        return self(text, deadlines=deadlines, unsupported=unsupported, **options)


def prefix_of(
    instructions: str, system: str | None, examples: Iterable[Example], sampling: Sampling
) -> tuple[Message, ...]:
    """Return the messages before the text of a task.

    Raises `UsageError` for an example whose answer is not one that `sampling` allows.
    """
    said = instructions if system is None else f"{system}\n\n{instructions}"
    form = form_of(sampling.constraint)
    shown = [part for at, one in enumerate(examples) for part in _example(form, at, one)]
    return (Message("system", said), *shown)


def _example(form: Form, at: int, example: object) -> Iterator[Message]:
    if not (isinstance(example, tuple | list) and len(example) == 2):
        raise UsageError(f"example {at} is {example!r}", hint="Give a pair: (input, output)")
    text, value = example
    yield Message("user", text)
    try:
        answer = form.write(value)
    except Exception as error:
        raise UsageError(
            f"example {at} answers {value!r}, which is not what the task asks for: {why(error)}",
            hint="Its answer must be one that a call could give",
        ) from error
    yield Message("assistant", answer)
