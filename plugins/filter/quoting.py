# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Filters that write a value for a configuration language, or refuse it: documented beside this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.puffy.vmm.plugins.module_utils._formats import quoting
from ansible_collections.puffy.vmm.plugins.plugin_utils._ansible.filter import named, text

_WRITERS: dict[str, Callable[[str], str]] = {
    "client_address": quoting.client_address,
    "dhcpd_string": quoting.dhcpd_string,
    "getcap_string": quoting.getcap_string,
    "httpd_string": quoting.httpd_string,
    "mail_address": quoting.mail_address,
    "response_value": quoting.response_value,
    "vm_conf_string": quoting.vm_conf_string,
}


def _filter(name: str, write: Callable[[str], str]) -> Callable[[Any], str]:
    @named(name)
    def quoted(value: Any) -> str:
        return write(text(value))

    return quoted


class FilterModule:
    def filters(self) -> dict[str, Callable[..., object]]:
        return {name: _filter(name, write) for name, write in _WRITERS.items()}
