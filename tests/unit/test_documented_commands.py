# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Each command of the documentation is run by a test, or by ./dev test itself."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

GUIDE = ("tests/integration/test_guides.py", "test_the_first_server")
UPGRADE = "tests/integration/test_upgrade.py"
LIFE = "tests/integration/test_vm.py"
ADOPT = "tests/integration/test_adopt.py"
MOVE = "tests/integration/test_move.py"
BACKUP = "tests/integration/test_backup.py"
CONTACT_FORM = ("tests/unit/examples/test_guide.py", "def test_the_commands")
DEV = "tests/unit/tools/test_dev.py"
PLAY = "ansible-playbook -i inventories/production puffy.vmm"
# Each command, and a file with a word of it that shows where it is tried out.
TESTED: dict[str, tuple[str, str]] = {
    "./dev demo": (DEV, '"demo"'),
    "./dev bench": ("tests/integration/test_bench.py", '"bench"'),
    "./dev docs": ("tests/integration/test_docs_site.py", "docs_site.py"),
    "./dev matrix 2.20": ("tests/unit/tools/test_matrix.py", '"2.20"'),
    "./dev package": (".github/workflows/test.yml", "run: ./dev package"),
    "./dev test": (DEV, '"test"'),
    "./dev test unit": (DEV, '"test"'),
    "./dev test-openbsd": ("tests/unit/openbsd/test_real_qemu.py", "def test_"),
    "./dev run ansible-playbook -i inventories/example puffy.vmm.site": (
        DEV, "inventories/example",
    ),
    "./dev run ansible-playbook -i inventories/example puffy.vmm.site --check --diff": (
        "tests/integration/test_site.py", '"site", "--check", "--diff"',
    ),
    "./dev run ssh -F .dev/sandbox/ssh_config server1": (DEV, ".dev/sandbox"),
    "./dev run pytest tests/unit/module_utils -k ledger": (DEV, '"run"'),
    "./dev run ruff format": ("dev", "ruff format"),
    "./dev run python tools/run_sanity.py --test validate-modules": (
        "tests/unit/tools/test_run_sanity.py", "run_sanity",
    ),
    "./dev run python -m openbsd build": ("tests/unit/openbsd/test_image.py", "def test_"),
    "./dev run python -m openbsd up DIR server1": ("molecule/qemu/create.yml", "-m, openbsd, up"),
    "./dev run python -m openbsd down DIR": ("molecule/qemu/destroy.yml", "-m, openbsd, down"),
    "./dev run ssh -F DIR/ssh_config server1": ("tests/openbsd/ssh.py", "ssh_config"),
    "./dev run antsibull-changelog release": ("tests/unit/test_changelog.py", '"release"'),
    "pip install ansible-core -r requirements.txt": GUIDE,
    "ansible-galaxy collection build": GUIDE,
    "ansible-galaxy collection install puffy-vmm-0.1.0.tar.gz": GUIDE,
    f"{PLAY}.site -e vmm_install=false --ask-vault-pass --check --diff": GUIDE,
    f"{PLAY}.site -e vmm_install=false --ask-vault-pass": GUIDE,
    f"{PLAY}.check": GUIDE,
    f"{PLAY}.report": ("tests/integration/test_report.py", 'play("report")'),
    f"{PLAY}.adopt -e server=server1": (ADOPT, '"-e", "server=server1"'),
    f"{PLAY}.adopt -e server=server1 -e owner=puffy -e ssh_keys=puffy.pub": (ADOPT, "owner=puffy"),
    f"{PLAY}.adopt -e server=server1 -e write=true": (ADOPT, "write=true"),
    f"{PLAY}.adopt -e files=old/vms -e mapping=mapping.yml": (ADOPT, "mapping="),
    f"{PLAY}.site -e vmm_credentials=false --check --diff": (ADOPT, '"--check", "--diff", *QUIET'),
    f"{PLAY}.site -e vmm_credentials=false": (ADOPT, "site.converged(*QUIET)"),
    f"{PLAY}.backup -e backup_to=/home/backups": (BACKUP, 'play("backup"'),
    f"{PLAY}.backup -e backup_to=/home/backups -e list=true": (BACKUP, '"list=true"'),
    f"{PLAY}.restore_test -e backup_to=/home/backups": (BACKUP, 'play("restore_test"'),
    f"{PLAY}.vm -e vm=web1 -e verb=restore-from -e backup=20261129T030000Z -e "
    "backup_to=/home/backups -e overwrite=web1": (BACKUP, '"overwrite=web1"'),
    f"{PLAY}.vm -e vm=web1 -e verb=restore-from -e backup=latest -e backup_to=/home/backups -e "
    "as=web2": (BACKUP, '"as=web2"'),
    f"{PLAY}.rollback -e server=server1": (
        "tests/integration/test_rollback.py", "server=server1",
    ),
    f"{PLAY}.upgrade --check": (UPGRADE, '"upgrade", *ONE, "--check"'),
    f"{PLAY}.upgrade": (UPGRADE, 'site.under_way("upgrade"'),
    f"{PLAY}.upgrade -e to=7.9": (UPGRADE, '"to=7.9"'),
    f"{PLAY}.upgrade -e announce_hours=48": (UPGRADE, '"announce_hours=48"'),
    f"{PLAY}.sets": (
        "tests/integration/test_sets.py", '"sets"',
    ),
    f"{PLAY}.sets -e vmm_release=7.8": (
        "tests/integration/test_sets.py", "vmm_release=7.8",
    ),
    "./bin/check-vm --fleet fleets/example - <order.json": CONTACT_FORM,
    "./bin/check-vm fleets/production/orders/web2.yml": CONTACT_FORM,
    f"{PLAY}.order -e order=incoming/web2.json": CONTACT_FORM,
    f"{PLAY}.vm -e vm=web1 --ask-vault-pass": (LIFE, "vm=web1"),
    f"{PLAY}.vm -e vm=web2 --ask-vault-pass": (LIFE, "vm=web1"),
    f"{PLAY}.vm -e vm=web1 -e verb=reinstall --ask-vault-pass": (
        LIFE, 'verb(converged, "reinstall"',
    ),
    f"{PLAY}.vm -e vm=web1 -e verb=rescue": (LIFE, 'verb(converged, "rescue"'),
    f"{PLAY}.vm -e vm=web1 -e verb=restart": (LIFE, 'verb(converged, "restart"'),
    f"{PLAY}.vm -e vm=web1 -e verb=suspend": (LIFE, 'verb(converged, "suspend"'),
    f"{PLAY}.vm -e vm=web1 -e verb=resume": (LIFE, 'verb(converged, "resume"'),
    f"{PLAY}.vm -e vm=web1 -e verb=archive": (LIFE, 'verb(converged, "archive"'),
    f"{PLAY}.vm -e vm=web1 -e verb=restore": (LIFE, 'verb(converged, "restore"'),
    f"{PLAY}.vm -e vm=web1 -e verb=purge -e confirm=web1": (LIFE, "confirm=web1"),
    f"{PLAY}.vm -e vm=web1 -e verb=move -e to=server2": (MOVE, "to=server2"),
    f"{PLAY}.vm -e vm=web1 -e verb=purge -e left=server1 -e confirm=web1": (MOVE, "left=server1"),
    f"{PLAY}.vm -e drain=server1 --check": (MOVE, "drain=server1"),
    f"{PLAY}.vm -e drain=server1": (MOVE, "drain=server1"),
    f"{PLAY}.vm -e verb=status": (LIFE, '"verb=status"'),
    f"{PLAY}.sshfp": ("tests/integration/sshfp/test_playbook.py", '"sshfp"'),
    "ansible-vault view fleets/production/credentials/web1.yml": (LIFE, "ansible-vault view"),
    "ssh puffy@203.0.113.10": (LIFE, "203.0.113"),
    "ssh -o VerifyHostKeyDNS=yes puffy@web1.vm.example.org": (
        "tests/integration/sshfp/test_ssh.py", "VerifyHostKeyDNS=yes",
    ),
    "ssh -t puffy@server1.example.org vmctl console web1": (
        "tests/integration/test_vm.py", "vmctl console web1",
    ),
    "python -m sandbox up DIR server1 server2": ("tests/sandbox/test_target.py", '"up"'),
    "python -m sandbox down DIR": ("tests/sandbox/test_target.py", '"down"'),
}  # fmt: skip
_PROGRAMS = r"(?:\./dev|\./bin/check-vm|ansible(?:-\w+)?|pip|python|ssh|crontab) "


def pages() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "*.md"], cwd=CHECKOUT, check=True, capture_output=True, text=True
    ).stdout
    return [CHECKOUT / name for name in listed.split() if name != "CHANGELOG.md"]


def commands(text: str) -> set[str]:
    """Return the commands on separate lines in blocks of code, without comments."""
    shown = set()
    fenced = False
    for line in text.splitlines():
        if line.strip().startswith("```"):
            fenced = not fenced
        elif (fenced or line.startswith("    ")) and re.match(rf"\s*{_PROGRAMS}", line):
            shown.add(re.split(r"\s{2,}#|;", line.strip())[0].strip())
    return shown


def test_each_command_is_tried_out() -> None:
    documented = {command for page in pages() for command in commands(page.read_text())}
    assert documented - set(TESTED) == set(), "write a test for it, and name it in TESTED"
    assert set(TESTED) - documented == set(), "no page shows it any more"


def test_what_tries_them_out_is_there() -> None:
    for command, (name, word) in TESTED.items():
        place = CHECKOUT / name
        files = [place] if place.is_file() else sorted(place.rglob("*.py"))
        assert any(word in file.read_text() for file in files), command


def test_a_command_that_nobody_tries_out_is_found() -> None:
    text = "Text\n\n    ansible-playbook new.yml   # why\n\n```\n./dev new\n```\n    server: x\n"
    assert commands(text) == {"ansible-playbook new.yml", "./dev new"}


def test_each_playbook_is_in_its_table() -> None:
    text = (CHECKOUT / "docs/playbooks.md").read_text()
    named = re.findall(r"^\| `puffy\.vmm\.(\w+)", text, re.MULTILINE)
    assert sorted(named) == sorted(path.stem for path in (CHECKOUT / "playbooks").glob("*.yml"))


def test_each_page_is_linked() -> None:
    text = (CHECKOUT / "README.md").read_text()
    for page in (CHECKOUT / "docs").iterdir():
        linked = any(f"docs/{page.name}" in text or f"({page.name})" in other.read_text()
                     for other in (CHECKOUT / "docs").glob("*.md"))  # fmt: skip
        assert linked, page.name
