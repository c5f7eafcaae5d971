# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Firmware that no set of OpenBSD contains, fetched by fw_update(8)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import (
    TOOLS,
    fetch_firmware,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
    declared,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple

# fw_update(8) gives up when nothing arrives for 12 s; a slow machine unpacks slowly.
_FETCH_SECONDS: t.Final = 300
# fw_update(8) passes a URL to a shell within single quotes.
_SOURCE: t.Final = re.compile(r"(?:(?:ftp|https?)://|/)[A-Za-z0-9_.,:@%+=~/-]+")


@dataclass(frozen=True)
class Firmware:
    """A file that fw_update(8) installs for a driver.

    `source` is a URL or a directory of the server, empty for the system's own choice. `missing` is
    what to do if the file does not exist: "fetch" it, "fail", or "ignore" that. `without` says
    what does not work then, and `advice` what to do.
    """

    path: str
    driver: str
    source: str = ""
    missing: str = "fetch"
    without: str = ""
    advice: str = ""


class FirmwareFiles(Simple[tuple[Firmware, ...]]):
    """Firmware, before all else of all documents."""

    OPTION: t.ClassVar[str] = "firmware"
    SPEC: t.ClassVar[Options] = list_of(
        {
            "path": {"type": "str", "required": True},
            "driver": {"type": "str", "required": True},
            "source": {"type": "str", "default": ""},
            "missing": {"type": "str", "choices": ["fetch", "fail", "ignore"], "default": "fetch"},
            "without": {"type": "str", "default": ""},
            "advice": {"type": "str", "default": ""},
        }
    )

    def desired(self, options: t.Any, context: Context) -> tuple[Firmware, ...]:
        items = tuple(Firmware(**declared(item)) for item in options)
        for item in items:
            if item.source and not _SOURCE.fullmatch(item.source):
                raise DocumentError(
                    f"{context.name}: firmware: {item.source!r} is not a source for fw_update(8); "
                    "use a URL, as in http://mirror.example.org/firmware/7.8, or an absolute path "
                    "of the server"
                )
        return items

    def questions(self, desired: tuple[Firmware, ...]) -> Questions:
        return {"paths": [stat(item.path) for item in desired]}

    def plan(self, desired: tuple[Firmware, ...], facts: Answer, out: Planning) -> None:
        """Fetch it; the file decides, since fw_update(8) may exit with 0 without it."""
        for item in desired:
            if facts.paths.get(item.path):
                continue
            if item.missing == "ignore":
                text = f"is missing: {item.without} until you {fetch_firmware(item.driver)}"
                out.warn(item.path, text)
                continue
            advice = f"{fetch_firmware(item.driver)}{', ' * bool(item.advice)}{item.advice}"
            if item.missing == "fail":
                raise out.error(item.path, f"is missing on this server: {item.without}; {advice}")
            source = ["-p", item.source] if item.source else []
            forget = [TOOLS["fw_update"], "-d", item.driver]
            argv = [TOOLS["fw_update"], *source, item.driver]
            title = out.title(item.path)
            change = Change("fetch firmware", item.driver)
            lacking = f"is missing, and fw_update(8) did not fetch it: {item.without}; {advice}"
            expected = {"path": item.path, "type": "file", "lacking": lacking}
            out.step(
                Phase.NEED,
                run(title, forget, timeout=_FETCH_SECONDS, ok=[]),
                run(title, argv, change=change, timeout=_FETCH_SECONDS, ok=[]),
                Step("expect", title, expected),
            )
