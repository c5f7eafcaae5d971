# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""HTML of a text in the part of Markdown that reads well as plain text.

Blocks are separated by empty lines: headings (`#`, `##`), code (four spaces), lists (`- `) and
paragraphs. A list in which every item is `Label: text` becomes a table. Within a line there is
`code`, and mail addresses and URLs become links. All else is text, and everything is escaped, so
no HTML can be written in it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

_CODE = re.compile(r"`([^`]+)`")
# Without the punctuation that ends a sentence.
_LINK = re.compile(
    r"(?P<url>https?://[^\s<>\"'`]*[^\s<>\"'`.,;:!?)])"
    r"|(?P<mail>[A-Za-z0-9][A-Za-z0-9.+_-]*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
)
_LABEL = re.compile(r"(?P<label>[A-Z][^:`]*): (?P<text>.+)", re.DOTALL)
_CODE_INDENT = "    "
_ITEM = "- "


def title(text: str) -> str:
    """Return the first heading, without its marks; empty if there is none."""
    headings = (line for line in text.splitlines() if line.startswith("# "))
    return next(headings, "").removeprefix("# ").replace("`", "").strip()


def to_html(text: str) -> str:
    """Return the blocks of the text as elements of HTML, a line each."""
    return "\n".join(_element(block) for block in _blocks(text.splitlines()))


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Yield the lines of each block. An empty line within code stays there."""
    block: list[str] = []
    pending = 0
    for line in lines:
        if not line.strip():
            pending += 1
            continue
        code = line.startswith(_CODE_INDENT)
        if block and (pending or code != block[0].startswith(_CODE_INDENT)):
            if code and block[0].startswith(_CODE_INDENT):
                block += [""] * pending
            else:
                yield block
                block = []
        pending = 0
        block.append(line)
    if block:
        yield block


def _element(block: Sequence[str]) -> str:
    first = block[0]
    if first.startswith(_CODE_INDENT):
        code = "\n".join(line.removeprefix(_CODE_INDENT) for line in block)
        return f"<pre><code>{html.escape(code)}</code></pre>"
    for level, mark in ((2, "## "), (1, "# ")):
        if first.startswith(mark) and len(block) == 1:
            return f"<h{level}>{_inline(first.removeprefix(mark))}</h{level}>"
    if first.startswith(_ITEM):
        return _list(_items(block))
    return f"<p>{_inline(' '.join(line.strip() for line in block))}</p>"


def _items(block: Iterable[str]) -> list[str]:
    """Return the items of a list; a line that begins no item continues the one before."""
    items: list[str] = []
    for line in block:
        if line.startswith(_ITEM):
            items.append(line.removeprefix(_ITEM).strip())
        else:
            items[-1] += f" {line.strip()}"
    return items


def _list(items: Sequence[str]) -> str:
    labelled = [match for item in items if (match := _LABEL.fullmatch(item))]
    if len(labelled) < len(items):
        return f"<ul>{''.join(f'<li>{_inline(item)}</li>' for item in items)}</ul>"
    rows = (
        f'<tr><th scope="row">{_inline(match["label"])}</th><td>{_inline(match["text"])}</td></tr>'
        for match in labelled
    )
    return f"<table>{''.join(rows)}</table>"


def _inline(text: str) -> str:
    parts: list[str] = []
    for number, part in enumerate(_CODE.split(text)):
        if number % 2:
            parts.append(f"<code>{html.escape(part)}</code>")
        else:
            parts.extend(_linked(part))
    return "".join(parts)


def _linked(text: str) -> Iterator[str]:
    end = 0
    for match in _LINK.finditer(text):
        address = html.escape(match[0])
        scheme = "mailto:" if match["mail"] else ""
        yield html.escape(text[end : match.start()])
        yield f'<a href="{scheme}{address}">{address}</a>'
        end = match.end()
    yield html.escape(text[end:])
