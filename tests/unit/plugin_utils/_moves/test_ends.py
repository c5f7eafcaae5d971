# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the two servers of a move show, and what stands against it."""

from __future__ import annotations

import base64
import json
import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Image
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import BIOS, VM_CONF
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves import ends
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.ends import Move

STAMP = "20261129T120000"
ONE = Image(
    "/var/vmm/web1.qcow2",
    f"/var/vmm/web1.moved-{STAMP}.qcow2",
    "/home/vm/web1.moving.qcow2",
    "/home/vm/web1.qcow2",
)
MOVE = Move("web1", "server1", "server2", (ONE,), ran=True)
HEADER = "   ID   PID VCPUS  MAXMEM  CURMEM     TTY        OWNER    STATE NAME\n"
RUNS = f"{HEADER}    1 12345     1    1.0G    150M   ttyp1        puffy  running web1\n"
RESTS = f"{HEADER}    1     -     1    1.0G       -       -        puffy  stopped web1\n"
FILE = {"type": "file", "size": 50 << 30, "blocks": (3 << 30) // 512, "mtime": 7}
DF = "Filesystem  1K-blocks  Used  Avail Capacity  Mounted on\n/dev/sd0k 1 1 {} 1% /home\n"


def shown(
    *paths: str,
    status: str = HEADER,
    conf: str = "",
    check: int = 0,
    free: int = 100,
    **more: t.Any,
) -> dict[str, t.Any]:
    """What a server shows: paths that are there, vmctl(8) status, vm.conf(5), GiB that are free."""
    return {
        "paths": {**dict.fromkeys((BIOS, *paths), FILE), **more.get("other", {})},
        "read": {
            VM_CONF: base64.b64encode(conf.encode()).decode(),
            **({ends.progress_path(MOVE): more["progress"]} if "progress" in more else {}),
        },
        "run": {
            "status": {"stdout": status, "rc": 0},
            "check": {"rc": check},
            "df /home/vm": {"stdout": DF.format(free << 20)},
        },
    }


KNOWN: dict[str, tuple[dict[str, t.Any], str | None]] = {
    "nothing": (shown(), None),
    "it rests, unknown to vm.conf": (shown(status=RESTS), None),
    "it runs": (shown(status=RUNS), "runs"),
    "it is in vm.conf": (shown(conf='vm "web1" {\n\tdisable\n}\n'), "is in /etc/vm.conf"),
    "another one is": (shown(conf='vm "web10" {\n\tdisable\n}\n'), None),
    "vmd is down": (shown(status="", check=1), None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_whether_a_server_has_it_still(name: str) -> None:
    answer, how = KNOWN[name]
    assert ends.is_known(answer, "web1") == how
    if how:
        with pytest.raises(OperatorError, match=f"web1: {how} on server1, so it is not moved"):
            ends.refuse_known(answer, MOVE, "server1")
    else:
        ends.refuse_known(answer, MOVE, "server1")


@pytest.mark.parametrize("answer", [shown(status=""), shown(conf="vm {")])
def test_silence_is_no_proof(answer: dict[str, t.Any]) -> None:
    with pytest.raises(OperatorError):
        ends.is_known(answer, "web1")


LINK = {**FILE, "type": "link"}
SOURCES: dict[str, tuple[dict[str, t.Any], list[str]]] = {
    "all is there": (shown(ONE.source), []),
    "no image": (shown(), ["web1: /var/vmm/web1.qcow2 is not there on server1"]),
    "a link": (shown(other={ONE.source: LINK}), ["only files are moved"]),
    "an old one of this name": (shown(ONE.source, ONE.kept), ["exists on server1 already"]),
}


@pytest.mark.parametrize("name", SOURCES)
def test_what_keeps_images_from_leaving(name: str) -> None:
    answer, texts = SOURCES[name]
    obstacles = [*ends.source_obstacles(answer, MOVE)]
    assert len(obstacles) == len(texts)
    assert all(text in obstacle for text, obstacle in zip(texts, obstacles, strict=True))


def progress(**changes: int) -> str:
    noted = {"images": [{**FILE, **changes}], "files": [{"sha256": "0" * 64}]}
    return base64.b64encode(json.dumps(noted).encode()).decode()


HOME = {"/home/vm": {"type": "directory"}}
THERE: dict[str, tuple[dict[str, t.Any], bool, bool, list[str]]] = {
    "nothing yet": (shown(other=HOME), False, False, []),
    "no directory yet": (shown(), False, False, []),
    "some of it": (shown(ONE.arriving, other=HOME, free=1), True, False, []),
    "no room": (shown(other=HOME, free=3), False, False, ["images need 3072M in /home/vm"]),
    "all of it": (shown(ONE.place, other=HOME, free=1, progress=progress()), True, True, []),
    "somebody else's": (shown(ONE.place, other=HOME), False, False, ["exists on server2 already"]),
    "both": (
        shown(ONE.place, ONE.arriving, other=HOME), True, False, ["exists on server2 already"],
    ),
    "a copy of what was used since": (
        shown(ONE.place, other=HOME, progress=progress(mtime=6)), True, True,
        ["was used after its copy was made"],
    ),
    "another VM of the name": (
        shown(conf='vm "web1" {\n\tdisable\n}\n', other=HOME), False, False,
        ["server2 has another VM of this name, which is in /etc/vm.conf"],
    ),
    "a note": (
        shown("/home/vm/.web1.install.conf", other=HOME), False, False,
        ["is the note of an installation"],
    ),
    "no firmware": (shown(other={**HOME, BIOS: None}), False, False, ["; run 'fw_update -d vmm'"]),
}  # fmt: skip


@pytest.mark.parametrize("name", THERE)
def test_what_the_other_server_has_and_what_keeps_images_from_coming(name: str) -> None:
    answer, continued, arrived, texts = THERE[name]
    state = ends.there(answer, MOVE, [FILE], continued=continued)
    assert state.arrived == arrived
    assert len(state.obstacles) == len(texts), state.obstacles
    assert all(text in obstacle for text, obstacle in zip(texts, state.obstacles, strict=True))


def test_old_images_are_renamed_once_and_only_while_the_vm_rests() -> None:
    first, *steps = ends.retire(shown(ONE.source), MOVE)
    assert (first.do, first.fields["seconds"]) == ("wait", 0)
    assert [(step.fields["from"], step.fields["path"]) for step in steps] == [
        (ONE.source, ONE.kept)
    ]
    assert list(ends.retire(shown(ONE.kept), MOVE)) == []
