"""Connection: one server, one pool of connections, and what goes wrong on the way to it.

This is the one module that knows the client; it takes half a second to import.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any, Final

import anyio
import httpx2
import openai
from openai import AsyncOpenAI, AsyncStream, RequestOptions
from penstock.errors import (
    ConnectionFailed,
    GenerationError,
    IncompleteStream,
    MalformedAnswer,
    UsageError,
)

from penstock_openai.faults import Fault
from penstock_openai.options import LoadOptions

__all__ = ["Connection", "Opened", "transport_error"]

_OUTSIDE: Final = (openai.OpenAIError, httpx2.RequestError, httpx2.InvalidURL)
"""What the client and its transport raise."""

_HUNG_UP: Final = "ServerDisconnectedError"
_NAME: Final = re.compile(r"\w+Error")

AUTHORIZATION: Final = "authorization"

KEPT_OPEN: Final = 100
"""Connections kept for the next requests; each costs a file descriptor here and there."""


class Opened(AsyncStream[object]):
    """The head of an answer is here, its body is not. Only `response` is ours to use."""

    def __init__(self, *, response: httpx2.Response, **_: Any) -> None:
        self.response = response


class Connection:
    """A server, as one key sees it.

    `on_asyncio` says that an asyncio loop will use it: aiohttp reads a chunk there in half the
    time, and is taken where it is installed.
    """

    def __init__(self, options: LoadOptions, *, on_asyncio: bool) -> None:
        self._options = options
        self._client = _client(options, on_asyncio=on_asyncio)
        access = _access(options)
        self._asking: RequestOptions = {"headers": access}
        # A stream is read as it is: what compresses it holds it back, and costs more than it saves.
        self._streaming: RequestOptions = {"headers": {**access, "Accept-Encoding": "identity"}}

    async def open(self, path: str, body: Mapping[str, object]) -> httpx2.Response:
        """Post `body`; return the answer once its head is there, to be read and closed.

        Raises `GenerationError`s: what the server says, or what broke on the way to it.
        """
        try:
            opened = await self._client.post(
                path,
                cast_to=object,
                body=body,
                options=self._streaming,
                stream=True,
                stream_cls=Opened,
            )
        except _OUTSIDE as error:
            made, cause = self._meant(error)
        else:
            return opened.response
        raise made from cause

    async def ask(
        self, method: str, url: str, body: Mapping[str, object] | None = None
    ) -> tuple[Any, Mapping[str, str]]:
        """Return a JSON answer and its headers; `url` may be a path below the base URL.

        Raises as `open` does, and `MalformedAnswer` for what is not JSON.
        """
        try:
            response = await self._sent(method, url, body)
        except _OUTSIDE as error:
            made, cause = self._meant(error)
        else:
            return _json_of(response), response.headers
        raise made from cause

    async def _sent(
        self, method: str, url: str, body: Mapping[str, object] | None
    ) -> httpx2.Response:
        if method == "GET":
            return await self._client.get(url, cast_to=httpx2.Response, options=self._asking)
        return await self._client.post(
            url, cast_to=httpx2.Response, body=body, options=self._asking
        )

    def hidden(self, text: str) -> str:
        """Return `text` without key and login: servers repeat them when they refuse them."""
        for secret in self._options.secrets:
            text = secret.hidden_in(text)
        return text

    def told(self, fault: Fault, status: int | None, headers: Mapping[str, str]) -> GenerationError:
        """Return the error that a server's words mean, the key not among them."""
        fault.message = self.hidden(fault.message)
        return fault.error(status, headers)

    async def aclose(self) -> None:
        """Close every connection."""
        with anyio.CancelScope(shield=True):
            await self._client.close()

    def _meant(self, error: Exception) -> tuple[GenerationError, Exception | None]:
        """Return what `error` is to Penstock, and its cause: itself, unless that tells the key.

        To be raised outside of the handler: an error keeps what was being handled when it was born.
        """
        if isinstance(error, openai.APIStatusError):
            body = error.body if error.body is not None else error.response.text
            made = self.told(Fault.of(body), error.status_code, error.response.headers)
            said = f"{error} {error.body!r}"
            return made, error if self.hidden(said) == said else None
        cause = error.__cause__ if isinstance(error, openai.OpenAIError) else None
        return transport_error(cause or error), error


def _json_of(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError as error:
        kind = response.headers.get("content-type", "no content type")
        raise MalformedAnswer(f"{response.url} answered with {kind}, not with JSON") from error


def transport_error(error: BaseException) -> GenerationError:
    """Return the error of Penstock for one of the transport's."""
    said = next(filter(None, map(str, _chain(error))), type(error).__name__)
    behind = {type(one).__name__ for one in _chain(error)}
    # aiohttp tells of a reset in words only
    if "ConnectionResetError" in {*behind, *_NAME.findall(said)} or _HUNG_UP in behind:
        return ConnectionFailed(f"the connection broke: {said}")
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.ProxyError):
        hint = "Is the server running, and is the option 'base_url' right?"
        return ConnectionFailed(f"the server cannot be reached: {said}", hint=hint)
    if isinstance(error, httpx2.TimeoutException):
        return ConnectionFailed(
            "the server was silent for too long", hint="The option 'read_timeout' says how long"
        )
    if isinstance(error, httpx2.RemoteProtocolError) or "ClientPayloadError" in behind:
        return IncompleteStream(f"the server hung up in the middle of its answer: {said}")
    return ConnectionFailed(f"the connection broke: {said}")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error and all behind it: what happened is told by the one that was first."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _client(options: LoadOptions, *, on_asyncio: bool) -> AsyncOpenAI:
    client = AsyncOpenAI(
        api_key="unused",  # the key is in the headers of each request
        base_url=options.url,
        max_retries=0,  # ours are counted, and keep to the deadlines
        default_headers={n: v for n, v in options.headers if n.lower() != AUTHORIZATION},
        default_query=dict(options.query),
        http_client=_transport(options, on_asyncio=on_asyncio),
    )
    # The client would take these from the environment, whoever the server is.
    client.organization, client.project = options.organization, options.project
    return client


def _access(options: LoadOptions) -> dict[str, str | openai.Omit]:
    """Return the header that opens the door, in the form this server wants.

    Without a key, a header of the user's own may: a proxy in front of the server wants a login.
    """
    key, name = options.api_key, options.auth_header
    if key is not None and name.lower() == AUTHORIZATION:
        return {"Authorization": f"Bearer {key.reveal()}"}
    own = [value for header, value in options.headers if header.lower() == AUTHORIZATION]
    access = {"Authorization": own[-1] if own else openai.Omit()}
    return access if key is None else {**access, name: key.reveal()}


def _transport(options: LoadOptions, *, on_asyncio: bool) -> httpx2.AsyncClient:
    fast = on_asyncio and find_spec("aiohttp") is not None
    most = 0 if fast else None  # without limit, to one and to the other
    kind = openai.DefaultAioHttpClient if fast else httpx2.AsyncClient
    return kind(
        timeout=httpx2.Timeout(options.read_timeout, connect=options.connect_timeout, pool=None),
        limits=httpx2.Limits(max_connections=most, max_keepalive_connections=KEPT_OPEN),
        event_hooks={"request": [_key_at_home(options)]},
        proxy=options.proxy,
        trust_env=not options.is_local,  # no proxy knows the way to this machine
        verify=_trust(options),
        follow_redirects=True,
    )


def _key_at_home(options: LoadOptions) -> Callable[[httpx2.Request], Awaitable[None]]:
    """Return what takes the key out of a request that a redirect sends to another server.

    The client does so by itself with `Authorization` alone.
    """
    home = httpx2.URL(options.url)

    async def guard(request: httpx2.Request) -> None:
        if not _is_same(home, request.url):
            request.headers.pop(options.auth_header, None)

    return guard


def _is_same(home: httpx2.URL, url: httpx2.URL) -> bool:
    """Whether a URL is of the server at `home`, or of the same one by TLS."""
    encrypted = home.scheme == "http" and url.scheme == "https" and home.port is url.port is None
    return home.origin == url.origin or (home.host == url.host and encrypted)


def _trust(options: LoadOptions) -> ssl.SSLContext | bool:
    """Whom to believe. To read the system's certificates takes 20 ms, for nothing without TLS."""
    if options.ca_file is not None:
        try:
            return ssl.create_default_context(cafile=options.ca_file)
        except OSError as error:  # which ssl.SSLError is too
            raise UsageError(
                f"the option 'ca_file' is {options.ca_file!r}, which cannot be used: {error}",
                hint="Name a file of certificates in PEM",
            ) from error
    if options.url.startswith("https:"):
        return True
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, should a redirect lead to TLS
