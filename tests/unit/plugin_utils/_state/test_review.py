# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Files that a person can read before a server is connected to."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.review import files, write
from unit.plugin_utils._state.servers import wants

NETWORK = wants("network", links={"interfaces": [{"name": "veb42"}]})
VEB = {"name": "veb42", "create": False, "up": False, "flags": ["link1"]}
PF = wants("pf", links={"interfaces": [VEB]})


def test_files_of_all_types_that_have_any() -> None:
    document = wants(
        "all",
        files=[{"path": "/opt/x/y", "content": "a"}],
        directories=[{"path": "/var/z"}],
        lines=[{"path": "/etc/rc.local", "line": "b"}],
        marked_lines=[{"path": "/etc/ssh/sshd_config", "lines": ["c"]}],
        sysctls={"kern.maxproc": 1},
        accounts={
            "users": [{"name": "puffy", "ssh_keys": ["d"]}],
            "roster": "/var/db/r",
            "keys": "/etc/k",
        },
        links={"interfaces": [{"name": "veb0"}]},
        pf={"anchor": "x", "path": "/etc/pf.x", "template": "pf.j2"},
        vm_conf={"path": "/etc/vm.conf", "template": "vm.j2", "service": "vmd"},
        services=[{"name": "httpd"}],
        groups=["x"],
        devices=["tap0"],
    )
    assert sorted(file.path for file in files([document])) == [
        "/etc/hostname.veb0", "/etc/k/puffy", "/etc/pf.conf", "/etc/pf.x", "/etc/rc.local",
        "/etc/ssh/sshd_config", "/etc/sysctl.conf", "/etc/vm.conf", "/opt/x/y",
    ]  # fmt: skip


def test_a_file_that_two_documents_edit_has_the_lines_of_both() -> None:
    (file,) = files([NETWORK, PF])
    assert file.content.decode() == (
        "# begin of puffy.vmm network\nup\n# end of puffy.vmm network\n"
        "# begin of puffy.vmm pf\nlink1\n# end of puffy.vmm pf\n"
    )


def test_files_are_written_below_the_name_of_the_server(tmp_path: Path) -> None:
    secret = {"path": "/etc/secret", "content": "x", "sensitive": True}
    documents = [NETWORK, wants(files=[secret])]
    paths = [tmp_path / "server1/etc" / name for name in ("hostname.veb42", "secret")]
    assert write(documents, str(tmp_path), "server1") == {
        "changed": True, "changes": [f"write {path}" for path in paths],
    }  # fmt: skip
    assert [path.stat().st_mode & 0o077 for path in paths] != [0, 0]
    assert paths[1].stat().st_mode & 0o077 == 0
    assert write(documents, str(tmp_path), "server1") == {"changed": False, "changes": []}


def test_a_directory_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "server1").write_text("")
    with pytest.raises(OperatorError, match="name a directory to write to"):
        write([NETWORK], str(tmp_path), "server1")
