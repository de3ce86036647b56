"""`python -m penstock` is the command `penstock`, of the environment whose Python it is."""

from __future__ import annotations

import sys

from penstock.cli import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
