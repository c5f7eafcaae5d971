# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What the example's servers would get, against files that are kept and reviewed.

`UPDATE_GOLDEN=1 ./dev run pytest tests/unit/test_golden.py` writes them again.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
GOLDEN = CHECKOUT / "tests/golden"
ONCE = "once-00000000000000000000000000000000"
HASH = "$2b$10$abcdefghijklmnopqrstuuW1bYvHKqPwNWVxUNMRz5cnfYT4ZbCPK"


def render(inventory: Path, to: Path, **variables: object) -> None:
    """Runs render.yml, which connects to nothing: there is nothing at the other end."""
    command = ["ansible-playbook", "-i", str(inventory), "puffy.vmm.render"]
    command += ["-e", f"render_to={to}", "-e", json.dumps(variables)]
    result = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def files(directory: Path) -> dict[str, str]:
    # Kept files have no colons in their names, which some systems do not allow.
    return {
        str(path.relative_to(directory)).replace(":", "_"): path.read_text()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


RESPONSE = f"var/www/htdocs/install/{ONCE}/fe_e1_bb_d1_c8_01-install.conf@203.0.113.16"


@pytest.mark.parametrize(
    ("name", "inventory", "installing"),
    [
        ("example", "inventories/example", ["web1", "build1"]),
        ("seed/servers", "tests/golden/seed/inventory", ["vm01"]),
        ("one-address", "examples/one-address/inventory", ["web1"]),
        ("networks/servers", "tests/golden/networks/inventory", ["front"]),
    ],
)
def test_rendered_files(name: str, inventory: str, installing: list[str], tmp_path: Path) -> None:
    hashes = dict.fromkeys(installing, HASH)
    variables = {"vmm_installing": installing, "autoinstall_hashes": hashes}
    render(CHECKOUT / inventory, tmp_path, **variables)
    rendered = files(tmp_path)
    if os.environ.get("UPDATE_GOLDEN"):
        for path, text in rendered.items():
            (GOLDEN / name / path).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name / path).write_text(text)
    assert rendered == files(GOLDEN / name)


def test_what_a_server_with_metrics_gets_in_addition(tmp_path: Path) -> None:
    render(CHECKOUT / "inventories/example", tmp_path / "without")
    addresses = ["2001:DB8::9", "192.0.2.9"]
    render(CHECKOUT / "inventories/example", tmp_path / "with", metrics_to=addresses)
    without = files(tmp_path / "without/server1")
    rendered = files(tmp_path / "with/server1")
    added = {path: text for path, text in rendered.items() if text != without.get(path)}
    if os.environ.get("UPDATE_GOLDEN"):
        for path, text in added.items():
            (GOLDEN / "metrics" / path).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / "metrics" / path).write_text(text)
    assert added == files(GOLDEN / "metrics")


# The excerpts of the set-up that is rebuilt, statement by statement, as they are written today.
SEED = {
    "etc/vm.conf": [
        'socket owner ":vmdusers"',
        'switch "uplink_vlan42" {',
        'interface "bridge42"',
        'vm "vm02" {',
        # The excerpt lost it: a reload starts whatever has no `disable`.
        "disable",
        'owner "mira"',
        # Today's manual wants the format said; without it the first bytes of the disk decide.
        'disk "/var/vmm/vm02.img" format raw',
        "interface tap {",
        'switch "uplink_vlan42"',
        'lladdr "fe:e1:bb:d1:c8:02"',
    ],
    "etc/dhcpd.conf": [
        'option domain-name "openbsd.amsterdam";',
        "option domain-name-servers 192.0.2.53, 192.0.2.54;",
        "subnet 203.0.113.0 netmask 255.255.255.0 {",
        "option routers 203.0.113.1;",
        'server-name "server1.openbsd.amsterdam";',
        # Since OpenBSD 7.0 the installer asks next-server, and does not read server-name.
        "next-server 203.0.113.2;",
        "range 203.0.113.201 203.0.113.240;",
        "host vm01 {",
        "hardware ethernet fe:e1:bb:d1:c8:01;",
        "fixed-address 203.0.113.16;",
        # During the installation, the directory is secret too.
        f'filename "{ONCE}/auto_install";',
        'option host-name "vm01";',
        'filename "auto_install";',
        'option host-name "vm02";',
    ],
    RESPONSE: [
        "System hostname = vm01.example.org",
        # A hash in place of the password, here and for the user.
        f"Password for root = {HASH}",
        "Change the default console to com0 = yes",
        "Which speed should com0 = 115200",
        # "Network interfaces" is not a valid question any more.
        "Network interface to configure = vio0",
        # "dhcp" is still taken, and offered as "autoconf".
        "IPv4 address for vio0 = autoconf",
        "IPv6 address for vio0 = 2001:db8:6::10/64",
        "IPv6 default router = 2001:db8:6::1",
        "Setup a user = puffy",
        f"Password for user = {HASH}",
        # The password is not put behind the key.
        "Public ssh key for user = ssh-ed25519 "
        "AAAAC3NzaC1lZDI1NTE5AAAAIBWcDBLMPu1WXn8+HKzegEKOQcDWqg3nfjnKqxlbiAyR puffy",
        "Which disk is the root disk = sd0",
        "What timezone are you in = Europe/Amsterdam",
        "Location of sets = http",
        # "Server" alone would also fit "Server directory".
        "HTTP Server = server.openbsd.amsterdam",
        "Set name(s) = -x* +xb* +xf* +site*",
        # "Continue anyway" alone would also agree to a set of the release that is not what it was.
        "Checksum test for site78.tgz failed. Continue anyway = yes",
        "Unverified sets: site78.tgz site78-vm01.tgz. Continue without verification = yes",
    ],
    "etc/httpd.conf": [
        'server "default" {',
        "listen on * port 80",
        'location "/pub/OpenBSD/7.8/amd64/*" {',
        'root "/htdocs/amd64"',
        "request strip 4",
        "directory auto index",
        # Where nobody finds another's.
        'root "/htdocs/install"',
    ],
}


@pytest.mark.parametrize("path", SEED)
def test_the_bridge_preset_says_what_the_seed_says(path: str) -> None:
    text = (GOLDEN / "seed/servers/server1.openbsd.amsterdam" / path).read_text()
    lines = [line.strip() for line in text.splitlines()]
    at = -1
    for expected in SEED[path]:
        assert expected in lines, expected
        if path != RESPONSE:
            assert lines.index(expected, at + 1) > at, f"{expected} is out of order"
            at = lines.index(expected, at + 1)
