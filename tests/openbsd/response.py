# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The response file of the image's installation: what the role autoinstall writes for a VM."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from openbsd.errors import OpenBSDError

MAC = "52:54:00:12:34:56"
HOSTNAME = "openbsd.example.org"
# The collection's template has one; the tests log in as root, and it goes before the first use.
USER = "installer"

_HERE = Path(__file__).parent
_CHECKOUT = _HERE.parent.parent

# Other keys of a VM in vmm_vms, which no response file depends on.
_NO_VM: Mapping[str, object] = {
    "server": "localhost",
    "number": 1,
    "owner": USER,
    "state": "present",
    "autostart": False,
    "memory": "1G",
    "image": {"path": "/openbsd.qcow2", "format": "qcow2", "size": "1G"},
    "interfaces": [],
    "disks": [],
    "made": False,
    "detached": [],
    "install_by": "autoinstall",
    "cdrom": None,
    "boot": None,
    "installed": None,
    "seen": False,
    "refusal": None,
    "moving": None,
}

# No server of VMs gives out addresses here.
_NO_NETWORK: Mapping[str, object] = {
    "name": "default",
    "ipv4": {"server": "192.0.2.254"},
    "ipv6": None,
}


@dataclass(frozen=True)
class Response:
    """``server``: http://HOST:PORT as the guest sees it. ``sets``: names of files.

    ``template``: the address of a template for disklabel(8). ``verified``: whether the installer
    shall insist on the sets' signatures.
    """

    release: str
    server: str
    sets: tuple[str, ...]
    ssh_key: str
    template: str
    verified: bool

    def variables(self) -> dict[str, object]:
        """Return what the role gets."""
        answers = {
            "Public ssh key for root account": self.ssh_key,
            "URL to autopartitioning template for disklabel": self.template,
        }
        if not self.verified:
            answers["Continue without verification"] = "yes"
        vm: dict[str, object] = {
            "name": "openbsd",
            "hostname": HOSTNAME,
            "mac": MAC,
            "ipv4": "192.0.2.1",
            "ipv6": None,
            "user": USER,
            "ssh_keys": [self.ssh_key],
            "timezone": "UTC",
            "sets": ["-all", *self.sets],
            "install_options": answers,
            **_NO_VM,
        }
        host: dict[str, object] = {
            "domain": HOSTNAME.partition(".")[2],
            "ipv4": _NO_NETWORK["ipv4"],
            "networks": [_NO_NETWORK],
            "release": self.release,
            "sets_directory": "/var/www/htdocs/openbsd",
            "sets_server": self.server,
        }
        return {
            "vmm_host": host,
            "vmm_vms": [vm],
            "autoinstall_root_login": True,
            "autoinstall_site_sets": False,
            "autoinstall_sets_server": self.server,
            "autoinstall_signed_sets": self.verified,
            "autoinstall_listed_sets": [],
        }

    def render(self) -> bytes:
        """Return the file. Raises OpenBSDError with what Ansible says."""
        with tempfile.TemporaryDirectory() as directory:
            place = Path(directory)
            variables = place / "variables.json"
            variables.write_text(json.dumps({**self.variables(), "render_to": f"{place}/out"}))
            words = [sys.executable, "-m", "ansible", "playbook"]
            words += ["--inventory", "localhost,", "--connection", "local"]
            words += ["--extra-vars", f"@{variables}", str(_HERE / "response.yml")]
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                env=_environment(),
            )
            paths = list((place / "out").glob(f"**/{MAC}-install.conf@*"))
            if done.returncode or len(paths) != 1:
                raise OpenBSDError(
                    f"Ansible could not render the response file:\n{done.stdout}{done.stderr}"
                )
            return paths[0].read_bytes()


def _environment() -> dict[str, str]:
    collections = str(_CHECKOUT / ".dev/collections")
    environment = {"ANSIBLE_COLLECTIONS_PATH": collections, "LC_ALL": "C.UTF-8", **os.environ}
    return environment | {"ANSIBLE_STDOUT_CALLBACK": "default", "ANSIBLE_NOCOLOR": "1"}
