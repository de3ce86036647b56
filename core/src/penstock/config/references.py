"""References: where a secret is kept, instead of the secret itself."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from penstock.config.origins import Origin, quoted
from penstock.config.paths import expanded
from penstock.errors import UsageError
from penstock.values import dataclass

__all__ = ["KINDS", "Reference", "is_open", "refuse_foreign"]

KINDS: Final = ("env", "file", "keyring", "command")
_LARGEST: Final = 64 * 1024
_FORMS: Final = (
    '{ env = "NAME" }, { file = "PATH" }, { keyring = "SERVICE/USER" } '
    'or { command = ["PROGRAM", …] }'
)


@dataclass(frozen=True, slots=True)
class Reference:
    """Where a text is kept: a variable, a file, a keyring, or what a program prints.

    kind  one of `KINDS`
    name  the variable, the path, `service/user`, or the program with its arguments
    """

    kind: str
    name: str | tuple[str, ...]

    def __str__(self) -> str:
        parts = [self.name] if isinstance(self.name, str) else self.name
        texts = ", ".join(map(quoted, parts))
        return f"{{ {self.kind} = {texts if isinstance(self.name, str) else f'[{texts}]'} }}"

    @classmethod
    def of(cls, table: Mapping[str, object]) -> Reference:
        """Read a table. Raises `UsageError` for one that is no reference."""
        reference = cls.seen(table)
        if reference is None:
            raise UsageError("a table is a reference here", hint=f"It must be {_FORMS}")
        return reference

    @classmethod
    def seen(cls, table: Mapping[str, object]) -> Reference | None:
        """Return the reference that a table is, or None."""
        if len(table) != 1:
            return None
        kind, name = next(iter(table.items()))
        if kind == "command":
            words = isinstance(name, list | tuple) and all(isinstance(word, str) for word in name)
            return cls(kind, tuple(name)) if words and name and name[0] else None  # type: ignore[arg-type, index]
        if kind not in KINDS or not isinstance(name, str) or not name:
            return None
        if kind == "keyring" and not all(name.rpartition("/")):
            return None
        return cls(kind, name)

    def resolve(self, origin: Origin, *, seconds: float = 30.0) -> str:
        """Return the text; may block, as a person is asked, or a program for so many `seconds`.

        Paths are relative to the folder of the file that the reference stands in. Raises
        `UsageError`, in which the text never is.
        """
        refuse_foreign(origin)
        match self.kind:
            case "env":
                text = _from_env(str(self.name))
            case "file":
                text = _from_file(self.path(origin))
            case "keyring":
                text = _from_keyring(str(self.name))
            case _:
                text = _from_command(self.name, origin, seconds)
        if not text:
            raise UsageError("holds nothing")
        return text

    def path(self, origin: Origin) -> Path:
        """Return the path of a `file` reference."""
        path = expanded(str(self.name))
        return path if origin.file is None else origin.file.parent / path


def is_open(path: Path) -> bool:
    """Whether everybody on this machine may read a file."""
    try:
        return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)
    except (OSError, ValueError):
        return False


def refuse_foreign(origin: Origin) -> None:
    """Refuse a file that somebody else may have put above the folder one works in.

    It could name a program to run, or a secret and a server to send it to. Raises `UsageError`.
    """
    if origin.file is None or not origin.found or os.name != "posix":
        return
    try:
        about = origin.file.stat()
    except OSError as error:
        raise UsageError(f"whose file it is cannot be told: {_reason(error)}") from error
    if about.st_uid not in (0, os.geteuid()) or about.st_mode & stat.S_IWOTH:
        raise UsageError(
            "nothing is looked up for a file that somebody else may have written",
            hint="name the file if you trust it, as load(config=…) does, or make it your own",
        )


def _from_env(name: str) -> str:
    text = os.environ.get(name)
    if text is None:
        raise UsageError("the variable is not set", hint=f"export {name}=…")
    return text


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        raise UsageError(f"the file cannot be read: {_reason(error)}") from error
    if len(content) > _LARGEST:
        raise UsageError("the file is too large for a secret")
    return _line(content, "the file holds no text in UTF-8")


def _from_keyring(name: str) -> str:
    try:
        import keyring
    except ImportError as error:
        hint = 'pip install "penstock[keyring]"'
        raise UsageError("the package keyring is not installed", hint=hint) from error
    service, _, user = name.rpartition("/")
    try:
        text = keyring.get_password(service, user)
    except Exception as error:
        raise UsageError(f"the keyring cannot be asked: {type(error).__name__}") from error
    if text is None:
        raise UsageError("the keyring has no such entry", hint=f"keyring set {service} {user}")
    return text


def _from_command(words: Iterable[str], origin: Origin, seconds: float) -> str:
    folder = None if origin.file is None else origin.file.parent
    status, printed = _run(list(words), folder, seconds)
    if status is None:
        raise UsageError(f"the program took longer than {seconds:g} s")
    if status:
        raise UsageError(f"the program ended with status {status}")
    return _line(printed, "the program printed no text in UTF-8")


def _run(command: list[str], folder: Path | None, seconds: float) -> tuple[int | None, bytes]:
    """Run a program; return its status, None if it took too long, and what it printed."""
    try:
        done = subprocess.run(  # noqa: S603  # it is what the user's own file asks for
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=seconds,
            cwd=folder,
            check=False,
        )
    except subprocess.TimeoutExpired:  # has what was printed: no error may be raised from it
        return None, b""
    except (OSError, ValueError) as error:
        raise UsageError(f"the program cannot be run: {_reason(error)}") from error
    return done.returncode, done.stdout


def _line(content: bytes, refusal: str) -> str:
    """Return a text without its line end; the error about one that is none does not hold it."""
    try:
        return content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        pass
    raise UsageError(refusal)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
