# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Rules of pf(4): files and what pfctl(8) shows in, steps out."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import PlanError, digest
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.blocks import REST, changed
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import (
    Document,
    DocumentError,
    Pf,
    check,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import Only, others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan, plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.probe import (
    PF_CONF,
    Current,
    PathFacts,
    PfFacts,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.resources.pf import files, warnings

PATH = "/etc/pf.puffy.vmm.conf"
RULES = b"# ours\n\npass out quick on veb42 no state\n\n# VM web1\nblock in quick on vm1nic\n"
PF = Pf("puffy.vmm", PATH, RULES)
LINES = f'anchor "puffy.vmm"\nload anchor "puffy.vmm" from "{PATH}"\n'
MARKED = f"# begin of puffy.vmm pf\n{LINES}# end of puffy.vmm pf\n"
FOREIGN = "set skip on lo\n\nblock return\t# stateless\npass\n"
LABEL = f"puffy.vmm:{digest(RULES)[:16]}"
OWN = f'# ours\nmatch label "{LABEL}"\n\n' + RULES.decode().partition("\n\n")[2]
LOADED = PfFacts(
    main='block return all\npass all flags S/SA\nanchor "puffy.vmm" all\n',
    anchor=f'match all label "{LABEL}"\npass out quick on veb42 all no state\n',
)
ALL = {PF_CONF: FOREIGN + MARKED, PATH: OWN}


def now(texts: t.Mapping[str, str], pf: PfFacts = LOADED, mode: str = "0600") -> Current:
    paths: dict[str, PathFacts | None] = {
        path: PathFacts("file", mode, "root", "wheel", len(text), digest(text.encode()))
        for path, text in texts.items()
    }
    paths["/etc"] = PathFacts("directory", "0755", "root", "wheel", 512)
    return Current(paths=paths, read={path: text.encode() for path, text in texts.items()}, pf=pf)


def planned(texts: t.Mapping[str, str], facts: PfFacts = LOADED, pf: Pf = PF) -> Plan:
    return plan([Document("pf", pf=pf)], now(texts, facts))


def brief(made: Plan) -> list[str]:
    """What each step does: `check` of a staged file, or its path, or its command."""
    found = []
    for step in made.steps:
        argv = step.fields.get("argv", ())
        if any(isinstance(word, dict) for word in argv):
            found.append(f"check {argv[-1]['path']}")
        elif argv:
            found.append(" ".join(argv).removeprefix("/sbin/"))
        else:
            found.append(f"{step.do} {step.fields['path']}")
    return found


SEEN = "pfctl -a puffy.vmm -s rules"

CASES: dict[str, tuple[dict[str, str], PfFacts, list[str]]] = {
    "all there": (ALL, LOADED, []),
    "nothing there": (
        {PF_CONF: FOREIGN}, PfFacts("pass all\n"),
        [f"stage {PATH}", f"check {PATH}", f"stage {PF_CONF}", f"commit {PATH}",
         f"check {PF_CONF}", f"commit {PF_CONF}", f"pfctl -f {PF_CONF}", SEEN],
    ),
    "other rules of ours": (
        ALL | {PATH: OWN.replace("veb42", "veb41")}, LOADED,
        [f"stage {PATH}", f"check {PATH}", f"commit {PATH}", f"pfctl -a puffy.vmm -f {PATH}", SEEN],
    ),
    "somebody flushed our anchor": (
        ALL, PfFacts(LOADED.main, ""), [f"pfctl -a puffy.vmm -f {PATH}", SEEN],
    ),
    "somebody loaded something else into it": (
        ALL, PfFacts(LOADED.main, "pass all no state\n"),
        [f"pfctl -a puffy.vmm -f {PATH}", SEEN],
    ),
    "somebody flushed all rules": (ALL, PfFacts("", ""), [f"pfctl -f {PF_CONF}", SEEN]),
    "somebody loaded rules without our anchor": (
        ALL, PfFacts('anchor "other" all\n', LOADED.anchor), [f"pfctl -f {PF_CONF}", SEEN],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_planned(name: str) -> None:
    texts, facts, wanted = CASES[name]
    assert brief(planned(texts, facts)) == wanted


MAINS: dict[str, tuple[str | None, str | None]] = {
    "none": (None, MARKED),
    "empty": ("", MARKED),
    "as it comes": (FOREIGN, FOREIGN + MARKED),
    "no newline at the end": (FOREIGN.rstrip("\n"), FOREIGN + MARKED),
    "bytes that are no text": ("# caf\udce9 \t \r\n", "# caf\udce9 \t \r\n" + MARKED),
    "our lines in the middle stay there": (f"pass\n{MARKED}block in\n", None),
    "an old form of our lines": (
        f"pass\n{MARKED.replace('load', '#load')}block in\n", f"pass\n{MARKED}block in\n",
    ),
    "an owner's own lines, where they are wanted": (f"{LINES}pass\n", None),
    "one of the two": (
        'anchor  "puffy.vmm" # here\npass\n',
        'anchor  "puffy.vmm" # here\npass\n'
        + MARKED.replace('anchor "puffy.vmm"\nload', "load"),
    ),
    "a load line that is commented out": (f"#{LINES}", f"#{LINES}" + MARKED.replace(
        f'load anchor "puffy.vmm" from "{PATH}"\n', "")),
}  # fmt: skip


@pytest.mark.parametrize("name", MAINS)
def test_other_peoples_rules_stay_byte_for_byte(name: str) -> None:
    text, wanted = MAINS[name]
    texts = {} if text is None else {PF_CONF: text}
    current = Current(
        paths=now({}).paths,
        read={path: content.encode("utf-8", "surrogateescape") for path, content in texts.items()},
    )
    _own, main = files(Document("pf", pf=PF), current)
    expected = text if wanted is None else wanted
    assert main.content.decode("utf-8", "surrogateescape") == expected


def test_the_way_back_loads_the_old_files() -> None:
    def backs(made: Plan) -> list[str]:
        return [
            " ".join(back["argv"]).removeprefix("/sbin/")
            for step in made.steps
            for back in step.fields.get("undo", ())
        ]

    first = planned({PF_CONF: FOREIGN}, PfFacts("pass all\n"))
    assert backs(first) == [f"pfctl -f {PF_CONF}", "pfctl -a puffy.vmm -F rules"]
    later = planned(ALL | {PATH: OWN + "\n"})
    assert backs(later) == [f"pfctl -f {PF_CONF}", f"pfctl -a puffy.vmm -f {PATH}"]
    assert all(
        step.fields.get("undo_always") for step in first.steps if step.change and step.do == "run"
    )


def test_files_keep_their_attributes_and_ours_is_roots_alone() -> None:
    document = Document("pf", pf=PF)
    made = plan([document], now({PF_CONF: FOREIGN, PATH: "x"}, PfFacts("pass all\n"), "0640"))
    assert {
        step.fields["path"]: step.fields["mode"] for step in made.steps if step.do == "stage"
    } == {
        PF_CONF: "0640",
        PATH: "0600",
    }


def test_pf_that_is_disabled_is_told_or_enabled() -> None:
    off = PfFacts(LOADED.main, LOADED.anchor, enabled=False)
    assert planned(ALL, off).steps == ()
    (text,) = warnings(Document("pf", pf=PF), now(ALL, off))
    assert "pf(4) is disabled on this server" in text
    assert list(warnings(Document("pf", pf=PF), now(ALL))) == []
    made = planned(ALL, off, Pf("puffy.vmm", PATH, RULES, enable=True))
    assert made.changes == ("enable pf at boot", "enable pf")
    assert planned(ALL, LOADED, Pf("puffy.vmm", PATH, RULES, enable=True)).steps == ()


def test_a_run_for_one_vm_may_change_its_rules_alone() -> None:
    web2 = RULES + b"\n# VM web2\nblock in quick on vm2nic\n"
    made = planned(ALL, pf=Pf("puffy.vmm", PATH, web2))
    assert others(made, now(ALL), Only(frozenset({"web2"}), ())) == []
    assert others(made, now(ALL), Only(frozenset({"web1"}), ())) == [f"web2 in {PATH}"]
    common = web2.replace(b"veb42", b"veb43")
    made = planned(ALL, pf=Pf("puffy.vmm", PATH, common))
    found = others(made, now(ALL), Only(frozenset({"web2"}), ()))
    assert found == [f"what is common in {PATH}"]
    made = planned({PF_CONF: FOREIGN}, PfFacts(""))
    assert f"change {PF_CONF}" in others(made, now({PF_CONF: FOREIGN}), Only(frozenset(), ()))


def test_a_file_that_somebody_broke_differs_in_its_rest() -> None:
    assert changed(PATH, b"pass all", OWN.encode()) == [REST, "web1"]


def test_damaged_marks_and_other_things_in_the_way() -> None:
    with pytest.raises(PlanError, match=r"/etc/pf.conf: the marks of our lines are damaged"):
        planned(ALL | {PF_CONF: MARKED[3:]})
    current = now(ALL)
    paths = {**current.paths, PF_CONF: PathFacts("link", "0777", "root", "wheel", 9)}
    with pytest.raises(PlanError, match=r"/etc/pf.conf is a link, no file"):
        plan([Document("pf", pf=PF)], Current(paths=paths, pf=LOADED))
    with pytest.raises(DocumentError, match="no name for an anchor"):
        check([Document("pf", pf=Pf('a"b', PATH, RULES))])
