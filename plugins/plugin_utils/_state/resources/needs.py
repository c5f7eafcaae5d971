# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What a machine must have before vmd(8) can run VMs: vmm(4), and firmware that is in no set."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError, Step, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    Firmware,
    Service,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import Current

# fw_update(8) gives up by itself when nothing came for 12 s; a slow machine unpacks slowly.
_FETCH_SECONDS: t.Final = 300
NO_VMM: t.Final = (
    "this server has no usable vmm(4), so vmd(8) cannot run: its processor has neither VMX/EPT nor "
    "SVM/RVI, or they are switched off in the machine's firmware (Intel: VT-x, AMD: SVM)"
)


def vmm(document: Document, current: Current) -> None:
    """Raises PlanError for a server without vmm(4) where it is required."""
    if document.vmm == "required" and not current.vmm:
        raise PlanError(
            f"{document.name}: {NO_VMM}; switch them on there and boot again, or have everything "
            "configured without a running vmd(8) by vmd_without_vmm: true"
        )


def warnings(documents: t.Iterable[Document], current: Current) -> t.Iterator[str]:
    """What a person should know of a server on which the documents can be carried out."""
    for document in documents:
        if document.vmm and not current.vmm:
            yield f"{document.name}: {NO_VMM}; it is configured, and not started"
        for item in document.firmware:
            if item.missing == "ignore" and not current.paths.get(item.path):
                yield (
                    f"{document.name}: {item.path} is missing: VMs can be installed, but none "
                    f"starts from its disk until 'fw_update {item.driver}' was run there"
                )


def services(document: Document, current: Current) -> tuple[Service, ...]:
    """The document's services; vmd(8) cannot be asked to run without vmm(4)."""
    if current.vmm or document.vmm != "optional":
        return document.services
    return tuple(
        replace(service, running=False) if service.name == "vmd" else service
        for service in document.services
    )


def firmware(document: Document, current: Current) -> t.Iterator[Step]:
    """Has fw_update(8) fetch what is missing; judged by the file, since it may exit with 0."""
    for item in document.firmware:
        if current.paths.get(item.path) or item.missing == "ignore":
            continue
        title = f"{document.name}: {item.path}"
        if item.missing == "fail":
            raise PlanError(f"{title} is missing on this server; {_advice(item)}")
        source = ["-p", item.source] if item.source else []
        argv = [TOOLS["fw_update"], *source, item.driver]
        change = f"fetch firmware {item.driver}"
        yield run(title, argv, change=change, timeout=_FETCH_SECONDS, ok=[])
        lacking = f"it is missing, and fw_update(8) brought none; {_advice(item)}"
        yield Step("expect", title, {"path": item.path, "type": "file", "lacking": lacking})


def _advice(item: Firmware) -> str:
    return (
        f"VMs cannot start from their disks without it. Run 'fw_update {item.driver}' there, set "
        "vmd_firmware_url to a mirror or to a directory of the server with SHA256.sig and the "
        "firmware's .tgz, or go on without it with vmd_firmware_missing: ignore"
    )
