"""What a command found, in the form that was asked for: a table, JSON, or lines of JSON."""

from __future__ import annotations

import codecs
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

from penstock.cli.tables import show_table
from penstock.errors import UsageError

__all__ = ["Form", "Record", "form_of", "portable", "show_lines", "show_records", "write_json"]

Form: TypeAlias = Literal["text", "json", "jsonl"]
Record: TypeAlias = Mapping[str, Any]


def form_of(*, as_json: bool, as_jsonl: bool) -> Form:
    """Return the form that `--json` and `--jsonl` ask for. Raises `UsageError` for both."""
    if as_json and as_jsonl:
        raise UsageError("--json and --jsonl are both given", hint="Choose one of them")
    return "json" if as_json else "jsonl" if as_jsonl else "text"


def show_records(
    records: Iterable[Record],
    form: Form,
    heads: Sequence[str],
    row: Callable[[Record], Sequence[str]],
) -> None:
    """Show records on stdout: rows of a table, one array, or an object a line as they come."""
    if form == "text":
        show_table(heads, map(row, records))
    else:
        _write(records, form)


def show_lines(records: Iterable[Record], form: Form, line: Callable[[Record], str]) -> None:
    """Show records on stdout as they come: a line of text each, or the same JSON as above."""
    if form == "text":
        sys.stdout.writelines(f"{line(record)}\n" for record in records)
    else:
        _write(records, form)


def _write(records: Iterable[Record], form: Form) -> None:
    if form == "json":
        write_json(list(records))
        return
    for record in records:
        write_json(record)


def write_json(value: object) -> None:
    """Write a value as one line of JSON, at once."""
    sys.stdout.write(portable(json.dumps(value, ensure_ascii=False)) + "\n")
    sys.stdout.flush()


def portable(text: str) -> str:
    """Return a text of JSON as stdout can carry it: in ASCII, unless that is in UTF-8."""
    if text.isascii() or codecs.lookup(sys.stdout.encoding or "utf-8").name == "utf-8":
        return text
    return "".join(char if char.isascii() else json.dumps(char)[1:-1] for char in text)
