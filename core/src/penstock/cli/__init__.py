"""The command line: `penstock`. One file per command; typer and rich are imported here alone."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Run the command that the arguments name; return the status of the process."""
    try:
        from penstock.cli.app import run
    except KeyboardInterrupt:  # so early that nobody deals with it yet
        return 130
    return run()
