"""The demo in a real Chromium, served by the real command: keyboard, widths, modes, nonsense."""

import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from experiments.recommend.opened import open_run
from tests.browser import browser
from tests.listening import listening

pytestmark = pytest.mark.slow
SIZES = [(1440, 900, False), (1440, 900, True), (390, 844, False), (390, 844, True)]
LISTS = "document.querySelectorAll('#lists article').length === 3"
# Elements that stick out of the window, and texts that are cut off by their own box.
OVERFLOW = """
[...document.querySelectorAll('main *')].filter((node) => {
  const box = node.getBoundingClientRect();
  if (!box.width || getComputedStyle(node).visibility === 'hidden') return false;
  return box.right > innerWidth + 1 || box.left < -1 || node.scrollWidth > node.clientWidth + 2
    && getComputedStyle(node).overflowX !== 'visible' && node.clientWidth > 0;
}).map((node) => node.outerHTML.slice(0, 120))
"""
CONTRAST = """
(() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (node) => { for (; node; node = node.parentElement) {
    const c = parse(getComputedStyle(node).backgroundColor);
    if (c.length < 4 || c[3] > 0.9) return c; }
    return [255, 255, 255]; };
  return [...document.querySelectorAll('main *')].filter((node) => [...node.childNodes].some(
      (child) => child.nodeType === 3 && child.textContent.trim())
    && node.getBoundingClientRect().width).map((node) => {
      const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
      return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), node.outerHTML.slice(0, 100)];
    }).filter(([ratio]) => ratio < 4.5);
})()
"""


@pytest.fixture
def served(run_inline, small_config):
    """The address of the demo of a run, the process that serves it, and the run."""
    folder = run_inline(small_config())
    command = [sys.executable, "-m", "experiments.cli", "demo", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            yield re.search(r"http://127\.0\.0\.1:\d+/", line)[0], process, open_run(folder)
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0


def test_it_works_by_keyboard_at_all_widths_in_both_modes_and_asks_nobody_else(served, tmp_path):
    address, process, opened = served
    titles = opened.shared.catalog.titles
    with browser(tmp_path) as page:
        for width, height, dark in SIZES:
            page.open(address, width, height, dark=dark)
            page.until(LISTS)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            assert page.evaluate(OVERFLOW) == []
            assert page.evaluate(CONTRAST) == []
        # A user by the keyboard alone.
        page.evaluate("document.getElementById('user').select()")
        page.evaluate("document.getElementById('user').focus()")
        page.type("u1")
        page.until("document.querySelectorAll('#user-options li').length > 1")
        page.press("ArrowDown")
        page.press("Enter")
        page.until("document.querySelector('#history').innerText.startsWith('u10 had')")
        first = opened.shared.recommend("u10", 1)[0].title
        page.until(f"document.querySelector('#lists li').innerText.includes({first!r})")
        # The first Tab from there goes on to the titles: a history of two items.
        page.press("Tab")
        assert page.evaluate("document.activeElement.id") == "item"
        for title in (titles[4], titles[9]):
            page.type(title[:12])
            page.until("!document.getElementById('item-options').hidden")
            page.press("Enter")
            page.until("document.getElementById('item').value === ''")
        page.until("document.querySelectorAll('#history .chip').length === 2")
        page.until(LISTS)
        # A new item, sent by Enter in its title.
        page.evaluate("document.getElementById('title').focus()")
        page.type("<img src=x onerror=document.title='hacked'>")
        page.press("Enter")
        page.until("document.querySelectorAll('#placed article').length === 2")
        assert "hacked" not in page.evaluate("document.title")
        assert page.complaints == []
        assert {url.split("/")[2] for url in page.requests if not url.startswith("data:")} == {
            address.split("/")[2]
        }
        assert page.evaluate("document.documentElement.outerHTML.length") < 1_000_000
    assert listening([process.pid]) == [address.split("/")[2]]


def test_it_survives_much_nonsense_at_once_and_keeps_its_port(served):
    address, _, opened = served

    def nonsense(number: int) -> int:
        path = ("api/lists", "api/new-item", "api/items?q=" + "x" * 999, "%00", "../..")[number % 5]
        body = (b"{", b'{"user": ' + b"9" * 4000 + b"}", b"\xff" * 99)[number % 3]
        request = urllib.request.Request(address + path, data=body)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code if refused.headers["content-type"] == "application/json" else 0

    with ThreadPoolExecutor(20) as many:
        codes = list(many.map(nonsense, range(600)))
    assert set(codes) <= {400, 404, 405, 413, 422}
    with urllib.request.urlopen(address + "api/users?q=u1", timeout=60) as answer:
        assert answer.status == 200
    # Nobody else gets its port.
    port = address.rstrip("/").rpartition(":")[2]
    command = [sys.executable, "-m", "experiments.cli", "demo", str(opened.run.folder)]
    done = subprocess.run([*command, "--port", port], capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert f"--port {port}: Address already in use" in done.stderr
    assert len(done.stderr.splitlines()) == 1
