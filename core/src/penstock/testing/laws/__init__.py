"""The laws: promises to users, each written once as a check over any backend."""

from penstock.testing.laws import calls, leaving, loop, options, text
from penstock.testing.laws.law import Law, LawBroken

__all__ = ["LAWS", "Law", "LawBroken"]

LAWS: tuple[Law, ...] = (
    Law(1, "join", text.check_join),
    Law(2, "real streaming", text.check_streaming),
    Law(3, "one end", calls.check_one_end),
    Law(4, "stop strings", text.check_stop_strings),
    Law(5, "UTF-8", text.check_characters),
    Law(6, "leaving frees the engine", leaving.check_leaving),
    Law(7, "errors", calls.check_errors),
    Law(8, "bounded", leaving.check_bounded),
    Law(9, "limits", calls.check_limits),
    Law(10, "options mean one thing", options.check_options),
    Law(11, "chat is the same everywhere", calls.check_chat),
    Law(12, "usage", calls.check_usage),
    Law(13, "any loop", loop.check_loop),
)
"""All of them, in order. Run one with `await law.check(subject)`; it raises `LawBroken`."""
