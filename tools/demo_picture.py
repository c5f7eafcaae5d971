# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Make docs/demo.svg, an animated terminal, from the demo's output.

`./dev demo >LOG` and then `./dev run python tools/demo_picture.py LOG docs/demo.svg`. The picture
moves by CSS alone, and stands still for readers who do not like movement.
"""

from __future__ import annotations

import re
import sys
from html import escape
from itertools import count
from pathlib import Path
from typing import NamedTuple

# Of many lines of one kind, so many are shown.
MOST = 7
COLUMNS, LINE, LEFT, TOP = 100, 18, 20, 48
# Seconds that a page is shown, more for each line, and more for the last one.
PAGE, EACH, REST = 2.0, 0.4, 6.0

_KINDS = {
    "heading": re.compile(r"== (?P<text>.*)"),
    "command": re.compile(r"\$ .*"),
    "recap": re.compile(r"server\d +: ok=.*"),
    "table": re.compile(r"(SERVER   ROLE|server\d  .* UTC$|as the fleet says).*"),
    "summary": re.compile(r"\* (?!All).*"),
    "vm": re.compile(r"  \w+ (boots|fetches|unpacks|has rebooted|answers).*"),
    "change": re.compile(r"server\d  \w[\w ]*  (?!old files|would).*"),
}

_FONT = "13px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
_COLORS = {
    "heading": "#ffffff",
    "command": "#88c0d0",
    "recap": "#a3be8c",
    "summary": "#a3be8c",
    "table": "#ebcb8b",
    "vm": "#b48ead",
    "change": "#d8dee9",
    "more": "#8b95a7",
}
_MOVING = "@media (prefers-reduced-motion: no-preference)"


class Line(NamedTuple):
    kind: str
    text: str


def chosen(output: str) -> list[list[Line]]:
    """The pages of the picture, one for each part of the demo; long runs of lines are cut short."""
    pages: list[list[Line]] = []
    skipped, times = 0, 0
    for text in output.splitlines():
        kind = next((name for name, pattern in _KINDS.items() if pattern.fullmatch(text)), "")
        if kind == "heading":
            pages.append([Line(kind, text.removeprefix("== "))])
            skipped = times = 0
        elif kind and pages:
            times = times + 1 if pages[-1][-1].kind == kind or skipped else 1
            if kind == "change" and times > MOST:
                skipped += 1
                continue
            if skipped:
                pages[-1].append(Line("more", f"  ... and {skipped} lines more"))
                skipped, times = 0, 1
            pages[-1].append(Line(kind, _short(text)))
    return [page for page in pages if len(page) > 1]


def _short(text: str) -> str:
    text = re.sub(r"\s+unreachable=.*", "", text.rstrip())
    return text if len(text) <= COLUMNS else text[: COLUMNS - 3] + "..."


def svg(pages: list[list[Line]]) -> str:
    """The picture: one page after the other, and again from the beginning."""
    width, height = 2 * LEFT + int(COLUMNS * 7.85), TOP + max(map(len, pages)) * LINE
    total = sum(_seconds(page) for page in pages) + REST
    styles = [f"text {{ font: {_FONT}; white-space: pre }}"]
    styles += [f".{kind} {{ fill: {color} }}" for kind, color in _COLORS.items()]
    bodies, begin = [], 0.0
    for number, page in enumerate(pages):
        end = begin + _seconds(page) if page is not pages[-1] else total
        styles.append(_shown(number, 100 * begin / total, 100 * end / total, total))
        if page is not pages[-1]:
            styles.append(f"@media (prefers-reduced-motion) {{ #p{number} {{ opacity: 0 }} }}")
        bodies.append(f'<g id="p{number}">{"".join(map(_text, count(), page))}</g>')
        begin = end
    dots = "".join(
        f'<circle cx="{LEFT + 18 * at}" cy="18" r="6" fill="{_COLORS[kind]}"/>'
        for at, kind in enumerate(("more", "table", "recap"))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
        f"<title>The demo of puffy.vmm in a terminal</title><style>{' '.join(styles)}</style>"
        f'<rect width="100%" height="100%" rx="8" fill="#20242c"/>{dots}{"".join(bodies)}</svg>\n'
    )


def _seconds(page: list[Line]) -> float:
    return PAGE + EACH * len(page)


def _shown(number: int, begin: float, end: float, total: float) -> str:
    """The style of a page that is seen from one percentage of the time to another."""
    frames = f"0% {{ opacity: 0 }} {begin:.2f}% {{ opacity: 1 }} {end:.2f}%, 100% {{ opacity: 0 }}"
    name = f"p{number}"
    moves = f"#{name} {{ opacity: 0; animation: {name} {total:.1f}s step-end infinite }}"
    return f"@keyframes {name} {{ {frames} }} {_MOVING} {{ {moves} }}"


def _text(row: int, line: Line) -> str:
    place = f'x="{LEFT}" y="{TOP + row * LINE}"'
    return f'<text class="{line.kind}" {place}>{escape(line.text)}</text>'


def main() -> None:
    source, target = map(Path, sys.argv[1:3])
    target.write_text(svg(chosen(source.read_text())))


if __name__ == "__main__":
    main()
