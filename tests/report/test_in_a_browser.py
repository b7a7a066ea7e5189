"""Both pages in a headless Chromium: at two widths, in light and dark, by keyboard."""

import pytest

import fedrec
from fedrec.report.page import write_report
from tests.browser import browser
from tests.report.comparison.conftest import two_groups, write_run
from tests.run_folders import metric_cells

__all__ = ["two_groups", "write_run"]

EVIL = "<script>document.title='evil'</script>"
LONG = f"{EVIL} a very long title of a run that nobody would type but a program made " * 2
WIDTHS = (1440, 390)

# Panels whose drawing reaches beyond what is shown of it, and texts that lie on each other.
CUT = """[...document.querySelectorAll('figure .panels svg')].flatMap(svg => {
  const view = svg.viewBox.baseVal, box = svg.getBBox(), name = svg.getAttribute('aria-label');
  const out = Math.max(view.x - box.x, view.y - box.y, box.x + box.width - view.x - view.width,
                       box.y + box.height - view.y - view.height);
  return out > 3 ? [`${name}: ${out.toFixed(1)}`] : [];
})"""
OVERLAPS = """[...document.querySelectorAll('figure .panels svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('[id*="-text_"]')].map(t => t.getBoundingClientRect())
    .filter(r => r.width && r.height);
  const found = [];
  texts.forEach((a, i) => texts.slice(i + 1).forEach(b => {
    const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
    const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
    if (wide > 1.5 && high > 1.5) found.push(`${svg.getAttribute('aria-label')}: ${wide} ${high}`);
  }));
  return found;
})"""
SMALLEST = """Math.min(...[...document.querySelectorAll('figure .panels svg')].map(
  svg => 8 * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"""
EMPTY_ROWS = """[...document.querySelectorAll('tr')].filter(r => !r.textContent.trim()).length"""
WIDE = "document.documentElement.scrollWidth - window.innerWidth"
COLOURS = """[getComputedStyle(document.body).backgroundColor,
  getComputedStyle(document.querySelector('figure')).backgroundColor,
  getComputedStyle(document.querySelector('figure svg [id*="text_"] g')).fill]"""


def light(colour):
    """Whether a colour such as "rgb(1, 2, 3)" is nearer to white than to black."""
    values = [int(float(part)) for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    return sum(values) > 384


@pytest.fixture(scope="module")
def pages():
    return {}


@pytest.fixture
def page_of(request, pages, make_run, two_groups, tmp_path):
    """``page_of(name)``: a page that is written once."""

    def report():
        size = {"rounds": 4, "users": 120, "partitions": 12}
        local = make_run("local", **size, about={"engine": "baseline (local-only)"})
        other = make_run("other", **size, about={"name": LONG})
        baselines = {"popularity": {"validation": metric_cells(0.04), "test": metric_cells(0.04)}}
        return write_report(
            make_run(**size, about={"name": LONG}, metrics={"baselines": baselines}),
            [local, other],
        )

    def comparison():
        about = {"name": LONG, "data": {"name": EVIL, "hash": "1"}}
        return fedrec.compare(two_groups(3, about=about)).save(tmp_path / "out")

    made = {"report": report, "comparison": comparison}
    return lambda name: pages.setdefault(name, made[name]())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report", "comparison"])
def test_a_page_fits_every_screen_and_asks_for_nothing(page_of, tmp_path, name):
    path = page_of(name)
    assert path.stat().st_size < 1_000_000
    with browser(tmp_path) as page:
        for width in WIDTHS:
            for dark in (False, True):
                page.open(path.as_uri(), width, dark=dark)
                assert page.evaluate(WIDE) <= 0
                assert page.evaluate(CUT) == []
                assert page.evaluate(OVERLAPS) == []
                assert page.evaluate(SMALLEST) > 8.5  # pixels of the smallest letters
                assert page.evaluate(EMPTY_ROWS) == 0
                assert [light(colour) for colour in page.evaluate(COLOURS)] == (
                    [False, False, True] if dark else [True, True, False]
                )
                assert "evil" not in page.evaluate("document.title")[:5]
        assert set(page.requests) == {path.as_uri()}
        assert page.complaints == []


@pytest.mark.slow
def test_the_report_is_used_by_keyboard(page_of, tmp_path):
    path = page_of("report")
    focused = "document.activeElement.className || document.activeElement.tagName"
    with browser(tmp_path) as page:
        page.open(path.as_uri(), 1440)
        page.press("Tab")
        assert page.evaluate(focused) == "skip"
        assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        seen = set()
        for _ in range(60):
            page.press("Tab")
            seen.add(page.evaluate(focused))
        assert {"SUMMARY", "sheet"} <= seen  # what folds, and what scrolls
