"""The options a model on a server is loaded with, typed and checked before anything is sent."""

from __future__ import annotations

import json
import math
import os
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from penstock.backend import OptionValue
from penstock.errors import UsageError
from penstock.nearest import did_you_mean
from penstock.secret import Secret

__all__ = ["OPENAI_URL", "LoadOptions", "Pairs"]

OPENAI_URL: Final = "https://api.openai.com/v1"

_LOGIN: Final = re.compile(r"//[^/]*@")

Pairs: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadOptions:
    """Where the server is, how to speak to it, and what is asked of it with every request.

    The server
    base_url              up to and with `/v1`, perhaps with a login and a query; None takes
                          OPENAI_BASE_URL, else OpenAI's own
    api_key               None takes OPENAI_API_KEY, but only for a server that comes from the
                          environment or is OpenAI, and without another login; empty sends none
    auth_header           the header the key goes in: "Authorization" (as a bearer), or, as Azure
                          wants it, "api-key"
    organization, project  OpenAI's, sent as headers
    headers, query        more of both for every request: texts "Name: value" and "name=value"
    flavor                what kind of server it is, one of `FLAVORS`; "auto" asks it
    context_length        of the model in tokens, where the server does not tell

    The connection
    stream                False asks for whole answers; they come as one delta
    parallel              generations at once; None is without limit
    retries               attempts after the first that failed with nothing generated
    retry_wait            the most seconds to wait before one; a server that wants more is left
    connect_timeout       seconds to reach the server
    read_timeout          seconds of silence after which the connection is given up; the deadlines
                          of a call are usually shorter
    proxy                 URL of a proxy; None takes the environment's, and none for this machine
    ca_file               certificates to trust instead of the system's
    allow_incomplete      whether an answer may stop without saying that it is over

    What some servers know, by flavor
    cache_prompt          llama-server: keep the prompt for the next request
    id_slot               llama-server: the slot to run in
    return_progress       llama-server: tell how far it is with the prompt
    chat_template_kwargs  vLLM, SGLang, llama-server: a JSON object for the chat template
    reasoning_effort      how long to think, such as "low"
    """

    base_url: str | None = None
    api_key: Secret | None = None
    auth_header: str = "Authorization"
    organization: str | None = None
    project: str | None = None
    headers: Pairs = ()
    query: Pairs = ()
    flavor: str = "auto"
    context_length: int | None = None
    stream: bool = True
    parallel: int | None = None
    retries: int = 2
    retry_wait: float = 60.0
    connect_timeout: float = 10.0
    read_timeout: float = 600.0
    proxy: str | None = None
    ca_file: str | None = None
    allow_incomplete: bool = False
    cache_prompt: bool | None = None
    id_slot: int | None = None
    return_progress: bool | None = None
    chat_template_kwargs: str | None = None
    reasoning_effort: str | None = None

    @classmethod
    def of(cls, options: Mapping[str, OptionValue]) -> LoadOptions:
        """Read the options of a `ModelSpec`, and the environment for what they leave open.

        Raises `UsageError` for an option that does not exist or a value that cannot be.
        """
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise _unknown(name, names)
        read = {name: _READERS.get(name, _as_it_is)(value) for name, value in options.items()}
        made = cls(**read)  # type: ignore[arg-type]  # each is checked below
        for name, (holds, expected) in _RULES.items():
            value = getattr(made, name)
            if not holds(value):
                raise _wrong(name, value, expected)
        return made._settled()

    @property
    def url(self) -> str:
        """Where the server is, without a slash at the end."""
        return (self.base_url or OPENAI_URL).rstrip("/")

    @property
    def root(self) -> str:
        """The server itself: its URL without the path of the API."""
        return self.url.removesuffix("/v1")

    @property
    def host(self) -> str:
        """The server's name."""
        return urlsplit(self.url).hostname or ""

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return self.host in {"localhost", "::1"} or self.host.startswith("127.")

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What the server alone is to see: the key, and a login in the headers."""
        key = () if self.api_key is None else (self.api_key,)
        own = (value for header, value in self.headers if header.lower() == "authorization")
        return (*key, *(Secret(value.rpartition(" ")[2]) for value in own))

    @property
    def _has_login(self) -> bool:
        """Whether the user's own headers have what the key would be in."""
        name = self.auth_header.lower()
        return any(header.lower() == name for header, _ in self.headers)

    def _settled(self) -> LoadOptions:
        """Look into the environment for the server and the key, and see who logs in.

        Its key goes to its own server, or to OpenAI, and to nobody else; and gives way to a login.
        """
        found = self._at(self.base_url or _url_of_environment() or OPENAI_URL)
        key = self.api_key
        if key and found._has_login:
            raise UsageError(
                "there are two logins: 'api_key', and one in 'headers' or 'base_url'",
                hint="Give one, or name another header for the key with auth_header",
            )
        own_server = self.base_url is None or found.url == OPENAI_URL
        if key is None and own_server and not found._has_login:
            key = _key_of_environment()
        return replace(found, api_key=key or None)

    def _at(self, base_url: str) -> LoadOptions:
        """Return the same with a server, and with what is beside its address in its own place.

        A login goes into a header (RFC 7617), a query to the others.
        """
        parts = urlsplit(base_url)
        login, at, place = parts.netloc.rpartition("@")
        own = [("Authorization", _basic(login))] if at else []
        return replace(
            self,
            base_url=urlunsplit((parts.scheme, place, parts.path, "", "")),
            headers=(*self.headers, *own),
            query=(*parse_qsl(parts.query, keep_blank_values=True), *self.query),
        )


def _basic(login: str) -> str:
    user, _, password = login.partition(":")
    plain = f"{unquote(user)}:{unquote(password)}"
    return f"Basic {b64encode(plain.encode()).decode()}"


def _url_of_environment() -> str:
    url = os.environ.get("OPENAI_BASE_URL", "").strip()
    if url and not _is_url(url):
        raise UsageError(
            f"the variable OPENAI_BASE_URL is {_shown(url)}",
            hint=f"It must be {_RULES['base_url'][1]}",
        )
    return url


def _key_of_environment() -> Secret:
    key = Secret(os.environ.get("OPENAI_API_KEY", "").strip())
    if not _is_key(key):
        raise UsageError(
            "the variable OPENAI_API_KEY is ***", hint=f"It must be {_RULES['api_key'][1]}"
        )
    return key


def _unknown(name: str, names: list[str]) -> UsageError:
    hint = did_you_mean(name, names, f"It has {', '.join(names)}")
    return UsageError(f"openai has no option {name!r}", hint=hint)


def _wrong(name: str, value: object, expected: str) -> UsageError:
    shown = "***" if name == "api_key" else _shown(value)
    return UsageError(f"the option {name!r} is {shown}", hint=f"It must be {expected}")


def _shown(value: object) -> str:
    """Return a value for people, with a login in a URL masked."""
    return _LOGIN.sub("//***@", repr(value))


def _as_it_is(value: OptionValue) -> object:
    return value


def _secret(value: OptionValue) -> object:
    """Read a key, less the line end that came along when it was copied."""
    if isinstance(value, Secret):
        value = value.reveal()
    return Secret(value.strip()) if isinstance(value, str) else value


def _pairs(separator: str) -> Callable[[OptionValue], object]:
    def read(value: OptionValue) -> object:
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list | tuple):
            return value
        parts = [str(text).partition(separator) for text in several]
        return tuple((name.strip(), rest.strip()) for name, _, rest in parts)

    return read


_READERS: Mapping[str, Callable[[OptionValue], object]] = {
    "api_key": _secret,
    "headers": _pairs(":"),
    "query": _pairs("="),
}

_Rule: TypeAlias = tuple[Callable[[object], bool], str]


def _kind(*kinds: type, what: str) -> _Rule:
    def holds(value: object) -> bool:
        return value is None or (isinstance(value, kinds) and value != "")

    return holds, f"{what}, or left out"


def _flag(value: object) -> bool:
    return isinstance(value, bool)


def _whole(least: int, *, optional: bool = False) -> _Rule:
    def holds(value: object) -> bool:
        if value is None:
            return optional
        return isinstance(value, int) and not isinstance(value, bool) and value >= least

    return holds, f"a whole number of {least} or more"


def _seconds(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0  # type: ignore[arg-type, operator]


def _is_url(value: object) -> bool:
    if value is None:
        return True
    if not isinstance(value, str):
        return False
    try:
        parts = urlsplit(value)
        plain = parts.scheme in {"http", "https"} and not parts.fragment
        return plain and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _are_pairs(value: object) -> bool:
    return isinstance(value, tuple) and all(
        isinstance(pair, tuple) and len(pair) == 2 and all(pair) for pair in value
    )


def _is_object(value: object) -> bool:
    if value is None:
        return True
    try:
        return isinstance(value, str) and isinstance(json.loads(value), dict)
    except ValueError:
        return False


def _is_key(value: object) -> bool:
    """Whether a header can hold it: whatever refused another one later might tell it."""
    if not isinstance(value, Secret):
        return value is None
    return value.reveal().isascii() and value.reveal().isprintable()


_TEXT = _kind(str, what="a text")
_FLAG: _Rule = _flag, "True or False"
_SECONDS: _Rule = _seconds, "a number of seconds above 0"
_OPTIONAL_FLAG = _kind(bool, what="True or False")

_RULES: Mapping[str, _Rule] = {
    "base_url": (_is_url, "a URL such as 'http://127.0.0.1:8000/v1'"),
    "api_key": (_is_key, "a text of printable ASCII characters"),
    "auth_header": (lambda value: isinstance(value, str) and bool(value), "a header's name"),
    "organization": _TEXT,
    "project": _TEXT,
    "headers": (_are_pairs, "texts such as 'X-Title: mine'"),
    "query": (_are_pairs, "texts such as 'api-version=preview'"),
    "context_length": _whole(1, optional=True),
    "stream": _FLAG,
    "parallel": _whole(1, optional=True),
    "retries": _whole(0),
    "retry_wait": _SECONDS,
    "connect_timeout": _SECONDS,
    "read_timeout": _SECONDS,
    "proxy": _TEXT,
    "ca_file": _TEXT,
    "allow_incomplete": _FLAG,
    "cache_prompt": _OPTIONAL_FLAG,
    "id_slot": _whole(-1, optional=True),
    "return_progress": _OPTIONAL_FLAG,
    "chat_template_kwargs": (_is_object, "the text of a JSON object"),
    "reasoning_effort": _TEXT,
    "flavor": (lambda value: isinstance(value, str), "a flavor's name"),
}
