# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Disk images."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import EVERYBODYS, PlanError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from unit.plugin_utils._state.servers import (
    DIRECTORY,
    LINK,
    Server,
    change,
    changes,
    plan_on,
    steps,
    undos,
    wants,
)


def image(path: str) -> dict[str, t.Any]:
    return {"path": path, "size": "1G", "format": "raw"}


def test_an_image_is_made_once_whole_and_never_touched_again() -> None:
    document = wants(images=[image("/var/a.img"), image("/var/b.img")])
    made = plan_on(document, Server({"/var/a.img": "data"}))
    assert changes(made) == ["create image /var/b.img (1G, raw)"]
    assert steps(made) == [
        "run rm -f /var/.new-b.img", "run vmctl create -s 1G raw:/var/.new-b.img",
        "rename /var/b.img",
    ]  # fmt: skip
    assert undos(made) == ["rm -f /var/.new-b.img"]
    assert change(made, "create").vms == EVERYBODYS


@pytest.mark.parametrize(
    ("server", "text"),
    [
        (Server({"/var/a.img": DIRECTORY}), "is a directory; vmd takes only files as images"),
        (Server({"/var/a.img": LINK}), "is a link; vmd takes only files as images"),
    ],
)
def test_what_is_not_a_file(server: Server, text: str) -> None:
    with pytest.raises(PlanError, match=text):
        plan_on(wants(images=[image("/var/a.img")]), server)


def test_no_directory_for_it() -> None:
    with pytest.raises(PlanError, match="the directory /vmm does not exist on this server"):
        plan_on(wants(images=[image("/vmm/a.img")]))


def test_a_directory_that_the_document_makes() -> None:
    document = wants(images=[image("/var/vmm/a.img")], directories=[{"path": "/var/vmm"}])
    assert changes(plan_on(document)) == [
        "create directory /var/vmm", "create image /var/vmm/a.img (1G, raw)",
    ]  # fmt: skip


def test_a_path_that_is_not_safe() -> None:
    with pytest.raises(DocumentError, match="is not a valid path"):
        wants(images=[image("/var/../a.img")])
