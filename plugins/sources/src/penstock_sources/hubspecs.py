"""HubSpec: what stands behind `hf:`, taken apart."""

from __future__ import annotations

import re
from dataclasses import dataclass

from penstock.errors import ModelNotFound

__all__ = ["HubSpec"]

_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_FORM = re.compile(
    rf"^(?P<repo>{_NAME}/{_NAME})(?:/(?P<file>[^:@]+)|:(?P<quantisation>[^/@:]+))?"
    r"(?:@(?P<revision>[^@]+))?$"
)


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A model of the hub: a repository, at a revision, and one file or one quantisation of it.

    The revision is a branch, a tag or a commit.
    """

    repo: str
    file: str | None = None
    quantisation: str | None = None
    revision: str = "main"

    @classmethod
    def parse(cls, text: str) -> HubSpec:
        """Read `owner/repo[/file][@revision]` or `owner/repo:Q4_K_M[@revision]`.

        Raises `ModelNotFound` for anything else.
        """
        found = _FORM.match(text.removeprefix("//"))
        if found is None or ".." in text.split("/"):
            raise ModelNotFound(
                f"'hf:{text}' names no model",
                hint="It is written hf:owner/repo, hf:owner/repo:Q4_K_M or "
                "hf:owner/repo/file.gguf, each with or without @revision",
            )
        revision = found["revision"] or "main"
        return cls(found["repo"], found["file"], found["quantisation"], revision)

    def __str__(self) -> str:
        named = f"/{self.file}" if self.file else ""
        quantisation = f":{self.quantisation}" if self.quantisation else ""
        revision = "" if self.revision == "main" else f"@{self.revision}"
        return f"hf:{self.repo}{named}{quantisation}{revision}"
