# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Firmware that is in no set of OpenBSD, fetched by fw_update(8)."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Change, Step, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.answer import Answer, Questions
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import (
    Context,
    DocumentError,
    Options,
    given,
    list_of,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.planning import Phase, Planning
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.resource import Simple

# fw_update(8) gives up by itself when nothing came for 12 s; a slow machine unpacks slowly.
_FETCH_SECONDS: t.Final = 300
# fw_update(8) hands a URL to a shell within single quotes.
_SOURCE: t.Final = re.compile(r"(?:(?:ftp|https?)://|/)[A-Za-z0-9_.,:@%+=~/-]+")


@dataclass(frozen=True)
class Firmware:
    """A file that fw_update(8) installs for a driver.

    `source` is a URL or a directory of the server, empty for the system's own choice. `missing` is
    what to do where the file is not there: "fetch" it, "fail", or "ignore" it. `without` says what
    does not work then, and `advice` what to do.
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

    def wanted(self, given_items: t.Any, context: Context) -> tuple[Firmware, ...]:
        items = tuple(Firmware(**given(item)) for item in given_items)
        for item in items:
            if item.source and not _SOURCE.fullmatch(item.source):
                raise DocumentError(
                    f"{context.name}: firmware: {item.source!r} is not a source for fw_update(8); "
                    "use a URL, as in http://mirror.example.org/firmware/7.8, or an absolute path "
                    "of the server"
                )
        return items

    def questions(self, want: tuple[Firmware, ...]) -> Questions:
        return {"paths": [{"path": item.path, "hash": 0} for item in want]}

    def plan(self, want: tuple[Firmware, ...], facts: Answer, out: Planning) -> None:
        """Has it fetched; judged by the file, since fw_update(8) may exit with 0 without it."""
        for item in want:
            if facts.paths.get(item.path):
                continue
            if item.missing == "ignore":
                out.warn(
                    item.path,
                    f"is missing: {item.without} until 'fw_update {item.driver}' was run there",
                )
                continue
            help_ = f"run 'fw_update {item.driver}' there{', ' * bool(item.advice)}{item.advice}"
            if item.missing == "fail":
                raise out.error(item.path, f"is missing on this server: {item.without}; {help_}")
            source = ["-p", item.source] if item.source else []
            argv = [TOOLS["fw_update"], *source, item.driver]
            title = out.title(item.path)
            change = Change("fetch firmware", item.driver)
            lacking = f"is missing, and fw_update(8) brought none: {item.without}; {help_}"
            expected = {"path": item.path, "type": "file", "lacking": lacking}
            out.step(
                Phase.NEED,
                run(title, argv, change=change, timeout=_FETCH_SECONDS, ok=[]),
                Step("expect", title, expected),
            )
