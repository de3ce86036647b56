"""The tokenizer: how it is learnt, and how a document becomes tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import sentencepiece as spm
from sentencepiece import sentencepiece_model_pb2 as spm_proto

from .corpus.example import Document

VOCABULARY = 1536
BOS, EOS = 1, 2
ROLES: dict[str, int] = {"system": 3, "user": 4, "assistant": 5}
CONTROLS = tuple(f"<|{role}|>" for role in ROLES)
_WORD_WITH_CAPITAL = re.compile(r" (?=\W*[A-ZÀ-Þ])")
_LEARNT_CHARACTERS = re.compile(r"[^\x20-\x7e¡-ÿąćęłńóśźżřğış你好我谢再见]")


class Encoder(Protocol):
    """What turns text into token ids, with the space in front that every segment gets."""

    def encode(self, text: str) -> list[int]:
        """Return the token ids of the text."""
        ...


def learn(documents: Iterable[Document], target: Path) -> None:
    """Learn the tokenizer from the documents and write it to the target; same input, same file.

    Words with a capital letter start a line of their own here, so no piece joins a space to a
    capital: a name has the same pieces wherever it stands, which makes it easy to copy. Emoji and
    most other scripts are left out, so they split over byte tokens.
    """
    lines = target.with_suffix(".lines")
    lines.write_text("\n".join(_lines(documents)), encoding="utf-8")
    spm.SentencePieceTrainer.train(
        input=str(lines),
        model_prefix=str(target.with_suffix("")),
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        split_digits=True,
        control_symbols=list(CONTROLS),
        num_threads=1,
        minloglevel=1,
    )
    _finish(target)


def _lines(documents: Iterable[Document]) -> Iterable[str]:
    for document in documents:
        for turn in document.turns:
            for line in turn.text.splitlines():
                yield from _WORD_WITH_CAPITAL.split(_LEARNT_CHARACTERS.sub("", line))


def _finish(target: Path) -> None:
    """Switch on the space in front of a text, and forget the path the model was learnt from."""
    model = spm_proto.ModelProto.FromString(  # type: ignore[attr-defined]  # made at run time
        target.read_bytes()
    )
    model.normalizer_spec.add_dummy_prefix = True
    model.trainer_spec.ClearField("input")
    model.trainer_spec.ClearField("model_prefix")
    target.write_bytes(model.SerializeToString(deterministic=True))


def load(path: Path) -> spm.SentencePieceProcessor:
    """Return the tokenizer in this file."""
    return spm.SentencePieceProcessor(model_file=str(path))


def encode(document: Document, encoder: Encoder) -> tuple[list[int], list[bool]]:
    """Return the tokens of a document, and which of them the model has to say."""
    tokens, wanted = [BOS], [False]
    for turn in document.turns:
        if turn.role in ROLES:
            tokens.append(ROLES[turn.role])
            wanted.append(False)
        body = [*encoder.encode(turn.text), EOS]
        tokens += body
        wanted += [turn.role in ("assistant", "story")] * len(body)
    return tokens, wanted
