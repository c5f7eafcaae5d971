# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Plans rules of pf(4): a file of our own, an anchor for it in pf.conf(5), and what is loaded.

Whether the kernel has these very rules is told by a label that carries the digest of the file.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass, replace

from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.programs import TOOLS
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    PlanError,
    Step,
    digest,
    rcctl,
    run,
    undo,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document, File, Pf
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import (
    PF_CONF,
    Current,
    PfFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import files as plan_files
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources import marked

_PFCTL: t.Final = TOOLS["pfctl"]
_SECONDS: t.Final = 60
# What pfctl(8) warns of is no error to it; what it prints, an operator wants to read.
_CHECK: t.Final = "pfctl -nf {path}"


@dataclass(frozen=True)
class _Label:
    """A rule that does nothing, and carries the digest of all others.

    It is the first, since a long listing is cut at its end.
    """

    text: str

    @classmethod
    def of(cls, pf: Pf) -> _Label:
        return cls(f"{pf.anchor}:{digest(pf.rules)[:16]}")

    @property
    def rule(self) -> str:
        return f'match label "{self.text}"'

    def loaded(self, rules: str) -> bool:
        return f'label "{self.text}"' in rules


def files(document: Document, current: Current) -> list[File]:
    """The file of our rules, and pf.conf."""
    pf = document.pf
    return [_rules(pf), _main(document, pf, current)] if pf else []


def _rules(pf: Pf) -> File:
    head, _blank, rest = pf.rules.partition(b"\n\n")
    text = b"%s\n%s\n\n%s" % (head, _Label.of(pf).rule.encode(), rest)
    return File(pf.path, text, "0600", validate=_CHECK)


def warnings(document: Document, current: Current) -> t.Iterator[str]:
    """What an operator must know, whatever is planned."""
    pf = document.pf
    if pf and not pf.enable and not _facts(current).enabled:
        yield (
            "pf(4) is disabled on this server, so its rules protect nobody: enable it (pfctl -e, "
            "rcctl enable pf), or set pf_enable to true"
        )


def steps(document: Document, current: Current) -> list[Step]:
    """Steps that stage, check, put into place and load. Raises PlanError."""
    pf = document.pf
    if pf is None:
        return []
    facts = _facts(current)
    title = f"{document.name}: pf(4)"
    stages, own = plan_files.files(document, [_rules(pf)], current)
    # pf.conf names the file of our rules, so it can only be checked once that is in its place.
    main_stages, main = plan_files.files(document, [_main(document, pf, current)], current)
    found = [*stages, *main_stages[:1], *own, *main_stages[1:], *main]
    label = _Label.of(pf)
    anchored = re.search(rf'^anchor "{re.escape(pf.anchor)}"', facts.main, re.MULTILINE)
    load = None
    if main or not anchored:
        load = ["-f", PF_CONF]
    elif own or not label.loaded(facts.anchor):
        load = ["-a", pf.anchor, "-f", pf.path]
    if load:
        found.append(
            run(
                title,
                [_PFCTL, *load],
                change=f"load the rules of {load[-1]}",
                undo=_way_back(pf, current),
                undo_always=True,
                timeout=_SECONDS,
            )
        )
        argv = [_PFCTL, "-a", pf.anchor, "-s", "rules"]
        said = [re.escape(f'label "{label.text}"')]
        fields = {"argv": argv, "match": said, "seconds": 5}
        found.append(Step("wait", f"{title} does not have the rules that were loaded", fields))
    if pf.enable and not facts.enabled:
        back = [undo(_PFCTL, "-d")]
        found.append(run(title, rcctl("enable", "pf"), change="enable pf at boot"))
        found.append(run(title, [_PFCTL, "-e"], change="enable pf", undo=back, timeout=_SECONDS))
    return found


def _facts(current: Current) -> PfFacts:
    return current.pf or PfFacts()


def _main(document: Document, pf: Pf, current: Current) -> File:
    """pf.conf with our two lines, unless its owner wrote them where they are wanted."""
    text = current.read.get(PF_CONF, b"").decode("utf-8", "surrogateescape")
    parts = marked.split(PF_CONF, text, document.name)
    foreign = {" ".join(line.split("#")[0].split()) for line in parts.foreign}
    wanted = (f'anchor "{pf.anchor}"', f'load anchor "{pf.anchor}" from "{pf.path}"')
    own = tuple(line for line in wanted if line not in foreign)
    new = marked.join(replace(parts, own=own), document.name)
    item = File(PF_CONF, new.encode("utf-8", "surrogateescape"), "0600", validate=_CHECK)
    facts = current.paths.get(PF_CONF)
    if facts and facts.type != "file":
        raise PlanError(f"{document.name}: {PF_CONF} is a {facts.type}, no file; move it away")
    if facts:
        item = replace(item, mode=facts.mode, owner=facts.owner, group=facts.group)
    return item


def _way_back(pf: Pf, current: Current) -> list[dict[str, t.Any]]:
    """By then the files are the old ones again."""
    back = []
    if current.paths.get(PF_CONF):
        back.append(undo(_PFCTL, "-f", PF_CONF, ok=[0], timeout=_SECONDS))
    if current.paths.get(pf.path):
        back.append(undo(_PFCTL, "-a", pf.anchor, "-f", pf.path, timeout=_SECONDS))
    else:
        back.append(undo(_PFCTL, "-a", pf.anchor, "-F", "rules", timeout=_SECONDS))
    return back
