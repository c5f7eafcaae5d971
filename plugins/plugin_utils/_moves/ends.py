# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""The two servers of a move: what each shows of the VM, the obstacles, and the steps."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from itertools import compress
from pathlib import PurePosixPath

from ansible_collections.puffy.vmm.plugins.module_utils._fleet.inputs.move import Image
from ansible_collections.puffy.vmm.plugins.module_utils._grammar.images import stem
from ansible_collections.puffy.vmm.plugins.module_utils._problems import OperatorError
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.answers import read, stat
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import fetch_firmware
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import Step, change_of, run
from ansible_collections.puffy.vmm.plugins.plugin_utils._life.steps import still_stopped
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines import facts, measures
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.facts import BIOS, VM_CONF
from ansible_collections.puffy.vmm.plugins.plugin_utils._machines.notes import remove
from ansible_collections.puffy.vmm.plugins.plugin_utils._moves.transfer import directory

# What else may be written to a server's disk during a move.
SPARE_BYTES: t.Final = 64 << 20


@dataclass(frozen=True)
class Move:
    """A move as the two servers know it; ran says whether the VM is to run afterwards."""

    vm: str
    source: str
    to: str
    images: tuple[Image, ...]
    ran: bool = False

    @classmethod
    def of(cls, data: t.Mapping[str, t.Any]) -> Move:
        images = tuple(Image(**image) for image in data["images"])
        return cls(data["vm"], data["source"], data["to"], images, bool(data.get("ran")))


def questions(paths: t.Iterable[str]) -> dict[str, t.Any]:
    """Return what either server is asked: these paths, and which VMs it has and runs."""
    asked = facts.questions(())
    asked["paths"] += map(stat, paths)
    return asked


def is_known(answer: t.Mapping[str, t.Any], vm: str) -> str | None:
    """Return how the server still has the VM: it runs, or is in vm.conf(5); None if it does not.

    Raises OperatorError if that is not known: silence proves nothing.
    """
    facts.refuse_silence(answer["run"]["status"], answer["run"]["check"])
    status = facts.status_lines(answer["run"]["status"]["stdout"]).get(vm)
    if status and status.pid is not None:
        return "runs"
    known = any(block.name == vm for block in facts.vm_conf(answer).vms)
    return f"is in {VM_CONF}" if known else None


def refuse_known(answer: t.Mapping[str, t.Any], move: Move, server: str) -> None:
    """Raise OperatorError unless the VM is stopped and not in vm.conf(5) of a server."""
    if how := is_known(answer, move.vm):
        raise OperatorError(
            f"{move.vm}: {how} on {server}, so it is not moved: stop it there, and run again"
        )


def source_obstacles(answer: t.Mapping[str, t.Any], move: Move) -> t.Iterator[str]:
    """Yield why the images cannot leave; all of them have to be there, as files."""
    for image in move.images:
        there = answer["paths"].get(image.source)
        if there is None:
            yield f"{move.vm}: {image.source} is not there on {move.source}"
        elif there["type"] != "file":
            yield (
                f"{move.vm}: {image.source} of {move.source} is a {there['type']}, and only files "
                f"are moved; put the image itself there"
            )
        if answer["paths"].get(image.kept):
            yield f"{move.vm}: {image.kept} exists on {move.source} already"


def stamps(answer: t.Mapping[str, t.Any], move: Move) -> list[dict[str, t.Any] | None]:
    """Return what lstat(2) shows of each image that leaves, None for one that is not there."""
    return [answer["paths"].get(image.source) for image in move.images]


def used_bytes(stats: t.Iterable[t.Mapping[str, t.Any] | None]) -> int:
    return sum(int(stat["blocks"]) * facts.BLOCK for stat in stats if stat)


def progress_path(move: Move) -> str:
    return f"{directory(move.vm)}/progress"


@dataclass(frozen=True)
class There:
    """What the other server has of the images: all of them in place, or some still on the way."""

    arrived: bool
    obstacles: tuple[str, ...]


def there_questions(move: Move) -> dict[str, t.Any]:
    paths = [path for image in move.images for path in (image.arriving, image.place)]
    directories = _directories(move)
    asked = questions([*paths, *directories, _note(move)])
    asked["paths"].append(read(progress_path(move)))
    asked["run"] += measures.questions(directories)
    return asked


def there(
    answer: t.Mapping[str, t.Any],
    move: Move,
    stats: t.Sequence[t.Mapping[str, t.Any] | None],
    *,
    continued: bool,
) -> There:
    """Return what prevents the images from coming, by the answer to there_questions().

    stats are those of the images that leave; continued says that this move has begun before.
    """
    paths = answer["paths"]
    placed = [image for image in move.images if paths.get(image.place)]
    on_the_way = [image for image in move.images if paths.get(image.arriving)]
    arrived = continued and len(placed) == len(move.images) and not on_the_way
    obstacles: list[str] = []
    if placed and not arrived:
        obstacles += [f"{move.vm}: {image.place} exists on {move.to} already" for image in placed]
    if arrived and (changed := _changed(answer, move, stats)):
        obstacles.append(
            f"{move.vm}: {changed} was used after its copy was made; give the move up with "
            f"-e to={move.source}, and begin again"
        )
    if how := is_known(answer, move.vm):
        if continued:
            how = f"{how}, although it has not come there yet"
        obstacles.append(f"{move.vm}: {move.to} has another VM of this name, which {how}")
    if paths.get(_note(move)):
        obstacles.append(
            f"{move.vm}: {_note(move)} of {move.to} is the note of an installation; remove it if "
            f"no VM of this name is being installed there"
        )
    if not paths.get(BIOS):
        obstacles.append(f"{BIOS} is missing on {move.to}; {fetch_firmware('vmm')}")
    for path in _directories(move):
        if not paths.get(path):
            continue
        system = measures.file_system(answer, path)
        here = [str(PurePosixPath(image.place).parent) == path for image in move.images]
        needed = used_bytes(compress(stats, here))
        needed -= used_bytes(paths.get(image.arriving) for image in compress(move.images, here))
        if system and not arrived and needed + SPARE_BYTES > system.free:
            obstacles.append(
                f"{move.vm}: its images need {needed >> 20}M in {path} of {move.to}, which has "
                f"{system.free >> 20}M free"
            )
    return There(arrived, tuple(obstacles))


def _changed(
    answer: t.Mapping[str, t.Any],
    move: Move,
    stats: t.Sequence[t.Mapping[str, t.Any] | None],
) -> str | None:
    """Return the first image that has changed since it was copied, as far as that is known."""
    path = progress_path(move)
    if path not in answer["read"]:
        return None
    noted = json.loads(facts.text(answer, path))["images"]
    for image, then, now in zip(move.images, noted, stats, strict=True):
        if now and (then["size"], then["mtime"]) != (now["size"], now["mtime"]):
            return image.source
    return None


def _note(move: Move) -> str:
    """Return where the other server would have the note that such a VM is being installed there."""
    place = PurePosixPath(stem(move.images[0].place))
    return str(place.with_name(f".{place.name.removesuffix('.archived')}.install.conf"))


def _directories(move: Move) -> list[str]:
    return sorted({str(PurePosixPath(image.place).parent) for image in move.images})


def make_directories(answer: t.Mapping[str, t.Any], move: Move) -> t.Iterator[Step]:
    """Make the directories of images that are not there yet."""
    attributes = {"mode": "0755", "owner": "root", "group": "wheel"}
    for path in _directories(move):
        if not answer["paths"].get(path):
            yield Step("directory", f"{move.vm}: {path}", {"path": path, **attributes})


def accept(move: Move) -> t.Iterator[Step]:
    """Give images that are complete and verified their names, all or none."""
    title = f"{move.vm}: put its images into place"
    for image in move.images:
        change = change_of(move.vm, "put", image.place, "into place")
        fields = {"from": image.arriving, "path": image.place}
        yield Step("rename", title, fields, change=change)


def retire(answer: t.Mapping[str, t.Any], move: Move) -> t.Iterator[Step]:
    """Rename the images of a VM that has left, as far as they still have their names."""
    title = f"{move.vm}: keep its old images"
    left = [image for image in move.images if answer["paths"].get(image.source)]
    if left:
        yield from still_stopped(move.vm)
    for image in left:
        change = change_of(move.vm, "rename", image.source, f"to {image.kept}")
        fields = {"from": image.source, "path": image.kept}
        yield Step("rename", title, fields, change=change)


def discard(move: Move) -> t.Iterator[Step]:
    """Remove everything that came to a server in a move that is given up."""
    paths = [path for image in move.images for path in (image.arriving, image.place)]
    yield remove(f"{move.vm}: remove what came", *paths)
    yield from tidy(move)


def tidy(move: Move) -> t.Iterator[Step]:
    """Remove what the transfer needed on the server that it went to."""
    yield run(f"{move.vm}: its transfer", ["/bin/rm", "-rf", directory(move.vm)])


def purge(move: Move, paths: t.Sequence[str]) -> t.Iterator[Step]:
    """Remove images that a finished move left."""
    change = change_of(move.vm, "remove", ", ".join(paths))
    yield remove(f"{move.vm}: purge", *paths, change=change)
