"""A stub of an OpenAI-compatible server on loopback, with every fault of the real ones."""

import hashlib
import json
import re
import threading
from collections import defaultdict
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FINAL = ("too-long", "refused")
ANSWERED = ("good", "missing-key", "no-json", "cut", "loop")
FAULTS = (
    *("rate-limit", "daily-quota", "server", "overloaded-html", "closed", "slow", "cut-body"),
    *("not-json", "wrong-shape", "error-as-answer", "error-with-200", *FINAL, *ANSWERED[1:]),
)


def pseudo(*parts: object) -> str:
    """A word of its own for each of its arguments."""
    digest = hashlib.sha256(repr(parts).encode()).digest()
    return "".join("bdfgklmnprstvz"[d % 14] + "aeiou"[d % 5] for d in digest[:4])


def good_answer(item: str) -> str:
    """A good answer that no other item has."""
    word = [pseudo(item, place) for place in range(9)]
    return json.dumps(
        {
            "usage": f"Worn by {word[0]} people at {word[1]} {word[2]} markets.",
            "intent": f"To keep {word[3]} dry until {word[4]} {word[5]} arrives.",
            "theme": f"Old {word[6]} towns with {word[7]} and {word[8]}.",
        }
    )


BAD = {
    "missing-key": '{"usage": "Worn at quiet harbour markets."}',
    "no-json": "Here are your signals, as you asked for them:",
    "cut": '{"usage": "Worn at quiet harbour markets and',
    "loop": '{"usage": "A hero who is a hero.", "intent": "A hero.", "theme": "A hero."}',
}


@dataclass
class Stub:
    """What the stub does and what it has seen.

    Attributes:
        script: Item and number of its call, from 0 on -> a fault or "good".
        seen: Item -> (fault or "good", last message, idempotency key) of each call.
        headers: Headers of all calls.
    """

    script: Callable[[str, int], str] = lambda item, call: "good"
    seen: dict[str, list[tuple[str, str, str]]] = field(default_factory=lambda: defaultdict(list))
    headers: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    release: threading.Event = field(default_factory=threading.Event)
    address: str = ""

    @property
    def calls(self) -> int:
        """How many calls there were."""
        return sum(map(len, self.seen.values()))

    def take(self, body: dict, headers: dict[str, str]) -> tuple[str, str]:
        """Note a call; its item and what happens to it."""
        question = body["messages"][-1]["content"]
        item = re.search(r"<item>\n(.*?)\n</item>", question, re.S)[1]
        with self.lock:
            kind = self.script(item, len(self.seen[item]))
            self.seen[item].append((kind, question, headers.get("Idempotency-Key", "")))
            self.headers.append(headers)
        return item, kind


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    stub: Stub

    def log_message(self, *arguments):
        pass

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        body = json.loads(content)
        item, kind = self.stub.take(body, dict(self.headers))
        if kind == "slow":
            self.stub.release.wait(5)
        if kind in ("closed", "slow"):
            self.close_connection = True
            return
        read = sum(len(message["content"]) for message in body["messages"]) // 4
        self.answer(kind, item, read)

    def answer(self, kind, item, read):
        errors = {
            "rate-limit": (429, "Rate limit reached for requests per min", "rate_limit_exceeded"),
            "daily-quota": (429, "You exceeded your current quota", "insufficient_quota"),
            "server": (500, "The server had an error", "server_error"),
            "too-long": (400, "maximum context length is 8192 tokens", "context_length_exceeded"),
            "error-with-200": (200, "Upstream failed", "server_error"),
        }
        if kind in errors:
            status, message, code = errors[kind]
            error = {"error": {"message": message, "type": code, "code": code}}
            self.send(status, json.dumps(error), {"Retry-After": "0"} if status == 429 else {})
            return
        if kind in ("overloaded-html", "not-json"):
            self.send(503 if kind == "overloaded-html" else 200, "<html>busy</html>")
            return
        if kind == "wrong-shape":
            self.send(200, '{"choices": []}')
            return
        text = BAD.get(kind, good_answer(item))
        text = "Rate limit exceeded, try again." if kind == "error-as-answer" else text
        finish = {"cut": "length", "refused": "content_filter"}.get(kind, "stop")
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
        usage = {"prompt_tokens": read, "completion_tokens": len(text) // 4}
        self.send(200, json.dumps({"choices": [choice], "usage": usage}), cut=kind == "cut-body")

    def send(self, status, text, headers=None, *, cut=False):
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:20] if cut else content)
        self.close_connection = self.close_connection or cut


@contextmanager
def serving(stub):
    """Serve a stub on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Served", (Handler,), {"stub": stub}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    stub.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield stub
    finally:
        stub.release.set()
        server.shutdown()
        thread.join()
        server.server_close()
