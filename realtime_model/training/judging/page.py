"""The page of a report: one HTML file that needs no other. Light and dark follow the reader."""

import base64
from collections.abc import Iterable, Sequence
from html import escape
from string import Template

import cv2

from realtime_model.contract import RgbImage

_JPEG_QUALITY = 85
_WORDS = ("portrait", "style", "clip", "language", "group", "name")
_PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5d646d; --line: #d9dde2;
  --back: #ffffff; --card: #f5f6f8; --good: #1a7f4b; --bad: #b3261e; --model: #0b62d6;
  --rig: #c2570c; --loud: #dfe3e8; --lip: #e6c8f2; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --soft: #9aa3ad; --line: #363b42;
  --back: #16181b; --card: #1f2226; --good: #5ecb94; --bad: #ff8a80; --model: #6aa9ff;
  --rig: #ffa45c; --loud: #2d3238; --lip: #4d2f5c; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 66rem; background: var(--back);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; }
h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .4rem; font-weight: 600; }
p { margin: .4rem 0; }
.soft { color: var(--soft); }
code { background: var(--card); padding: .1rem .35rem; border-radius: .25rem;
  overflow-wrap: anywhere; }
td code { overflow-wrap: normal; padding: 0; background: none; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }
th, td { text-align: right; padding: .25rem .55rem; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
.word { text-align: left; white-space: normal; }
.small { font-size: 13px; }
@media (max-width: 40rem) { body { padding: 1rem; } .wide { font-size: 13px; }
  th, td { padding: .25rem .35rem; } .word:last-child { min-width: 18rem; } }
.small .word { white-space: nowrap; }
.held { color: var(--good); font-weight: 600; }
.missed { color: var(--bad); font-weight: 600; }
figure { margin: 0 0 1rem; }
svg { width: 100%; height: auto; background: var(--card); border-radius: .4rem; }
img { width: 100%; height: auto; border-radius: .4rem; margin-top: .3rem; display: block; }
.sheets { display: grid; gap: .6rem; grid-template-columns: repeat(auto-fill, minmax(18rem, 1fr)); }
polyline { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.model { stroke: var(--model); }
.rig { stroke: var(--rig); stroke-dasharray: 5 3; }
.loud { fill: var(--loud); }
.lip { fill: var(--lip); opacity: .8; }
.axis { stroke: var(--soft); stroke-width: .6; }
.tick { fill: var(--soft); font-size: 11px; }
.key span { margin-right: 1.2rem; white-space: nowrap; }
.key i { display: inline-block; width: 1.4rem; height: .7rem; margin-right: .35rem; }
</style>
</head>
<body>
<h1>$title</h1>
$body
</body>
</html>
""")


def whole_page(title: str, body: str) -> str:
    """The page as one text; the title is escaped, the body is HTML."""
    return _PAGE.substitute(title=escape(title), body=body)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; all that comes into it is escaped. Columns of words stand in front of numbers."""
    words = [name in _WORDS for name in head]
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{' class=word' if word else ''}>{_cell(value)}</td>"
            for word, value in zip(words, row, strict=True)
        )
        + "</tr>"
        for row in rows
    )
    return f"<table>{table_head(head)}{body}</table>"


def table_head(names: Sequence[str], words: Sequence[str] = _WORDS) -> str:
    """The first row of a table; columns named in ``words`` hold words."""
    cells = (
        f"<th{' class=word' if name in words else ''}>{escape(name.replace('_', ' '))}</th>"
        for name in names
    )
    return f"<tr>{''.join(cells)}</tr>"


def as_name(name: str) -> str:
    """A name that may break where its words meet."""
    return escape(name).replace("_", "_<wbr>")


def as_url(image: RgbImage) -> str:
    """A picture as JPEG inside the page."""
    _, jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return "data:image/jpeg;base64," + base64.b64encode(jpeg.tobytes()).decode("ascii")


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else escape(str(value))
