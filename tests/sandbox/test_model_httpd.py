# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""httpd.conf as httpd reads it, and what it answers to a guest (facts 5)."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from sandbox import bare
from sandbox.machine import Machine
from sandbox.model import httpd_conf, network
from sandbox.model.httpd_answer import readable
from sandbox.model.httpd_match import find_pattern, matches_glob
from sandbox.model.names import Address, address_of

FILES = {step["write"]: step["content"] for step in bare.transcript("httpd-n") if "write" in step}
RUNS = [step for step in bare.transcript("httpd-n") if step.get("run", "").split(" ")[-1] in FILES]
SERVER = "203.0.113.1"


class World:
    """Files by path; lo0 is the one interface."""

    def __init__(self, **files: str) -> None:
        self.files = {"/usr/share/misc/mime.types": "text/html\thtml htm;\n", **files}

    def read(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(2, "No such file or directory")
        return self.files[path]

    def exists(self, path: str) -> bool:
        return path in self.files

    def addresses(self, name: str) -> list[Address]:
        literal = address_of(name)
        if literal is not None:
            return [literal]
        return [ip_address("127.0.0.1")] if name == "lo0" else []


def block(*lines: str, name: str = '"default"', listen: str = "listen on * port 80") -> str:
    body = "".join(f"\t{line}\n" for line in (listen, *lines))
    return f"server {name} {{\n{body}}}\n"


def check(text: str, **files: str) -> tuple[bool, str]:
    config, messages = httpd_conf.check(text, "f", World(**files))
    return config is not None, messages


@pytest.mark.parametrize("step", RUNS, ids=lambda step: Path(step["run"].split()[-1]).stem)
def test_a_file_gets_the_answer_that_openbsd_gave(step: dict[str, Any]) -> None:
    path = step["run"].split()[-1]
    config, messages = httpd_conf.check(FILES[path], path, World())
    assert (int(config is None), messages) == (step["rc"], step["stderr"])


@pytest.mark.parametrize(
    "lines",
    [
        ('directory { auto index, index "x.html" }',),
        ("directory {\n auto index\n no index\n}",),
        ('location "/a" { root "/x" request strip 2\n block drop\n }',),
        ('alias "www"', 'alias match "w+"'),
        ('block return 301 "https://$HTTP_HOST$REQUEST_URI"',),
        ('authenticate "me" with "/htpasswd"', "no authenticate"),
        ("connection { max requests 10, timeout 5 }",),
        ("connection max request body 1000",),
        ('fastcgi { socket "/run/x.sock", strip 1 }', "gzip-static"),
        ("log style combined", 'log { access "a.log", error "e.log" }', "no log"),
        ("default type text/plain",),
        ("tcp { nodelay, backlog 5 }", "hsts"),
    ],
)
def test_statements_that_are_taken(lines: tuple[str, ...]) -> None:
    assert check(block(*lines)) == (True, "configuration OK\n")


@pytest.mark.parametrize("place", ["lo0 port http", "::1 port www", "203.0.113.1 port 8080"])
def test_places_to_listen(place: str) -> None:
    assert check(block(listen=f"listen on {place}")) == (True, "configuration OK\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (block("root /htdocs"), "f:3: syntax error\nno actions, nothing to do\n"),
        (block(listen="listen on * port 0"), "f:2: invalid port: 0\nno actions, nothing to do\n"),
        (block(listen="listen on *"), "f:2: syntax error\nno actions, nothing to do\n"),
        (
            block(listen="listen on * port nosuch"),
            "f:2: invalid port: nosuch\nno actions, nothing to do\n",
        ),
        (
            'server "a" { listen on * port 80\n\troot "/b" }\n',
            "f:2: syntax error\nno actions, nothing to do\n",
        ),
        (
            'server "a" {\n\tlocation "/x" { block }\n\tlisten on * port 80\n}\n',
            "f:2: listen address not specified\nno actions, nothing to do\n",
        ),
        (
            block('location "/x" {\n\tlisten on * port 81\n\t}'),
            "f:4: listen * inside location\nno actions, nothing to do\n",
        ),
        (block('location "/x" { pass }', 'location "/x" { block }'),
         'f:4: location "/x" defined twice\n'),
        (block("block return 999"), "f:3: invalid return code: 999\nno actions, nothing to do\n"),
        (
            block('block return 404 "/x"'),
            "f:3: invalid return code for location URI\nno actions, nothing to do\n",
        ),
        (
            block("tls certificate \"/c\""),
            "f:3: tls options without tls listener\nno actions, nothing to do\n",
        ),
        (block('root "/a') + "\n", "f:3: reached end of file while parsing quoted string\n"
         "f:3: syntax error\nno actions, nothing to do\n"),
        ("prefork 99\n" + block(), "f:1: invalid number of preforked servers: 99\n"),
        ('include "/no"\n', "pushfile: /no: No such file or directory\n"
         "f:1: failed to include file /no\n"),
        ("$x\n", "f:1: macro 'x' not defined\nf:1: syntax error\n"),
        (
            block(listen="listen on 203.0.113.1 port 80")
            + block(listen="listen on 203.0.113.1 tls port 80", name='"b"'),
            'f:6: server "b": tls and non-tls on same address/port\n',
        ),
        (block("listen on lo0 port 80"), 'f:4: server "default" defined twice\n'),
        (block() + block('alias "default"', name='"b"'), 'f:7: server "default" defined twice\n'),
        ('server default {\n}\nnonsense\n', "f:1: syntax error\n"),
    ],
)  # fmt: skip
def test_statements_that_are_refused(text: str, said: str) -> None:
    assert check(text) == (False, said)


def test_macros_and_includes() -> None:
    text = 'at = "203.0.113.1"\ninclude "/i"\nserver "a" { listen on $at port $p\n}\n'
    config, _ = httpd_conf.check(text, "f", World(**{"/i": 'p = "8080"\n'}))
    assert config is not None
    one = config.servers[0].listens[0]
    assert (str(one.address), one.port) == (SERVER, 8080)


def test_a_server_with_keys_is_kept_and_one_without_is_left_out() -> None:
    text = block(listen="listen on * tls port 443") + block(name='"b"')
    warning = 'f:3: server "default": failed to load public/private keys\n'
    assert check(text) == (True, f"{warning}configuration OK\n")
    alone = block('location "/x" { pass }', listen="listen on * tls port 443")
    warning = warning.replace("f:3", "f:4")
    assert check(alone) == (False, f"{warning}no actions, nothing to do\n")
    keys = {"/etc/ssl/server.crt": "", "/etc/ssl/private/server.key": ""}
    assert check(text, **keys) == (True, "configuration OK\n")


def test_who_is_not_root_gets_syntax_errors_only() -> None:
    _, messages = httpd_conf.check(block(), "f", World(), root=False)
    assert messages == "httpd: need root privileges\n"
    _, messages = httpd_conf.check("nonsense\n" + block(), "f", World(), root=False)
    assert messages == "f:1: syntax error\n"


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("/pub/*", "/pub/a/b", True),
        ("/PUB/*", "/pub/x", True),
        ("/pub", "/pub/", False),
        ("*-install.conf", "/x/fe:e1-install.conf", True),
        ("/a?c", "/a/c", True),
        ("/[ab]", "/B", True),
        (r"/\*", "/*", True),
        (r"/\*", "/x", False),
        ("/a.c", "/abc", False),
    ],
)
def test_globs(pattern: str, text: str, matches: bool) -> None:
    assert matches_glob(pattern, text) == matches


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("/(.*)-install%.conf", "/web1-install.conf", ("/web1-install.conf", "web1")),
        ("^/x", "/a/x", None),
        ("%d+$", "/a12", ("12",)),
        ("(%a-)(%d*)", "ab12", ("", "", "")),
        ("[^/]*$", "/a/b", ("b",)),
        ("[%w_]+", "-a_1-", ("a_1",)),
        ("%S%s", "a b", ("a ",)),
    ],
)
def test_patterns(pattern: str, text: str, found: tuple[str, ...] | None) -> None:
    assert find_pattern(pattern, text) == found


@pytest.mark.parametrize(
    ("mode", "uid", "gid", "may"),
    [
        (0o644, 0, 0, True),
        (0o640, 0, 67, True),
        (0o640, 0, 0, False),
        (0o600, 67, 0, True),
        (0o044, 67, 67, False),
        (0o604, 0, 67, False),
    ],
)
def test_what_www_may_read(mode: int, uid: int, gid: int, may: bool) -> None:
    assert readable(mode, uid, gid, 4) == may


@pytest.fixture(name="machine")
def _machine(tmp_path: Path) -> Machine:
    machine = bare.machine(bare.plant(tmp_path))
    network.provision(machine, "veb", 42, "203.0.113.1/24")
    files = machine.files
    files.mkdir("/var/www/logs", parents=True)
    files.mkdir("/var/www/htdocs/install/sub", parents=True)
    files.mkdir("/var/www/htdocs/amd64", parents=True)
    files.write_text("/var/www/htdocs/install/fe:e1:bb:d1:c8:01-install.conf", "answers")
    files.write_text("/var/www/htdocs/install/private", "hashes", mode=0o600)
    files.write_text("/var/www/htdocs/install/sub/file", "inner")
    files.write_text("/var/www/htdocs/amd64/bsd", "kernel")
    files.write_text("/var/www/htdocs/amd64/index.html", "index")
    files.symlink("/htdocs/amd64/bsd", "/var/www/htdocs/install/inside")
    files.symlink("/home/puffy", "/var/www/htdocs/install/outside")
    machine.run("rcctl enable httpd")
    return machine


def serve(machine: Machine, text: str) -> None:
    machine.files.write_text("/etc/httpd.conf", text)
    assert machine.run("rcctl restart httpd").stdout.endswith("httpd(ok)\n")


SEED = block(
    'root "/htdocs/install"',
    'location "/pub/OpenBSD/7.8/amd64/*" {',
    '\troot "/htdocs/amd64"',
    "\trequest strip 4",
    "\tdirectory { auto index }",
    "}",
)


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/fe:e1:bb:d1:c8:01-install.conf", 200, b"answers"),
        ("/fe:e1:bb:d1:c8:01-install.conf?path=7.8/amd64", 200, b"answers"),
        ("/FE:e1:bb:d1:c8:01-install.conf", 404, b""),
        ("/fe%3Ae1:bb:d1:c8:01-install.conf", 200, b"answers"),
        ("/%zz", 400, b""),
        ("nothing", 400, b""),
        ("/../..//./sub/../sub/file", 200, b"inner"),
        ("/sub", 301, b""),
        ("/sub/", 403, b""),
        ("/sub/file/", 404, b""),
        ("/sub/file/more", 404, b""),
        ("/private", 403, b""),
        ("/inside", 200, b"kernel"),
        ("/outside", 404, b""),
        ("/pub/OpenBSD/7.8/amd64/bsd", 200, b"kernel"),
        ("/PUB/openbsd/7.8/AMD64/bsd", 200, b"kernel"),
        ("/pub/OpenBSD/7.8/amd64/", 200, b"index"),
        ("/pub/OpenBSD/7.8/amd64/no", 404, b""),
        ("/pub/OpenBSD/7.8/amd64", 404, b""),
    ],
)
def test_the_seeds_configuration(machine: Machine, path: str, status: int, body: bytes) -> None:
    serve(machine, SEED)
    assert machine.httpd.get(SERVER, path) == (status, body)


@pytest.mark.parametrize(
    ("lines", "path", "status"),
    [
        (('location "*-install.conf" { pass }', 'location "/*" { block }'), "/sub/file", 403),
        (('location "*-install.conf" { pass }', 'location "/*" { block }'),
         "/fe:e1:bb:d1:c8:01-install.conf", 200),
        (('location "/*" { block }', 'location "/sub/*" { pass }'), "/sub/file", 403),
        (("block", 'location "/sub/*" { pass }'), "/sub/file", 200),
        (("block return 404",), "/sub/file", 404),
        (("block drop",), "/sub/file", 0),
        (("directory auto index",), "/sub/", 200),
        (("directory auto index", 'location "/sub/*" { directory no auto index }'), "/sub/", 403),
        (("directory { auto index, no index }",), "/sub/", 403),
        (('directory index "file"',), "/sub/", 200),
        (('location match "/old/(.*)" { request rewrite "/sub/%1" }',), "/old/file", 200),
        (('location "/old" { request rewrite "/sub/file" }',), "/old", 200),
        (('authenticate with "/htpasswd"',), "/sub/file", 401),
        (('location found "/sub/*" { block return 402 }',), "/sub/file", 402),
        (('location found "/sub/*" { block return 402 }',), "/sub/other", 404),
        (('location not found "/sub/*" { block return 402 }',), "/sub/other", 402),
        (("request strip 1",), "/any/sub/file", 200),
        (("fastcgi",), "/sub/file", 500),
        (('location "*/index.html" { root "/htdocs/amd64" request strip 1\n}',), "/sub/", 200),
    ],
)  # fmt: skip
def test_locations(machine: Machine, lines: tuple[str, ...], path: str, status: int) -> None:
    serve(machine, block('root "/htdocs/install"', *lines))
    assert machine.httpd.get(SERVER, path)[0] == status


def test_a_directory_above_must_be_searchable(machine: Machine) -> None:
    serve(machine, SEED)
    machine.files.chmod("/var/www/htdocs/install", 0o750)
    assert machine.httpd.get(SERVER, "/sub/file")[0] == 403


def test_the_listing_names_the_files(machine: Machine) -> None:
    serve(machine, block('root "/htdocs/install"', "directory auto index"))
    machine.files.write_text("/var/www/htdocs/install/.hidden", "")
    _, page = machine.httpd.get(SERVER, "/")
    assert b'<a href="sub">sub</a>' in page
    assert b".hidden" not in page


def test_servers_are_chosen_by_name_and_address(machine: Machine) -> None:
    text = block("block return 402", name='"a.example"')
    text += block("block return 403", 'alias "c.*"', name='"b.example"')
    text += block("block return 410", name='"d"', listen="listen on 203.0.113.1 port 8080")
    serve(machine, text)
    hosts = {"a.example": 402, "B.EXAMPLE": 403, "c.example": 403, "unknown": 402}
    for host, status in hosts.items():
        assert machine.httpd.get(SERVER, "/", host=host)[0] == status
    assert machine.httpd.answer(SERVER, "/", port=8080).status == 410
    with pytest.raises(ConnectionRefusedError):
        machine.httpd.answer("10.0.2.15", "/", port=8080)


def test_the_access_log(machine: Machine) -> None:
    serve(machine, SEED)
    machine.httpd.answer(SERVER, "/sub/file?path=7.8/amd64", client="203.0.113.11")
    machine.httpd.answer(SERVER, "/no such", client="203.0.113.11")
    lines = machine.files.read_text("/var/www/logs/access.log").splitlines()
    assert [line.partition("] ")[2] for line in lines] == [
        '"GET /sub/file?path=7.8/amd64 HTTP/1.1" 200 5',
        '"GET /no%20such HTTP/1.1" 404 0',
    ]
    assert lines[0].startswith("default 203.0.113.11 - - [")


def test_what_ends_the_daemon_after_rcctl_said_ok(machine: Machine) -> None:
    serve(machine, block(listen="listen on 203.0.113.99 port 80"))
    assert machine.run("rcctl check httpd").stdout == "httpd(failed)\n"
    machine.files.remove("/var/www/logs")
    serve(machine, SEED)
    assert machine.run("rcctl check httpd").stdout == "httpd(failed)\n"


def test_reload(machine: Machine) -> None:
    serve(machine, SEED)
    machine.files.write_text("/etc/httpd.conf", "nonsense\n")
    assert machine.run("rcctl reload httpd").stdout == "httpd(failed)\n"
    assert machine.httpd.get(SERVER, "/sub/file") == (200, b"inner")
    machine.files.write_text("/etc/httpd.conf", block("block return 402"))
    assert machine.run("rcctl reload httpd").stdout == "httpd(ok)\n"
    assert machine.httpd.get(SERVER, "/sub/file")[0] == 402


def test_the_running_daemon_outlives_the_sandbox(machine: Machine) -> None:
    serve(machine, SEED)
    machine.files.write_text("/etc/httpd.conf", "nonsense\n")
    machine.stop()
    again = Machine(machine.root, machine.hostname, machine.state)
    again.start()
    assert again.httpd.get(SERVER, "/sub/file") == (200, b"inner")
    assert again.run("rcctl stop httpd").stdout == "httpd(ok)\n"
    with pytest.raises(ConnectionRefusedError):
        again.httpd.get(SERVER, "/sub/file")
