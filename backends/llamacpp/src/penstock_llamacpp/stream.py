"""Stream: one generation as the scheduler sees it."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.backend import Ticket
from penstock.events import Finish, FinishReason, Prefill, Usage

from penstock_llamacpp.held import Held
from penstock_llamacpp.sampling import Sampler

if TYPE_CHECKING:
    from penstock.guides import Guide

__all__ = ["Stream"]


@dataclass(slots=True, eq=False)
class Stream:
    """What to generate, how far it has come, and where in the context it lives.

    ticket     where its events go
    tokens     the prompt, and all that was generated
    prompt     how many of them are the prompt
    limit      how many tokens may be generated
    sampler    chooses them; closed by whoever ends the stream
    guide      the constraint, if there is one
    trim       the space that the vocabulary puts before the first word is still to be dropped
    held       its sequence, while it has one
    cached     prompt tokens that were not evaluated, since a kept prefix held them
    generated  tokens so far
    admitted   whether it ever had a sequence
    ahead      how many tokens are evaluated elsewhere, and not in its sequence yet
    mixed      its prompt is evaluated in the steps of others, should there be any
    paused     since when its reader is behind (`time.perf_counter`), or None
    over       whether it has ended
    """

    ticket: Ticket
    tokens: array[int]
    prompt: int
    limit: int
    sampler: Sampler
    guide: Guide | None = None
    trim: bool = False
    held: Held | None = None
    cached: int = 0
    generated: int = 0
    admitted: bool = False
    ahead: int = 0
    mixed: bool = False
    paused: float | None = None
    over: bool = False

    @property
    def pending(self) -> int:
        """How many tokens are still to be evaluated."""
        return len(self.tokens) - (0 if self.held is None else self.held.count)

    @property
    def progress(self) -> Prefill:
        """How far the prompt has come."""
        held = 0 if self.held is None else self.held.count
        done = min(self.prompt, max(held, self.ahead))
        return Prefill(done, self.prompt, self.cached)

    def finish(self, reason: FinishReason) -> Finish:
        """Return the end of this generation, with its counts."""
        usage = Usage(
            prompt_tokens=self.prompt,
            completion_tokens=self.generated,
            cached_tokens=self.cached,
            source="engine",
        )
        return Finish(reason, usage)
