# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
from __future__ import annotations

import pytest
from unit.fleets import problems, vm

NAME_ADVICE = "use a-z, 0-9 and hyphens, a letter first, no hyphen last, at most 63 characters"


@pytest.mark.parametrize(
    ("file", "complaint"),
    [
        ("Web1.yml", f"vms/Web1.yml: name: 'Web1' is not a name for a VM; {NAME_ADVICE}"),
        ("web1-.yml", f"vms/web1-.yml: name: 'web1-' is not a name for a VM; {NAME_ADVICE}"),
        ("1web.yml", f"vms/1web.yml: name: '1web' is not a name for a VM; {NAME_ADVICE}"),
        ("web.1.yml", f"vms/web.1.yml: name: 'web.1' is not a name for a VM; {NAME_ADVICE}"),
        ("a\nb.yml", rf"vms/a\nb.yml: name: 'a\nb' is not a name for a VM; {NAME_ADVICE}"),
        ('a".yml', f"""vms/a".yml: name: 'a"' is not a name for a VM; {NAME_ADVICE}"""),
        (
            "{{ 7*7 }}.yml",
            "vms/{{ 7*7 }}.yml: name: '{{ 7*7 }}' is not a name for a VM; " + NAME_ADVICE,
        ),
        ("../a.yml", f"vms/../a.yml: name: '../a' is not a name for a VM; {NAME_ADVICE}"),
        (
            "w\u0435b.yml",
            rf"vms/w\u0435b.yml: name: 'w\u0435b' is not a name for a VM; {NAME_ADVICE}",
        ),
        ("a\0.yml", rf"vms/a\x00.yml: name: 'a\x00' is not a name for a VM; {NAME_ADVICE}"),
        (".yml", f"vms/.yml: name: '' is not a name for a VM; {NAME_ADVICE}"),
        (
            f"{64 * 'a'}.yml",
            f"vms/{64 * 'a'}.yml: name: '{57 * 'a'}...' is not a name for a VM; {NAME_ADVICE}",
        ),
        (
            "localhost.yml",
            "vms/localhost.yml: name: 'localhost' is a name that Ansible uses itself; choose "
            "another one",
        ),
        (
            "server7.yml",
            "vms/server7.yml: name: 'server7' is the name of a server in the inventory; rename the "
            "file",
        ),
        (
            "mail.yml",
            "vms/mail.yml: name: 'mail' is the name of a group in the inventory; rename the file",
        ),
    ],
)
def test_names_of_files(file: str, complaint: str) -> None:
    assert problems({file: vm()}, groups=("mail",)) == [complaint]
