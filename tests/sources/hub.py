"""A server here that speaks as much of the hub as its client asks for, and misbehaves."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_right"
CHUNK = 64 * 1024


class Hub:
    """Repositories of files, and plain files beside them.

    repos     owner/repo → file name → bytes
    plain     path → bytes, for those who ask as of any web server
    gated     repositories that only TOKEN opens
    status    answered to everything, if set
    cuts      how many of the next bodies end early, after `cut_after` bytes
    pace      seconds between two chunks of a body
    wrong     bodies are not what their tags say
    lengths   whether bodies are announced with their length
    tags      whether files have a tag
    heeds     whether `If-Range` is looked at
    ranges    whether a part may be asked for
    redirect  where plain files are said to be instead
    store     where the files of repositories are said to be instead: its URL
    keys      the Authorization of each request
    asked     what was asked for: method, path, and where the range begins, or None
    """

    def __init__(self) -> None:
        self.repos: dict[str, dict[str, bytes]] = {}
        self.plain: dict[str, bytes] = {}
        self.gated: set[str] = set()
        self.status: int | None = None
        self.cuts = 0
        self.cut_after = 1_000_000
        self.pace = 0.0
        self.wrong = False
        self.lengths = True
        self.ranges = True
        self.tags = True
        self.heeds = True
        self.redirect: str | None = None
        self.store: str | None = None
        self.keys: list[str | None] = []
        self.asked: list[tuple[str, str, int | None]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def bodies(self) -> list[int | None]:
        """Where each request for a body began."""
        return [
            begin for method, path, begin in self.asked if method == "GET" and "api" not in path
        ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Handler(_Answering):
        served = hub

    return Handler


class _Answering(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer()

    def do_GET(self) -> None:
        self.answer()

    def log_message(self, *_: object) -> None:
        pass

    def answer(self) -> None:
        hub, path = self.served, unquote(urlsplit(self.path).path)
        hub.asked.append((self.command, path, self.begin()))
        hub.keys.append(self.headers.get("Authorization"))
        if hub.status is not None:
            self.refuse(hub.status, "")
        elif path in hub.plain:
            if hub.redirect is not None:
                self.reply(302, {"Location": hub.redirect})
            else:
                self.file(hub.plain[path])
        elif found := re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path):
            self.listing(found[1], found[2] or "main")
        elif found := re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path):
            self.resolve(*found.groups())
        else:
            self.refuse(404, "")

    def listing(self, repo: str, revision: str) -> None:
        if self.may(repo, revision):
            files = [{"rfilename": name} for name in self.served.repos[repo]]
            body = json.dumps({"id": repo, "sha": COMMIT, "siblings": files}).encode()
            self.reply(200, {"Content-Type": "application/json"}, body)

    def resolve(self, repo: str, revision: str, name: str) -> None:
        if not self.may(repo, revision):
            return
        if name not in self.served.repos[repo]:
            self.refuse(404, "EntryNotFound", {"X-Repo-Commit": COMMIT})
        elif self.served.store is not None:
            body = self.served.repos[repo][name]
            linked = {
                "Location": f"{self.served.store}/files/{name}",
                "X-Linked-Etag": f'"{hashlib.sha256(body).hexdigest()}"',
                "X-Linked-Size": str(len(body)),
                "X-Repo-Commit": COMMIT,
            }
            self.reply(302, linked)
        else:
            self.file(self.served.repos[repo][name])

    def may(self, repo: str, revision: str) -> bool:
        given = self.headers.get("Authorization")
        if given not in (None, f"Bearer {TOKEN}"):
            message = {"X-Error-Message": "Invalid credentials in Authorization header"}
            self.refuse(401, "", message)
        elif repo not in self.served.repos:
            self.refuse(404 if given else 401, "RepoNotFound")
        elif repo in self.served.gated and given is None:
            self.refuse(401, "GatedRepo")
        elif revision not in ("main", COMMIT):
            self.refuse(404, "RevisionNotFound")
        else:
            return True
        return False

    def file(self, body: bytes) -> None:
        tag = hashlib.sha256(body).hexdigest()
        if self.served.wrong:
            body = bytes(len(body))
        headers = {"ETag": f'"{tag}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if not self.served.tags:
            del headers["ETag"]
        begin = self.begin() if self.served.ranges else None
        wanted = self.headers.get("If-Range", f'"{tag}"')
        if begin is None or (self.served.heeds and wanted != f'"{tag}"'):
            self.reply(200, headers, body)
        elif begin >= len(body):
            self.reply(416, headers | {"Content-Range": f"bytes */{len(body)}"})
        else:
            there = f"bytes {begin}-{len(body) - 1}/{len(body)}"
            self.reply(206, headers | {"Content-Range": there}, body[begin:])

    def begin(self) -> int | None:
        found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        return int(found[1]) if found else None

    def refuse(self, status: int, code: str, more: dict[str, str] | None = None) -> None:
        self.reply(status, ({"X-Error-Code": code} if code else {}) | (more or {}))

    def reply(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        if self.served.lengths or self.command == "HEAD":
            headers = headers | {"Content-Length": str(len(body))}
        else:
            headers = headers | {"Connection": "close"}
        for key, value in headers.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.send(body)
            except OSError:  # the other side has left
                self.close_connection = True

    def send(self, body: bytes) -> None:
        hub, end = self.served, len(body)
        if hub.cuts > 0 and end > hub.cut_after:
            hub.cuts -= 1
            end = hub.cut_after
            self.close_connection = True
        for at in range(0, end, CHUNK):
            self.wfile.write(body[at : min(at + CHUNK, end)])
            if hub.pace:
                time.sleep(hub.pace)
