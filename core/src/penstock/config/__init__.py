"""Configuration: penstock.toml, its kin, the variables `PENSTOCK_…` and flags, as one.

```text
positions ─► reading ─┐
environment ──────────┼─► layers ─► checking (schema) ─► merging, names ─► Config
discovery ────────────┘
Config + Registry ─► auditing (takes, references): whether backends take what it says
                  └► choosing: what a name means to load()
```

Nothing of it is imported by `import penstock`, and pydantic only where there is something to check.
"""

from penstock.config.config import Config
from penstock.config.origins import Origin, Setting

__all__ = ["Config", "Origin", "Setting"]
