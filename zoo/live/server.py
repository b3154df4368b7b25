"""The server: pages of runs for a browser, read only, on this machine alone unless told otherwise.

It is the standard library's: a handful of readers need no more, and nothing has to be installed for it. A page made
for an address that is not its own is refused, so that no other site can have a name lead here and read; told to listen
to other machines, it wants a token of every reader.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import parse_qs, urlencode, urlsplit

from zoo.pages.page import script

LOOPBACK = "127.0.0.1"
STREAMS = 16
"""Readers whose pages are kept up to date at a time."""
EVERY = 1.0
"""Seconds between two looks of a page that is kept up to date."""
QUIET = 15.0
"""Seconds after which an open connection says that it is still there."""
TIMEOUT = 30.0
"""Seconds that a reader has for a request."""
Query = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader gets: text of a kind, by default a page."""

    text: str
    kind: str = "text/html; charset=utf-8"


class Site(Protocol):
    """What is served. Its methods are called by several threads at once."""

    def scripts(self) -> list[str]:
        """The scripts that its pages may run, besides the one of every page."""

    def answer(self, path: str, query: Query) -> Answer | None:
        """What lies at a path; None: nothing."""

    def events(self, path: str) -> Iterator[tuple[str, Any]] | None:
        """What happens at a path without end: names with data, the same ones again where nothing has changed."""


class Server(ThreadingHTTPServer):
    """Serves a site until it is closed.

    Args:
        site: to serve.
        host: to listen at; another one than the loopback addresses makes a token.
        port: to listen at; 0: any that is free.

    Raises:
        ValueError: for a port out of range.
        OSError: where nothing can be served there.
    """

    daemon_threads = True

    def __init__(self, site: Site, host: str = LOOPBACK, port: int = 0) -> None:
        if not 0 <= port <= 65535:
            raise ValueError(f"port: expected 0 to 65535, got {port}")
        self.site, self.stopped = site, threading.Event()
        self.token = "" if is_loopback(host) else secrets.token_urlsafe(24)
        self.streams = threading.BoundedSemaphore(STREAMS)
        allowed = " ".join(f"'sha256-{_digest(text)}'" for text in [script(), *site.scripts()])
        self.policy = (
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; connect-src 'self'; "
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
        )
        super().__init__((host, port), _Handler)
        self.host = host

    @property
    def address(self) -> str:
        """Where a browser finds it, with the token where there is one."""
        port = self.server_address[1]
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{port}/" + (f"?{urlencode({'token': self.token})}" if self.token else "")

    def knows(self, named: str) -> bool:
        """Whether a request's Host is an address of this server; any will do where readers show a token."""
        if self.token:
            return True
        try:
            parts = urlsplit(f"//{named}")
            port = parts.port or 80
        except ValueError:
            return False
        return port == self.server_address[1] and is_loopback(parts.hostname or "")

    def close(self) -> None:
        """Serve no more."""
        self.stopped.set()
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A reader who goes away in the middle is no error."""


class _Handler(BaseHTTPRequestHandler):
    server: Server
    server_version, sys_version = "thriftnas", ""
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query, keep_blank_values=True)
        if not self.server.knows(self.headers.get("Host", "")):
            self._refuse(421, "this address is not served here")
        elif not self._admitted(query):
            self._refuse(403, "expected the token of the address that the command has printed")
        elif "token" in query:
            self._enter(parts.path, {name: values for name, values in query.items() if name != "token"})
        elif (happening := self.server.site.events(parts.path)) is not None:
            self._stream(happening)
        else:
            try:
                found = self.server.site.answer(parts.path, query)
            except ValueError as error:
                self._refuse(400, str(error))
                return
            if found is None:
                self._refuse(404, "nothing is here")
            else:
                self._send(200, found)

    do_HEAD = do_GET  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a terminal that shows a run is no place for it."""

    def _admitted(self, query: Query) -> bool:
        if not self.server.token:
            return True
        try:
            held = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie)
        except CookieError:
            held = None
        shown = query.get("token", [""])[0] or (held.value if held else "")
        return hmac.compare_digest(shown.encode(), self.server.token.encode())

    @property
    def _cookie(self) -> str:
        return f"thriftnas-{self.server.server_address[1]}"

    def _enter(self, path: str, query: Query) -> None:
        """The token goes from the address into a cookie, so that no bookmark and no history has it."""
        self.send_response(303)
        there = f"/{path.lstrip('/')}"
        self.send_header("Location", f"{there}?{urlencode(query, doseq=True)}" if query else there)
        self.send_header("Set-Cookie", f"{self._cookie}={self.server.token}; Path=/; HttpOnly; SameSite=Strict")
        self._headers({"Content-Length": "0"})

    def _send(self, code: int, answer: Answer) -> None:
        body = answer.text.encode()
        self.send_response(code)
        self._headers({"Content-Type": answer.kind, "Content-Length": str(len(body))})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, code: int, reason: str) -> None:
        self._send(code, Answer(f"{reason}\n", "text/plain; charset=utf-8"))

    def _headers(self, more: Mapping[str, str]) -> None:
        always = {
            "Content-Security-Policy": self.server.policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        }
        for name, value in {**always, **more}.items():
            self.send_header(name, value)
        self.end_headers()

    def _stream(self, happening: Iterator[tuple[str, Any]]) -> None:
        """Server-sent events: what has changed, as often as somebody looks."""
        if not self.server.streams.acquire(blocking=False):
            self._refuse(503, f"{STREAMS} pages are kept up to date already")
            return
        try:
            self.close_connection = True
            self.send_response(200)
            self._headers({"Content-Type": "text/event-stream", "Connection": "close"})
            told: dict[str, str] = {}
            quiet = 0.0
            while self.command != "HEAD" and not self.server.stopped.is_set():
                name, data = next(happening)
                text = json.dumps(data)
                if told.get(name) != text:
                    told[name], quiet = text, 0.0
                    self.wfile.write(f"event: {name}\ndata: {text}\n\n".encode())
                elif quiet >= QUIET:
                    quiet = 0.0
                    self.wfile.write(b": still here\n\n")
                self.wfile.flush()
                self.server.stopped.wait(EVERY)
                quiet += EVERY
        except (ConnectionError, TimeoutError):
            pass  # the reader has gone
        finally:
            self.server.streams.release()


def is_loopback(host: str) -> bool:
    """Whether a host is this machine as only itself sees it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
