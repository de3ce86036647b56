"""Refits: conversations that were too long are made shorter, and asked again."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio

from penstock.chat.prompts import Conversation
from penstock.errors import ContextOverflow, GenerationError, PenstockError
from penstock.messages import PromptLike
from penstock.request import Sampling
from penstock.streams.bells import LoopDoor
from penstock.streams.job import Job
from penstock.streams.pump import closed_error

__all__ = ["Refits"]


PATIENCE = 5.0
"""Seconds in which a server must have counted a prompt."""


class Refits:
    """Starts jobs, and starts them again with fewer messages where a policy wants it so.

    Nobody who reads notices: nothing was generated yet. It works on threads of its own, since a
    policy may take long, and may ask the same model. Made in the loop that hooks are awaited in.
    """

    def __init__(self, start: Callable[[Job], None], name: str) -> None:
        from anyio.lowlevel import current_token  # there, since a loop runs

        self.start = start
        self.closed = partial(closed_error, name)
        self.door = LoopDoor()
        self.token = current_token()
        self.closing = False
        self._live: set[_Refit] = set()

    def watch(self, job: Job, conversation: Conversation, sampling: Sampling) -> None:
        """See to it that this job is made shorter if it must be."""
        if conversation.fitting.policy is not None:
            job.on_overflow = partial(self._begin, conversation, sampling)

    def work(self, call: Callable[[PromptLike], int], prompt: PromptLike) -> int:
        """Call what must run on a worker thread of the event loop, from another thread.

        Returns 0 where that takes long: counting is a courtesy.
        """
        from anyio import from_thread  # 25 ms that only those pay who come here

        return from_thread.run(_worked, call, prompt, token=self.token)

    async def aclose(self) -> None:
        """End them all, and wait until they are; the pump must be closed already."""
        self.closing = True
        with anyio.CancelScope(shield=True):
            for refit in tuple(self._live):
                refit.leave()
            for refit in tuple(self._live):
                await anyio.to_thread.run_sync(refit.join)

    def _begin(
        self, conversation: Conversation, sampling: Sampling, job: Job, overflow: ContextOverflow
    ) -> bool:
        if self.closing:
            return False
        refit = _Refit(self, conversation, sampling, job, overflow)
        self._live.add(refit)
        refit.start()
        return True

    def forget(self, refit: _Refit) -> None:
        """Take note that one has ended."""
        self._live.discard(refit)


class _Refit(threading.Thread):
    """One job that is too long, until it is started again or ended."""

    def __init__(
        self,
        refits: Refits,
        conversation: Conversation,
        sampling: Sampling,
        job: Job,
        overflow: ContextOverflow,
    ) -> None:
        super().__init__(name="penstock refit", daemon=True)
        self._refits = refits
        self._conversation = conversation
        self._sampling = sampling
        self._job = job
        self._overflow = overflow
        self._left = False
        self._scope: anyio.CancelScope | None = None

    def run(self) -> None:
        self._job.channel.on_leave(self.leave)
        try:
            self._shorten()
        except PenstockError as error:
            self._end(error)
        except BaseException as error:  # noqa: BLE001  # it travels to the consumer
            self._end(_failed(error))
        finally:
            self._refits.forget(self)

    def leave(self) -> None:
        """Cancel a hook that is awaited; from any thread."""
        self._left = True
        self._refits.door.call(self._cancel)

    def _cancel(self) -> None:
        if self._scope is not None:
            self._scope.cancel()

    def _shorten(self) -> None:
        fits = self._conversation.fits(self._sampling)
        again = self._conversation.fitting.shorten(self._overflow, fits, self._wait)
        if not again or self._left:
            self._end(self._overflow)
            return
        self._job.ask(self._conversation.ready(self._sampling))
        self._refits.start(self._job)

    def _end(self, error: PenstockError) -> None:
        self._job.on_overflow = None  # the error of a hook may be an overflow itself
        self._job.end(self._refits.closed() if self._refits.closing else error)

    def _wait(self, said: object) -> object:
        if not inspect.isawaitable(said):
            return said
        from anyio import from_thread  # as above

        found = from_thread.run(self._awaited, said, token=self._refits.token)
        if self._left:
            raise self._overflow
        return found

    async def _awaited(self, said: Awaitable[Any]) -> object:
        with anyio.CancelScope() as self._scope:
            if self._left:
                self._scope.cancel()
            return await said
        return None


async def _worked(call: Callable[[PromptLike], int], prompt: PromptLike) -> int:
    with anyio.move_on_after(PATIENCE):
        return await anyio.to_thread.run_sync(call, prompt, abandon_on_cancel=True)
    return 0


def _failed(error: BaseException) -> GenerationError:
    made = GenerationError(f"the conversation could not be made shorter: {error!r}")
    made.__cause__ = error
    return made
