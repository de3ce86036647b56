"""The command line: `penstock`. One file per command; typer and rich are imported here alone."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Run the command that the arguments name; return the status of the process."""
    from penstock.cli.app import run

    return run()
