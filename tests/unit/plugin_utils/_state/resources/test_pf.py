# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Rules of pf(4): files and what pfctl(8) shows in, steps out."""

from __future__ import annotations

import typing as t

import pytest
from ansible_collections.puffy.vmm.plugins.plugin_utils._agent.steps import (
    COMMON,
    EVERYBODYS,
    NOBODYS,
    PlanError,
    digest,
)
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.core.arguments import DocumentError
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.document import Document
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.guard import others
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.plan import Plan
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.review import files
from ansible_collections.puffy.vmm.plugins.plugin_utils._state.text.blocks import REST, difference
from unit.plugin_utils._state.servers import (
    LINK,
    Content,
    Output,
    Server,
    change,
    changes,
    notices,
    plan_on,
    staged,
    undos,
    wants,
)

PF_CONF = "/etc/pf.conf"
PATH = "/etc/pf.puffy.vmm.conf"
RULES = "# ours\n\npass out quick on veb42 no state\n\n# VM web1\nblock in quick on vm1nic\n"
LINES = f'anchor "puffy.vmm"\nload anchor "puffy.vmm" from "{PATH}"\n'
MARKED = f"# begin of puffy.vmm pf\n{LINES}# end of puffy.vmm pf\n"
FOREIGN = "set skip on lo\n\nblock return\t# stateless\npass\n"
LABEL = f"puffy.vmm:{digest(RULES.encode())[:16]}"
OWN = f'# ours\nmatch label "{LABEL}"\n\n' + RULES.partition("\n\n")[2]
ALL = {PF_CONF: FOREIGN + MARKED, PATH: OWN}
MAIN = 'block return all\npass all flags S/SA\nanchor "puffy.vmm" all\n'
ANCHOR = f'match all label "{LABEL}"\npass out quick on veb42 all no state\n'


def pf(rules: str = RULES, **more: t.Any) -> Document:
    options = {"anchor": "puffy.vmm", "path": PATH, "template": "pf.conf.j2", **more}
    return wants("pf", texts={"pf.conf.j2": rules}, pf=options)


def shows(main: str = MAIN, anchor: str = ANCHOR, *, enabled: bool = True) -> dict[str, Output]:
    info = "Status: Enabled for 0 days" if enabled else "Status: Disabled"
    return {
        "pfctl -s rules": (0, main),
        "pfctl -a puffy.vmm -s rules": (0, anchor),
        "pfctl -s info": (0, f"{info}\n"),
        "ifconfig -A": (0, ""),
    }


def now(
    texts: t.Mapping[str, str | None], outputs: dict[str, Output] | None = None, mode: str = "0600"
) -> Server:
    things = {
        path: Content(text.encode("utf-8", "surrogateescape"), mode)
        for path, text in texts.items()
        if text is not None
    }
    return Server(things, outputs or shows())


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

CASES: dict[str, tuple[dict[str, str], dict[str, Output], list[str]]] = {
    "all there": (ALL, shows(), []),
    "nothing there": (
        {PF_CONF: FOREIGN}, shows("pass all\n", ""),
        [f"stage {PATH}", f"check {PATH}", f"stage {PF_CONF}", f"commit {PATH}",
         f"check {PF_CONF}", f"commit {PF_CONF}", f"pfctl -f {PF_CONF}", SEEN],
    ),
    "other rules of ours": (
        ALL | {PATH: OWN.replace("veb42", "veb41")}, shows(),
        [f"stage {PATH}", f"check {PATH}", f"commit {PATH}", f"pfctl -a puffy.vmm -f {PATH}", SEEN],
    ),
    "somebody flushed our anchor": (
        ALL, shows(MAIN, ""), [f"pfctl -a puffy.vmm -f {PATH}", SEEN],
    ),
    "somebody loaded something else into it": (
        ALL, shows(MAIN, "pass all no state\n"), [f"pfctl -a puffy.vmm -f {PATH}", SEEN],
    ),
    "somebody flushed all rules": (ALL, shows("", ""), [f"pfctl -f {PF_CONF}", SEEN]),
    "somebody loaded rules without our anchor": (
        ALL, shows('anchor "other" all\n'), [f"pfctl -f {PF_CONF}", SEEN],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_is_planned(name: str) -> None:
    texts, outputs, desired = CASES[name]
    assert brief(plan_on(pf(), now(texts, outputs))) == desired


MAINS: dict[str, tuple[str | None, str | None]] = {
    "none": (None, MARKED),
    "empty": ("", MARKED),
    "as it comes": (FOREIGN, FOREIGN + MARKED),
    "no newline at the end": (FOREIGN.rstrip("\n"), FOREIGN + MARKED),
    "bytes that are not text": ("# caf\udce9 \t \r\n", "# caf\udce9 \t \r\n" + MARKED),
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
    "lines that are part of a comment": (
        f"# off \\\n{LINES}", f"# off \\\n{LINES}" + MARKED.replace(
            f'load anchor "puffy.vmm" from "{PATH}"\n', ""),
    ),
    "a load line that is commented out": (f"#{LINES}", f"#{LINES}" + MARKED.replace(
        f'load anchor "puffy.vmm" from "{PATH}"\n', "")),
}  # fmt: skip


@pytest.mark.parametrize("name", MAINS)
def test_other_peoples_rules_stay_byte_for_byte(name: str) -> None:
    text, desired = MAINS[name]
    made = plan_on(pf(), now({PF_CONF: text, PATH: OWN}))
    assert staged(made).get(PF_CONF) == desired


def test_the_way_back_loads_the_old_files() -> None:
    first = plan_on(pf(), now({PF_CONF: FOREIGN}, shows("pass all\n", "")))
    assert undos(first) == [f"pfctl -f {PF_CONF}", "pfctl -a puffy.vmm -F rules"]
    later = plan_on(pf(), now(ALL | {PATH: OWN + "\n"}))
    assert undos(later) == [f"pfctl -f {PF_CONF}", f"pfctl -a puffy.vmm -f {PATH}"]
    assert all(
        step.fields.get("undo_always") for step in first.steps if step.change and step.do == "run"
    )


def test_files_keep_their_attributes_and_ours_is_roots_alone() -> None:
    made = plan_on(pf(), now({PF_CONF: FOREIGN, PATH: "x"}, shows("pass all\n", ""), "0640"))
    modes = {x.fields["path"]: x.fields["mode"] for x in made.steps if x.do == "stage"}
    assert modes == {PF_CONF: "0640", PATH: "0600"}


def test_pf_that_is_disabled_is_shown_or_enabled() -> None:
    off = now(ALL, shows(enabled=False))
    made = plan_on(pf(advice="set pf_enable to true"), off)
    assert made.steps == ()
    (text,) = notices(made)
    assert text.startswith("pf: pf(4): is disabled on this server, so its rules protect nobody")
    assert text.endswith("or set pf_enable to true")
    assert notices(plan_on(pf(), now(ALL))) == []
    made = plan_on(pf(enable=True), off)
    assert changes(made) == ["enable pf at boot", "enable pf"]
    assert undos(made) == ["pfctl -d"]
    assert notices(made) == []
    assert plan_on(pf(enable=True), now(ALL)).steps == ()


def test_what_would_be_safer_is_no_difference() -> None:
    """OpenBSD's own pf.conf has states that hold on any interface: a check must not fail for it."""
    made = plan_on(pf("pass quick on pair84 no state\n"), now({PF_CONF: FOREIGN}, shows()))
    assert notices(made) == []
    (advice,) = (notice for part in made.parts for notice in part.advice)
    assert "Write set state-policy if-bound before the first rule" in str(advice)


def test_whose_a_change_is() -> None:
    web2 = f"{RULES}\n# VM web2\nblock in quick on vm2nic\n"
    made = plan_on(pf(web2), now(ALL))
    assert change(made, f"change {PATH}").vms == {"web2"}
    load = change(made, "load the rules")
    assert (load.vms, load.consequence) == (NOBODYS, True)
    found = [change for _name, change in made.changes]
    assert others(found, ["web2"]) == []
    assert others(found, ["web1"]) == [f"web2 in {PATH}"]
    made = plan_on(pf(web2.replace("veb42", "veb43")), now(ALL))
    assert change(made, f"change {PATH}").vms == {"web2", COMMON}
    found = [change for _name, change in made.changes]
    assert others(found, ["web2"]) == [f"what is common in {PATH}"]
    made = plan_on(pf(), now({PF_CONF: FOREIGN}, shows("", "")))
    assert change(made, f"change {PF_CONF}").vms == EVERYBODYS
    # Rules that somebody flushed are loaded for everybody.
    made = plan_on(pf(), now(ALL, shows("", "")))
    load = change(made, "load the rules")
    assert (load.vms, load.consequence) == (EVERYBODYS, False)
    made = plan_on(pf(enable=True), now(ALL, shows(enabled=False)))
    assert {change.vms for _name, change in made.changes} == {EVERYBODYS}


def test_a_file_that_somebody_broke_differs_in_its_rest() -> None:
    assert difference("pf.conf", b"pass all", OWN.encode()).changed == [REST, "web1"]


def test_damaged_marks_and_other_things_in_the_way() -> None:
    with pytest.raises(PlanError, match=r"/etc/pf.conf: the marks of our lines are damaged"):
        plan_on(pf(), now(ALL | {PF_CONF: MARKED[3:]}))
    with pytest.raises(PlanError, match=r"/etc/pf.conf: is a link, not a file"):
        plan_on(pf(), now(ALL).plus({PF_CONF: LINK}))


@pytest.mark.parametrize("anchor", ['a"b', "", "a b", "-a"])
def test_names_of_anchors_that_are_not_safe(anchor: str) -> None:
    with pytest.raises(DocumentError, match="is not a name for an anchor"):
        pf(anchor=anchor)


def test_files_that_are_written_without_a_server() -> None:
    assert {file.path: file.content.decode() for file in files([pf()])} == {
        PATH: OWN, PF_CONF: MARKED,
    }  # fmt: skip
