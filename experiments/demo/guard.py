"""What a request must be before anything reads it: to this machine, of a bounded size."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

LARGEST = 64 << 10  # bytes of a body
HOSTS = ("127.0.0.1", "localhost", "[::1]")

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

# The page, its style and its script come from here and nothing else does; no other page may frame
# it, and a browser that was sent here by a foreign name is refused (DNS rebinding).
POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


class Guard:
    """Refuse foreign hosts and origins and large bodies; add the headers of safety to answers.

    Args:
        app: The application behind it.
    """

    def __init__(self, app: App) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        headers = {
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        }
        if problem := _problem(headers):
            await _refuse(send, *problem)
            return
        body = await _body(receive)
        if body is None:
            await _refuse(send, 413, f"a request may hold {LARGEST:,} bytes at most")
            return
        await self.app(scope, _again(body, receive), _with_headers(send))


def _problem(headers: dict[str, str]) -> tuple[int, str] | None:
    host = headers.get("host", "")
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdigit() else host
    if name not in HOSTS:
        return 421, "this page answers on 127.0.0.1 alone"
    origin = headers.get("origin")
    if origin is not None and origin != f"http://{host}":
        return 403, "another site's page may not ask here"
    return None


async def _body(receive: Receive) -> bytes | None:
    """The whole body; None where it is too large."""
    body = b""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return body
        body += message.get("body", b"")
        if len(body) > LARGEST:
            return None
        if not message.get("more_body"):
            return body


def _again(body: bytes, receive: Receive) -> Receive:
    """Hand a body on that has been read."""
    waiting = [body]

    async def handed() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return handed


def _with_headers(send: Send) -> Send:
    async def sending(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            message["headers"] = [*message.get("headers", []), *added]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, error: str) -> None:
    content = json.dumps({"error": error}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    await _with_headers(send)(start)
    await send({"type": "http.response.body", "body": content})
