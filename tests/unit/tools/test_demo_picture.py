# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The picture of the demo is made from what the demo printed."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from demo_picture import MOST, chosen, svg

CHANGES = [f"server1  sysctl  set a.b{number} from 1 to <2>" for number in range(MOST + 3)]
OUTPUT = "\n".join(
    [
        "dev: setting up",
        "== Two new servers",
        "words in between",
        "== Everything is configured",
        "$ ansible-playbook -i inventories/example puffy.vmm.site",
        "TASK [Look at the server, and change what differs] ****",
        *CHANGES,
        "server1  pf  old files are kept in /var/backups",
        "server1                    : ok=3    changed=3    unreachable=0    failed=0",
    ]
)


def test_what_matters_is_chosen() -> None:
    (page,) = chosen(OUTPUT)
    assert [line.text for line in page] == [
        "Everything is configured",
        "$ ansible-playbook -i inventories/example puffy.vmm.site",
        *CHANGES[:MOST],
        "  ... and 3 lines more",
        "server1                    : ok=3    changed=3",
    ]


def test_the_picture_is_well_formed_and_has_all_lines() -> None:
    root = ElementTree.fromstring(svg(chosen(OUTPUT)))
    shown = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert CHANGES[0] in shown
    kept = Path(__file__).parents[3] / "docs/demo.svg"
    assert "ansible-playbook" in kept.read_text() and ElementTree.parse(kept)
