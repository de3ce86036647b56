"""The recipe is no distribution: its folder is put on the path for these tests."""

import sys
from pathlib import Path

import pytest

POCKET = Path(__file__).parents[2] / "plugins" / "pocket"
sys.path.insert(0, str(POCKET))


@pytest.fixture(scope="session")
def model() -> Path:
    """Return the model file of the package."""
    return POCKET / "src" / "penstock_pocket" / "pocket.gguf"
