"""The style sheet of every page: light, dark, on a phone, on paper, by keyboard."""

from fedrec.report.figures.palette import dark_rules

STYLE = (
    """
:root {
  color-scheme: light dark;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1f2933; --muted: #5f6b7a; --line: #e1e5ea;
  --accent: #0072b2; --good: #00704f; --warn: #8a5a00; --bad: #b3261e;
  --warn-paper: #fff6e0; --bad-paper: #fdeceb; --good-paper: #e6f5ef;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #12161b; --card: #1b2128; --ink: #e6e9ed; --muted: #9aa5b1; --line: #2e3640;
    --accent: #63b3e4; --good: #5fd0a5; --warn: #f0be5a; --bad: #ff8d85;
    --warn-paper: #2f2713; --bad-paper: #351b1a; --good-paper: #14302a;
  }
"""
    + dark_rules()
    + """\
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
main { max-width: 1000px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 44px 0 8px; }
h3 { font-size: 15px; margin: 24px 0 8px; }
p { margin: 6px 0 10px; max-width: 46em; overflow-wrap: anywhere; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -999px; }
.skip:focus { left: 12px; top: 8px; padding: 6px 12px; background: var(--card); z-index: 1; }
.muted, figcaption, th { color: var(--muted); }
.opening { font-size: 17px; margin: 14px 0 6px; max-width: 44em; }
.status { font-size: 13px; font-weight: 600; padding: 2px 10px; border-radius: 999px;
  vertical-align: middle; white-space: nowrap; background: var(--warn-paper); color: var(--warn); }
.done { background: var(--good-paper); color: var(--good); }
.failed, .interrupted { background: var(--bad-paper); color: var(--bad); }
.banner { padding: 10px 14px; border-radius: 8px; margin: 16px 0; overflow-wrap: anywhere;
  border-left: 4px solid; background: var(--warn-paper); border-color: var(--warn);
  max-width: none; }
.banner.failed, .banner.interrupted { background: var(--bad-paper); border-color: var(--bad);
  color: inherit; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px;
  margin: 22px 0 16px; }
.tile, figure, .sheet { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tile { padding: 12px 14px; display: flex; flex-direction: column; }
.tile b { margin-top: auto; }
.tile b { display: block; font-size: 23px; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tile small { min-height: 3em; }
.tile span, .tile small { display: block; font-size: 12.5px; color: var(--muted);
  overflow-wrap: anywhere; }
figure { margin: 12px 0 20px; padding: 14px 14px 10px; }
figcaption { font-size: 13px; margin: 8px 4px 0; max-width: 62em; overflow-wrap: anywhere; }
.panels { display: grid; gap: 10px 16px; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); }
.panels.of-3 { grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); }
.panels svg { display: block; width: 100%; height: auto; max-width: 440px; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 8px 4px;
  padding: 0; font-size: 13px; }
.legend li { overflow-wrap: anywhere; }
.legend svg { width: 24px; height: 12px; margin-right: 6px; vertical-align: -1px; }
.sheet { overflow-x: auto; margin: 12px 0 20px; }
table { border-collapse: collapse; width: 100%; font-size: 14px;
  font-variant-numeric: tabular-nums; }
th, td { padding: 6px 14px; text-align: right; border-top: 1px solid var(--line);
  white-space: nowrap; }
thead th, tbody:first-child tr:first-child > * { border-top: 0; }
thead th { white-space: normal; vertical-align: bottom; }
th { font-weight: 600; }
td:first-child { white-space: normal; }
th:first-child, td:first-child, .words td, .words th { text-align: left; }
.words td { white-space: normal; overflow-wrap: anywhere; width: 99%; }
.words th { vertical-align: top; }
td small { display: block; line-height: 1.2; white-space: normal; color: var(--muted);
  font-size: 12.5px; }
tr.main td { font-weight: 700; }
tr.main td small { font-weight: 400; }
summary { cursor: pointer; margin: 12px 0; font-weight: 600; }
details.copies summary { font-size: 13px; font-weight: 400; color: var(--muted);
  margin: -12px 4px 18px; width: max-content; max-width: 100%; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 12px 14px; overflow-x: auto;
  font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, monospace; margin: 8px 0;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.command { position: relative; }
.command pre { padding-right: 84px; }
.copies pre { max-height: 22em; white-space: pre; overflow-wrap: normal; }
button { position: absolute; top: 8px; right: 8px; font: inherit;
  font-size: 12.5px; cursor: pointer; padding: 3px 10px; border-radius: 6px;
  border: 1px solid var(--line); background: var(--paper);  color: var(--ink); }
.people { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr));
  gap: 0 24px; }
.people ol { margin: 0 0 8px; padding-left: 30px; overflow-wrap: anywhere; }
.people .hit { font-weight: 700; }
@media (max-width: 640px) {
  main { padding: 20px 12px 48px; }
  figure { padding: 10px 8px 8px; }
  th, td { padding: 6px 10px; }
  td small { white-space: nowrap; }
  thead th { min-width: 6.5em; }
  .words th { min-width: 8em; max-width: 11em; white-space: normal; }
  .sheet:not(.cards) table:not(.words) tr > :first-child { position: sticky; left: 0;
    background: var(--card); min-width: 5.5em; max-width: 10em; overflow-wrap: break-word; }
  .command pre { padding: 40px 14px 12px; }
}
@media print {
  button, .skip, details.copies { display: none; }
  body { background: none; font-size: 12px; }
  main { max-width: none; padding: 0; }
  figure, .sheet, .tile { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
  .sheet { overflow: visible; }
  .panels { grid-template-columns: 1fr 1fr; }
  .panels.of-3 { grid-template-columns: 1fr 1fr 1fr; }
}
"""
)
