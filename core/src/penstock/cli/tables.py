"""Tables for people, as wide as the terminal; elsewhere a row stays one line."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from penstock.cli.terminal import harmless

__all__ = ["show_table"]

WIDE = 400


def show_table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on stdout, with all of each cell. The cells are plain text, not markup."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")  # or a long name would be cut
    for row in rows:
        table.add_row(*map(harmless, row))
    width = None if sys.stdout.isatty() else WIDE
    console = Console(width=width, markup=False, highlight=False, emoji=False)
    with console.capture() as captured:
        console.print(table)
    sys.stdout.writelines(f"{line.rstrip()}\n" for line in captured.get().splitlines())
