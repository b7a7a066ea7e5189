"""A headless Chromium, driven by its remote debugging protocol."""

import contextlib
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--hide-scrollbars", "--remote-debugging-port=0"),
)
PATIENCE = 120  # seconds for a step on a busy machine


class Page:
    """One tab.

    Args:
        socket: Its debugging connection.
    """

    def __init__(self, socket: Any) -> None:
        self.socket, self.number = socket, 0
        self.requested: list[str] = []
        self.problems: list[str] = []

    def call(self, method: str, **values: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": values}))
        while True:
            message = json.loads(self.socket.recv(timeout=PATIENCE))
            if message.get("id") == self.number:
                assert "error" not in message, message
                return message["result"]
            self._note(message)

    def _note(self, event: dict[str, Any]) -> None:
        kind, values = event.get("method"), event.get("params", {})
        if kind == "Network.requestWillBeSent":
            self.requested.append(values["request"]["url"])
        if kind == "Runtime.exceptionThrown":
            self.problems.append(str(values["exceptionDetails"]))
        if kind == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.problems.append(str(values["entry"]))

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def until(self, script: str) -> Any:
        """Wait until an expression in the page is true."""
        end = time.monotonic() + PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, (
                script,
                self.problems,
                self.run("document.body.innerText"),
            )
            time.sleep(0.05)
        return value

    def type(self, text: str) -> None:
        """Type as a keyboard does, into what has the focus."""
        self.call("Input.insertText", text=text)

    def press(self, key: str, code: int) -> None:
        """Press and release a key."""
        for kind in ("keyDown", "keyUp"):
            text = "\r" if key == "Enter" and kind == "keyDown" else ""
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code, text=text
            )

    def open(self, address: str, width: int, height: int, *, dark: bool = False) -> None:
        """Load a page at a size of the window, in light or dark mode."""
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=address)
        self.until("document.readyState === 'complete'")


@contextlib.contextmanager
def chromium(folder: Path) -> Iterator[Page]:
    """A new Chromium with a profile of its own in a folder."""
    from websockets.sync.client import connect

    assert CHROMIUM is not None
    command = [CHROMIUM, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = _port(folder / "DevToolsActivePort")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json", timeout=PATIENCE) as found:
                tabs = json.load(found)
            address = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
            with connect(address, max_size=None, open_timeout=PATIENCE) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE)


def _port(path: Path) -> int:
    end = time.monotonic() + PATIENCE
    while not path.exists() or not path.read_text().strip():
        assert time.monotonic() < end
        time.sleep(0.05)
    return int(path.read_text().split()[0])
