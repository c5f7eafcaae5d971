# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The arguments of puffy.vmm.host_state, as an Ansible argument spec."""

from __future__ import annotations

import typing as t

Options = dict[str, t.Any]

_ATTRIBUTES: Options = {
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "wheel"},
}


def _list_of(options: Options) -> Options:
    return {"type": "list", "elements": "dict", "options": options}


SITE_SETS: t.Final[Options] = {
    "fleet": {"type": "path", "required": True},
    "release": {"type": "str", "required": True},
    "vms": {"type": "list", "elements": "dict", "default": []},
    "template": {"type": "str"},
    "modes": {"type": "dict", "default": {}},
    "listed": {"type": "list", "elements": "str", "default": []},
}

DOCUMENT: t.Final[Options] = {
    "name": {"type": "str"},
    "files": _list_of(
        {
            "path": {"type": "str", "required": True},
            "template": {"type": "str"},
            "content": {"type": "str"},
            "source": {"type": "path"},
            "each": {"type": "list", "elements": "dict"},
            "mode": {"type": "str", "default": "0644"},
            **_ATTRIBUTES,
            "validate": {"type": "str"},
            "sensitive": {"type": "bool", "default": False},
            "note": {"type": "str"},
        }
    ),
    "directories": _list_of(
        {
            "path": {"type": "str", "required": True},
            "each": {"type": "list", "elements": "dict"},
            "mode": {"type": "str", "default": "0755"},
            **_ATTRIBUTES,
            "purge": {"type": "str"},
            "purge_directories": {"type": "str"},
            "sensitive": {"type": "bool", "default": False},
        }
    ),
    "lines": _list_of(
        {
            "path": {"type": "str", "required": True},
            "key": {"type": "str", "no_log": False},
            "line": {"type": "str", "required": True},
        }
    ),
    "site_sets": {
        "type": "dict",
        "options": {"directory": {"type": "str", "required": True}, **SITE_SETS},
    },
    "mirrors": _list_of(
        {
            "directory": {"type": "str", "required": True},
            "url": {"type": "str", "required": True},
            "names": {"type": "list", "elements": "str", "required": True},
            "verify": {
                "type": "str",
                "choices": ["signify", "sha256", "none"],
                "default": "signify",
            },
            "key": {"type": "str", "no_log": False},
        }
    ),
    "images": _list_of(
        {
            "path": {"type": "str", "required": True},
            "size": {"type": "str", "required": True},
            "format": {"type": "str", "required": True, "choices": ["raw", "qcow2"]},
        }
    ),
    "devices": {"type": "list", "elements": "str"},
    "sysctls": {"type": "dict"},
    "groups": {"type": "list", "elements": "str"},
    "accounts": _list_of(
        {
            "name": {"type": "str"},
            "ssh_keys": {"type": "list", "elements": "str", "no_log": False},
            "each": {"type": "list", "elements": "dict"},
            "groups": {"type": "list", "elements": "str"},
            "key_options": {"type": "list", "elements": "str", "no_log": False},
            "shell": {"type": "str", "default": "/bin/ksh"},
        }
    ),
    "roster": {"type": "str"},
    "services": _list_of(
        {
            "name": {"type": "str", "required": True},
            "enabled": {"type": "bool", "default": True},
            "running": {"type": "bool", "default": True},
            "flags": {"type": "str"},
            "timeout": {"type": "int"},
            "on_change": {
                "type": "str",
                "choices": ["reload", "restart", "nothing"],
                "default": "restart",
            },
            "shows": {"type": "list", "elements": "str"},
        }
    ),
    "interfaces": {"type": "list", "elements": "str"},
    "links": _list_of(
        {
            "name": {"type": "str", "required": True},
            "create": {"type": "bool", "default": True},
            "up": {"type": "bool", "default": True},
            "vnetid": {"type": "int"},
            "parent": {"type": "str"},
            "protocol": {"type": "str"},
            "ports": {"type": "list", "elements": "str"},
            "addresses": {"type": "list", "elements": "str"},
            "members": {"type": "list", "elements": "str"},
            "flags": {"type": "list", "elements": "str"},
            "known": {"type": "list", "elements": "str"},
        }
    ),
    "taps": {
        "type": "dict",
        "options": {
            "switches": {"type": "list", "elements": "dict", "required": True},
            "vms": {"type": "list", "elements": "dict", "required": True},
        },
    },
    "pf": {
        "type": "dict",
        "options": {
            "anchor": {"type": "str", "required": True},
            "path": {"type": "path", "required": True},
            "template": {"type": "str", "required": True},
            "enable": {"type": "bool", "default": False},
        },
    },
    "firmware": _list_of(
        {
            "path": {"type": "str", "required": True},
            "driver": {"type": "str", "required": True},
            "source": {"type": "str", "default": ""},
            "missing": {
                "type": "str",
                "choices": ["fetch", "fail", "ignore"],
                "default": "fetch",
            },
        }
    ),
    "vmm": {"type": "str", "choices": ["required", "optional"]},
}

SPEC: t.Final[Options] = {
    **DOCUMENT,
    "documents": _list_of(DOCUMENT),
    "one_time": {
        "type": "dict",
        "options": {
            "vms": {"type": "list", "elements": "dict", "required": True},
            "installing": {"type": "list", "elements": "str", "default": []},
        },
    },
    "confirm": {"type": "int"},
    "only": {"type": "list", "elements": "dict"},
    "render_to": {"type": "path"},
}
