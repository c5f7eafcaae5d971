# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Lines of ours between marks, in files of others."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from unit.plugin_utils._state.servers import (
    Content,
    Server,
    change,
    changes,
    plan_on,
    service,
    staged,
    steps,
    wants,
)

PATH = "/etc/ssh/sshd_config"
LINES = ["Match Group x", "\tAuthorizedKeysFile /y/%u"]
MARKED = (
    "# begin of puffy.vmm sshd\n" + "".join(f"{x}\n" for x in LINES) + "# end of puffy.vmm sshd\n"
)


def sshd(*lines: str, **more: t.Any) -> Document:
    item = {"path": PATH, "lines": list(lines), "validate": "sshd -t -f {path}"}
    return wants("sshd", marked_lines=[item], **more)


def test_lines_go_to_the_end_and_all_else_stays() -> None:
    server = Server({PATH: Content(b"Port 22 # caf\xe9", "0600")})
    made = plan_on(sshd(*LINES), server)
    assert steps(made) == [f"stage {PATH}", "run sshd -t -f {path}", f"commit {PATH}"]
    assert staged(made) == {PATH: "Port 22 # caf\udce9\n" + MARKED}
    assert made.steps[0].fields["mode"] == "0600"
    assert change(made, "change").vms == EVERYBODYS


def test_a_file_that_is_missing() -> None:
    made = plan_on(sshd(*LINES), Server({"/etc/ssh/x": ""}))
    assert changes(made) == [f"create {PATH}"]
    assert staged(made) == {PATH: MARKED}


def test_lines_that_are_there_stay_where_they_are() -> None:
    server = Server({PATH: f"Port 22\n{MARKED}Match User z\n"})
    assert plan_on(sshd(*LINES), server).steps == ()
    made = plan_on(sshd("Match Group w"), server)
    assert staged(made)[PATH] == (
        "Port 22\n# begin of puffy.vmm sshd\nMatch Group w\n# end of puffy.vmm sshd\nMatch User z\n"
    )


def test_no_lines_take_ours_away_and_nothing_else() -> None:
    made = plan_on(sshd(), Server({PATH: f"Port 22\n{MARKED}Match User z\n"}))
    assert staged(made) == {PATH: "Port 22\nMatch User z\n"}
    assert plan_on(sshd(), Server({PATH: "Port 22\n"})).steps == ()
    assert plan_on(sshd(), Server({"/etc/ssh/x": ""})).steps == ()


def test_a_service_reads_them() -> None:
    document = sshd(*LINES, services=[{"name": "sshd", "on_change": "reload"}])
    made = plan_on(document, Server({PATH: ""}, service("sshd")))
    assert changes(made) == [f"change {PATH}", "reload sshd"]


def test_no_service_reads_a_quiet_file() -> None:
    item = {"path": PATH, "lines": LINES, "quiet": True}
    services = [{"name": "httpd", "on_change": "reload"}]
    document = wants("httpd", marked_lines=[item], services=services)
    assert changes(plan_on(document, Server({PATH: ""}, service("httpd")))) == [f"change {PATH}"]


@pytest.mark.parametrize(
    "text",
    [
        "# begin of puffy.vmm sshd\nx\n",
        "x\n# end of puffy.vmm sshd\n",
        "# end of puffy.vmm sshd\n# begin of puffy.vmm sshd\n",
        MARKED + MARKED,
    ],
)
def test_damaged_marks_are_not_guessed_at(text: str) -> None:
    with pytest.raises(PlanError, match=f"{PATH}: the marks of our lines are damaged"):
        plan_on(sshd(*LINES), Server({PATH: text}))


def test_a_path_that_is_not_safe() -> None:
    with pytest.raises(DocumentError, match="is not a valid path"):
        wants(marked_lines=[{"path": "x", "lines": []}])
