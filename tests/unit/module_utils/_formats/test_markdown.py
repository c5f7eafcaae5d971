# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What becomes of a text as HTML, and that nothing in a text becomes HTML by itself."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._formats.markdown import title, to_html
from hypothesis import given
from hypothesis import strategies as st

BLOCKS = {
    "a heading": ("# web1", "<h1>web1</h1>"),
    "a heading below it": ("## Log in", "<h2>Log in</h2>"),
    "a paragraph of two lines": ("Answer yes\nonly if", "<p>Answer yes only if</p>"),
    "code": (
        "    ssh a@b\n      -p 22\n",
        "<pre><code>ssh a@b\n  -p 22</code></pre>",
    ),
    "code with an empty line": ("    a\n\n    b", "<pre><code>a\n\nb</code></pre>"),
    "code after text": ("See\n    a", "<p>See</p>\n<pre><code>a</code></pre>"),
    "text after code": ("    a\nSee", "<pre><code>a</code></pre>\n<p>See</p>"),
    "a list": ("- one\n- two\n  lines", "<ul><li>one</li><li>two lines</li></ul>"),
    "a table": (
        "- IPv4 address: `192.0.2.1`\n- Size: 1 GB: small",
        '<table><tr><th scope="row">IPv4 address</th><td><code>192.0.2.1</code></td></tr>'
        '<tr><th scope="row">Size</th><td>1 GB: small</td></tr></table>',
    ),
    "a list with one label": ("- Size: 1\n- two", "<ul><li>Size: 1</li><li>two</li></ul>"),
    "a page": (
        "See https://www.openbsd.org/faq/.",
        '<p>See <a href="https://www.openbsd.org/faq/">https://www.openbsd.org/faq/</a>.</p>',
    ),
    "a page with a query": (
        "https://example.org/?a=1&b=2",
        '<p><a href="https://example.org/?a=1&amp;b=2">https://example.org/?a=1&amp;b=2</a></p>',
    ),
    "an address of mail": (
        "Write to help@example.org, please",
        '<p>Write to <a href="mailto:help@example.org">help@example.org</a>, please</p>',
    ),
    "an address in code": ("`root@example.org`", "<p><code>root@example.org</code></p>"),
    "another scheme": ("javascript://x.example/%0aalert", "<p>javascript://x.example/%0aalert</p>"),
    "a mark in the middle": ("a # b `c", "<p>a # b `c</p>"),
    "HTML": (
        '<script>a</script> & "b" \'',
        "<p>&lt;script&gt;a&lt;/script&gt; &amp; &quot;b&quot; &#x27;</p>",
    ),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks(name: str) -> None:
    text, expected = BLOCKS[name]
    assert to_html(text) == expected


def test_the_title_is_the_first_heading() -> None:
    assert title("text\n# Your `web1`\n\n# another\n") == "Your web1"
    assert title("text\n## below\n") == ""


class Seen(HTMLParser):
    """The elements with their attributes, and the text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(sorted(name for name, _value in attrs))))
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)


ELEMENTS = {
    *(((tag, ())) for tag in ("h1", "h2", "p", "ul", "li", "table", "tr", "td", "pre", "code")),
    ("th", ("scope",)),
    ("a", ("href",)),
}
HOSTILE = st.text(alphabet="<>&\"'`-# :/@.ahtpsA\n\t", max_size=200)


@given(HOSTILE)
def test_no_text_is_html(text: str) -> None:
    seen = Seen(to_html(text))
    assert seen.elements <= ELEMENTS
    assert all(link.startswith(("http://", "https://", "mailto:")) for link in seen.links)
    # Marks go; nothing else does.
    kept = set("<>&\"'/@.ahtpsA")
    assert sorted(x for x in seen.text if x in kept) == sorted(x for x in text if x in kept)
