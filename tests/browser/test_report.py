# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The page of a report in a real browser: seen, searched, sorted, printed, and attacked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.model import Report, Vm
from ansible_collections.puffy.vmm.plugins.plugin_utils._report.page import page
from browser.browser import Browser
from selenium.webdriver.common.keys import Keys
from unit.reports import HOSTILE, sample

SIZES = (3, 300, 5000)
# The rows that are shown first, and those that come when somebody asks for more.
FIRST, MORE = 100, 400
# Milliseconds.
AT_ONCE = 100


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    made = Browser()
    yield made
    made.close()


@pytest.fixture(scope="session")
def reports() -> dict[int, Report]:
    return {size: sample(size) for size in SIZES}


@pytest.fixture(scope="session")
def pages(reports: dict[int, Report], tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    directory = tmp_path_factory.mktemp("report")
    paths = {size: directory / f"{size}.html" for size in SIZES}
    for size, path in paths.items():
        path.write_text(page(reports[size]))
    return paths


@pytest.mark.parametrize(
    ("size", "dark"), [(3, False), (3, True), (300, False), (300, True), (5000, False)]
)
def test_it_is_readable_in_any_size(
    browser: Browser, pages: dict[int, Path], reports: dict[int, Report], size: int, dark: bool
) -> None:
    browser.open(pages[size], dark=dark)
    assert browser.driver.title == f"{reports[size].deployed:,} VMs deployed"
    assert browser.complaints() == []
    assert browser.run("return performance.getEntriesByType('resource').length") == 0
    back = browser.run("return getComputedStyle(document.body).backgroundColor")
    assert (back == "rgb(18, 21, 23)") == dark
    browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
    # All parts of a page are in the one of 300 VMs.
    assert size > 300 or browser.faint() == []
    browser.picture(pages[size].with_name(f"{size}-{'dark' if dark else 'light'}.png"))


@pytest.mark.parametrize("width", [320, 390, 768, 1280, 2560])
def test_nothing_is_wider_than_the_screen(
    browser: Browser, pages: dict[int, Path], width: int
) -> None:
    browser.open(pages[300], width=width)
    wide, there = browser.overflow()
    assert wide <= there
    browser.picture(pages[300].with_name(f"300-{width}.png"))
    if width < 600:
        assert browser.faint() == []
        roles = browser.run("return [...document.querySelectorAll('#table tr')][1].innerHTML")
        assert 'role="rowheader"' in roles and 'role="cell"' in roles
    assert browser.complaints() == []


def test_a_word_is_found_at_once(
    browser: Browser, pages: dict[int, Path], reports: dict[int, Report]
) -> None:
    vms = reports[5000].vms
    browser.open(pages[5000])
    assert len(browser.names()) == FIRST
    times = []
    for word in ("m", "mir", "mira", "mira server7", "10.0.4.", "vm0042", ""):
        times.append(browser.find(word))
        fitting = [vm.name for vm in vms if all(part in _text(vm) for part in word.split())]
        assert browser.names() == fitting[:FIRST], word
        said = browser.run("return document.getElementById('count').textContent")
        some = f"{len(fitting):,} of " if len(fitting) < 5000 else ""
        assert said.startswith(f"{some}5,000 VMs"), word
    assert median(busy for _took, busy in times) < AT_ONCE, times
    assert min(took for took, _busy in times) < AT_ONCE, times

    browser.run("document.getElementById('more').click()")
    assert len(browser.names()) == FIRST + MORE
    focus = "return document.activeElement.firstChild.data"
    assert browser.run(focus) == vms[FIRST].name
    _took, busy = browser.find("mira")
    assert busy < AT_ONCE
    assert browser.complaints() == []


def _text(vm: Vm) -> str:
    return f"{vm.name} {vm.hostname} {vm.server} {vm.owner} {vm.ipv4} {vm.ipv6}"


def test_states_and_servers_are_filtered(
    browser: Browser, pages: dict[int, Path], reports: dict[int, Report]
) -> None:
    vms = reports[300].vms
    browser.open(pages[300])
    browser.run("document.querySelector('a[data-state=attention]').click()")
    assert browser.names() == [vm.name for vm in vms if vm.attention]
    browser.run("document.querySelector('#server-server2 a[data-server]').click()")
    here = [vm.name for vm in vms if vm.server == "server2"]
    assert browser.names() == here[:FIRST]
    change = """
        const field = document.getElementById(arguments[0]);
        field.value = arguments[1];
        field.dispatchEvent(new Event("input"));
    """
    browser.run(change, "state", "pending")
    pending = [vm.name for vm in vms if vm.server == "server2" and vm.pending]
    assert pending and browser.names() == pending
    browser.run(change, "state", "no such state")
    browser.run(change, "state", "suspended")
    assert browser.names() == [
        vm.name for vm in vms if vm.server == "server2" and vm.wanted == "suspended"
    ]


def test_it_is_sorted_and_searched_by_keyboard(
    browser: Browser, pages: dict[int, Path], reports: dict[int, Report]
) -> None:
    vms = reports[300].vms
    browser.open(pages[300])
    headers = "document.getElementById('table').tHead.rows[0].cells"

    def press(column: int) -> str:
        browser.run(f"{headers}[{column}].firstChild.focus()")
        browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
        way: str = browser.run(f"return {headers}[{column}].getAttribute('aria-sort')")
        return way

    by_address = sorted(vms, key=lambda vm: tuple(map(int, vm.ipv4.split("."))))
    assert press(4) == "ascending"
    assert browser.names() == [vm.name for vm in by_address][:FIRST]
    assert press(4) == "descending"
    assert browser.names() == [vm.name for vm in by_address][::-1][:FIRST]
    assert press(5) == "ascending"
    sizes = {vm.name: vm.memory for vm in vms}
    shown = [sizes[name] for name in browser.names()]
    assert shown == sorted(sizes.values())[:FIRST]
    assert browser.run("return document.querySelectorAll('[aria-sort]').length") == 1

    browser.driver.switch_to.active_element.send_keys("/")
    browser.driver.switch_to.active_element.send_keys("vm0123")
    assert browser.names() == ["vm0123"]
    status = browser.run("return document.querySelector('[role=status]').textContent")
    assert status == "1 of 300 VMs"
    outline = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_parts_have_names_for_a_screen_reader(browser: Browser, pages: dict[int, Path]) -> None:
    browser.open(pages[300])
    tree = browser.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    named: dict[str, set[str]] = {}
    for node in tree:
        if not node.get("ignored"):
            role = node["role"]["value"]
            named.setdefault(role, set()).add(str(node.get("name", {}).get("value", "")))
    for role in ("region", "search", "combobox", "searchbox", "button", "link", "article", "image"):
        assert named[role] and "" not in named[role], role
    assert {"Name", "State", "Address"} <= named["columnheader"]
    assert "vm0001vm0001.mira.example.org" in {x.replace(" ", "") for x in named["rowheader"]}
    levels = browser.run("return [...document.querySelectorAll('h1,h2,h3')].map((x) => x.tagName)")
    assert levels[0] == "H1" and levels.count("H1") == 1
    ids = browser.run("return [...document.querySelectorAll('[id]')].map((x) => x.id)")
    assert len(ids) == len(set(ids))


def test_it_needs_no_script(browser: Browser, pages: dict[int, Path]) -> None:
    browser.open(pages[300], js=False)
    try:
        rows = browser.driver.find_elements("css selector", "#table tbody tr")
        assert len(rows) == 300 and rows[0].is_displayed() and rows[-1].is_displayed()
        assert not browser.driver.find_element("css selector", "form").is_displayed()
        assert not browser.driver.find_elements("css selector", "#table thead button")
    finally:
        browser.open(pages[3])


def test_it_is_printed(browser: Browser, pages: dict[int, Path]) -> None:
    browser.open(pages[300], dark=True, media="print")
    assert browser.run("return getComputedStyle(document.body).backgroundColor") == (
        "rgb(255, 255, 255)"
    )
    assert not browser.run("return document.querySelector('nav').checkVisibility()")
    assert len(browser.names()) == 300
    assert browser.faint() == []
    browser.open(pages[300])
    pdf = browser.printed()
    pages[300].with_name("300.pdf").write_bytes(pdf)
    assert pdf.startswith(b"%PDF") and pdf.count(b"/Type /Page\n") > 5
    assert browser.run("return document.querySelectorAll('details[open]').length") == 0


def test_without_live_data(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(page(sample(3, live=False)))
    browser.open(path)
    assert "Live data is missing." in browser.run("return document.body.innerText")
    assert browser.faint() == []
    assert browser.complaints() == []
    browser.picture(tmp_path / "alone.png")


def test_nothing_that_others_wrote_is_carried_out(browser: Browser, tmp_path: Path) -> None:
    clean = sample(300)
    bad = "".join(HOSTILE)
    report = replace(
        clean,
        vms=tuple(
            replace(vm, owner=bad, hostname=bad, attention=(bad,), shown=bad)
            for vm in clean.vms[:9]
        ),
        servers=tuple(replace(server, message=bad, kernel=bad) for server in clean.servers),
        differences=tuple(replace(row, what=bad, role=bad) for row in clean.differences),
        problems=HOSTILE,
    )
    path = tmp_path / "index.html"
    path.write_text(page(report))
    browser.open(path)
    assert browser.complaints() == []
    assert browser.run("return window.hacked") is None
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.images.length") == 0
    assert len(browser.names()) == 9
    shown = browser.run("return document.querySelector('#table td:nth-child(4)').textContent")
    assert "<script>window.hacked=1</script>" in shown and "\u202e" not in shown
    # Even if a script got into the page it would not run.
    inject = "const x = document.createElement('script'); x.textContent = 'window.hacked = 1';"
    browser.run(f"{inject} document.body.append(x)")
    assert browser.run("return window.hacked") is None
    assert "Content Security Policy" in "".join(browser.complaints())
