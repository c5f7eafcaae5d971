# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""All that decides what an image is like; two images of one recipe are as good as each other."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from openbsd.installer import BOOT_CONF
from openbsd.response import Response
from openbsd.sets import set_names
from openbsd.settings import ARCHITECTURE, Settings

# One file system for everything: images of VMs need the room that their server has.
DISK_TEMPLATE = "/ 2G-* 95%\nswap 64M-512M 5%\n"

# Run in the new server once it has booted for the first time. None of it is vital.
FINISH = """\
seconds=0
while [ -e /etc/rc.firsttime ] || [ -e /etc/rc.firsttime.run ] || pgrep -qf '^sh /etc/rc( |$)'; do
    [ $((seconds += 2)) -lt 900 ] || break
    sleep 2
done
# Both take minutes of each boot without KVM.
rcctl disable library_aslr
rm -rf /usr/share/relink/kernel /usr/share/relink/kernel.tgz
userdel -r installer
groupdel installer 2>/dev/null
rm -f /root/.forward
echo https://cdn.openbsd.org/pub/OpenBSD >/etc/installurl
"""

_TEMPLATE = Path(__file__).parents[2] / "roles/autoinstall/templates/install.conf.j2"
_NOWHERE = "http://127.0.0.1:0"


@dataclass(frozen=True)
class Recipe:
    """``source``: where the files are from; for a private mirror, only its address shows it."""

    release: str
    architecture: str
    source: str
    disk: int
    sets: tuple[str, ...]
    boot: str
    layout: str
    template: str
    answers: str
    finish: str

    @property
    def name(self) -> str:
        """The name of the image's directory."""
        text = json.dumps(asdict(self), sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        return f"openbsd-{self.release}-{self.architecture}-{digest}"


def recipe(settings: Settings) -> Recipe:
    """Return the recipe of the image that the settings ask for."""
    signed = settings.verify == "signify"
    return Recipe(
        release=settings.release.name,
        architecture=ARCHITECTURE,
        source=settings.release.signify_key if signed else f"{settings.verify} {settings.mirror}",
        disk=settings.disk,
        sets=set_names(settings),
        boot=BOOT_CONF,
        layout=DISK_TEMPLATE,
        template=_TEMPLATE.read_text(),
        answers=json.dumps(response(settings, _NOWHERE, "").variables(), sort_keys=True),
        finish=FINISH,
    )


def response(settings: Settings, server: str, ssh_key: str) -> Response:
    """Return the response file; ``server``: http://HOST:PORT of the sets."""
    return Response(
        release=settings.release.name,
        server=server,
        sets=set_names(settings),
        ssh_key=ssh_key,
        template=f"{server}/disklabel",
        verified=settings.verify == "signify",
    )
