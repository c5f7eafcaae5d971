# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The contact form's example back end, run as slowcgi(8) runs it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote_plus

import pytest
from unit.fleets import KEY, OTHER_KEY
from unit.plugin_utils._orders.orders import CHECKOUT, PROGRAM, Orders

EXAMPLE = CHECKOUT / "examples/contact-form"
CGI = EXAMPLE / "order.cgi"
FORM = {
    "name": "new1",
    "owner": "mira",
    "hostname": "new1.example.org",
    "ssh_keys": f"{OTHER_KEY}\r\n\r\n",
    "memory": "2G",
    "timezone": "",
    "note": "Grüße & <b>Küsse</b>\r\nMira",
}
SENT = "application/x-www-form-urlencoded; charset=utf-8"


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass(frozen=True)
class Reply:
    status: str
    headers: str
    text: str
    tags: set[str]
    log: str


@dataclass(frozen=True)
class WebHost:
    """check-vm as a separate program, which finds the Python that has its libraries."""

    orders: Orders
    check_vm: Path

    def send(
        self,
        body: bytes | dict[str, str],
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> Reply:
        if isinstance(body, dict):
            fields = (f"{quote_plus(name)}={quote_plus(text)}" for name, text in body.items())
            body = "&".join(fields).encode()
        done = subprocess.run(
            [str(CGI)],
            input=body,
            capture_output=True,
            check=True,
            timeout=60,
            cwd=CGI.parent,
            # What slowcgi(8) is given by httpd(8); it adds nothing, not even a PATH.
            env={
                "GATEWAY_INTERFACE": "CGI/1.1",
                "REQUEST_METHOD": "POST",
                "CONTENT_TYPE": SENT,
                "CONTENT_LENGTH": str(len(body)),
                "CHECK_VM": str(self.check_vm),
                "FLEET": str(self.orders.fleet),
            }
            | dict(environment),
        )
        head, _, text = done.stdout.decode().partition("\r\n\r\n")
        status, _, headers = head.partition("\r\n")
        page = _Page()
        page.feed(text)
        words = " ".join("".join(page.words).split())
        return Reply(
            status.removeprefix("Status: "), headers, words, page.tags, done.stderr.decode()
        )


@pytest.fixture
def host(tmp_path: Path) -> WebHost:
    program = tmp_path / "check-vm"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} {PROGRAM} "$@"\n')
    program.chmod(0o755)
    return WebHost(Orders(tmp_path / "fleet").make(), program)


def test_an_order_gets_into_the_fleet(host: WebHost) -> None:
    reply = host.send(FORM)
    assert (reply.status, reply.log) == ("200 OK", "")
    assert "your order was received" in reply.text
    assert "Content-Type: text/html; charset=utf-8" in reply.headers
    assert host.orders.files()["orders/new1.yml"] == (
        'owner: "mira"\n'
        f'ssh_keys:\n  - "{OTHER_KEY}"\n'
        'hostname: "new1.example.org"\n'
        'memory: "2G"\n'
        'note: "Grüße & <b>Küsse</b>\\nMira"\n'
    )
    again = host.send(FORM)
    assert again.status == "422 Unprocessable Content"
    assert "Name of the VM: 'new1' is taken" in again.text


def test_what_is_wrong_is_shown_and_nothing_of_others(host: WebHost) -> None:
    wrong = {"owner": "puffy", "memory": "<script>alert(1)</script>&amp;", "hostname": "a\"'b"}
    reply = host.send(FORM | wrong)
    assert reply.status == "422 Unprocessable Content"
    assert reply.tags == {"html", "title", "h1", "ul", "li", "p"}
    assert "Memory: '<script>alert(1)</script>&amp;' is not a valid size" in reply.text
    assert "Public SSH keys: 'puffy' is an owner with other keys" in reply.text
    assert "vms/" not in reply.text
    assert "the owner's keys are in vms/web1.yml" in reply.log
    assert "orders/new1.yml" not in host.orders.files()
    assert host.send(FORM | {"owner": "puffy", "ssh_keys": KEY}).status == "200 OK"


def test_fields_of_the_operator_do_not_come_through(host: WebHost) -> None:
    assert host.send(FORM | {"server": "server6", "mac": "fe:e1:bb:d1:c8:09"}).status == "200 OK"
    assert not re.search("server|mac", host.orders.files()["orders/new1.yml"])


REFUSED: dict[str, tuple[bytes, dict[str, str]]] = {
    "was not sent by POST": (b"", {"REQUEST_METHOD": "GET"}),
    "is not a form": (b"{}", {"CONTENT_TYPE": "application/json"}),
    "is not a form.": (b"a=b", {"CONTENT_TYPE": "application/x-www-form-urlencodedx"}),
    "is too long": (b"name=" + b"x" * 70_000, {}),
    "is too long.": (b"", {"CONTENT_LENGTH": "-1"}),
    "is too long..": (b"", {"CONTENT_LENGTH": ""}),
    "is too long...": (b"", {"CONTENT_LENGTH": "9" * 30}),
    "was cut off": (b"name=new1", {"CONTENT_LENGTH": "60000"}),
    "is not UTF-8 text": (b"name=%ff", {}),
    "is not UTF-8 text.": (b"name=new1&note=%ed%a0%80", {}),
    "is not UTF-8 text..": (b"%ff=new1", {}),
    "has owner twice": (b"owner=mira&owner=puffy", {}),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_requests_that_are_refused(host: WebHost, reason: str) -> None:
    body, environment = REFUSED[reason]
    reply = host.send(body, environment)
    assert reply.status == "400 Bad Request"
    assert f"Your order {reason.rstrip('.')}" in reply.text
    assert reply.log == ""


HOSTILE = [
    b"", b"&&&", b"=", b"=x", b"name", b"name=%00", b"name=%", b"name=%zz&owner=%0a",
    b"name=..%2f..%2fweb2", b"name=new1%0aserver:%20server6", b"name=-x&owner=--write",
    b"name=$(id)&owner=`id`;id|id", b"note=" + b"%5b" * 20_000, b"&" * 60_000,
    b"ssh_keys=" + b"%0a" * 20_000, b"note=%e2%80%ae", b"memory=&&name=x;y=z",
]  # fmt: skip


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_bodies(host: WebHost, body: bytes) -> None:
    before = host.orders.files()
    reply = host.send(body)
    assert reply.status == "422 Unprocessable Content"
    assert reply.tags <= {"html", "title", "h1", "ul", "li", "p"}
    assert host.orders.files() == before


@pytest.mark.parametrize("script", ["exit 2", "kill -9 $$", "echo '['", "exit 1", None])
def test_a_check_that_fails_is_no_order(host: WebHost, tmp_path: Path, script: str | None) -> None:
    broken = tmp_path / "broken"
    if script:
        broken.write_text(f"#!/bin/sh\n{script}\n")
        broken.chmod(0o755)
    reply = host.send(FORM, {"CHECK_VM": str(broken)})
    assert (reply.status, reply.text) == (
        "503 Service Unavailable", "Please try again later Please try again later",
    )  # fmt: skip


def test_a_browser_does_not_choose_the_programs(host: WebHost) -> None:
    """Headers of a request come with HTTP_ before their names."""
    headers = {
        "HTTP_CHECK_VM": "/bin/false",
        "HTTP_FLEET": "/",
        "HTTP_PROXY": "x",
        "QUERY_STRING": "-w",
    }
    assert host.send(FORM, headers).status == "200 OK"


def test_the_form_has_fields_of_an_order() -> None:
    page = (EXAMPLE / "order.html").read_text()
    names = re.findall(r'<(?:input|select|textarea) name="(\w+)"', page)
    labels = re.findall(r"^    (\w+) +=> '", CGI.read_text(), re.MULTILINE)
    assert sorted(names) == sorted(labels)
    assert len(CGI.read_text().splitlines()) < 100
