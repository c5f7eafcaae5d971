# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""./dev, in a small separate checkout where sandbox and demo only note how they are called."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]

# What starts and what stops the servers notes its arguments, one line a call.
NOTE = """\
import sys
with open("calls", "a") as calls:
    print(*sys.argv[1:], file=calls)
"""

# Runs until it is interrupted, and is slow to clean up.
DEMO = """\
import pathlib, time
pathlib.Path(".dev/sandbox").mkdir(exist_ok=True)
try:
    pathlib.Path("started").touch()
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(0.3)
    pathlib.Path("cleaned").touch()
    raise SystemExit(7)
"""

PROGRAMS = ["bwrap", "fakeroot", "flock", "git", "mksh", "perlcritic", "shellcheck", "ssh", "sshd"]


class Checkout:
    """A checkout that is set up: ./dev finds its stamp and does not run pip."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for directory in (".venv/bin", "tests/sandbox", "tools", ".stubs"):
            (root / directory).mkdir(parents=True)
        shutil.copy(ROOT / "dev", root / "dev")
        (root / "tests/requirements.txt").touch()
        (root / ".venv/bin/python").symlink_to(sys.executable)
        (root / ".venv/stamp").write_text(f"{root}\n4294967295 0\n")
        (root / "tests/sandbox/__main__.py").write_text(NOTE)
        (root / "tools/example_servers.py").write_text(NOTE.replace("argv[1:]", "argv"))
        (root / "tools/demo.py").write_text(DEMO)
        shutil.copy(ROOT / "tools/stages.py", root / "tools/stages.py")
        for program in PROGRAMS:
            if not shutil.which(program):
                self.stub(program, "exit 99")

    def stub(self, name: str, text: str) -> None:
        """Put a shell script in the PATH."""
        path = self.root / ".stubs" / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)

    def does(self, tool: str, script: str) -> None:
        """Say what a stage's tool does between its first and its last line."""
        (self.root / f"{tool}-does").write_text(f"{script}\n")

    def environment(self) -> dict[str, str]:
        path = f"{os.environ['PATH']}:{self.root / '.stubs'}"
        return {"PATH": path, "HOME": str(self.root)}

    def start(self, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        # A shell cannot trap what is ignored when it starts, as SIGHUP is under nohup(1).
        return subprocess.Popen(
            ["env", "--default-signal", self.root / "dev", *arguments],
            cwd=cwd or self.root,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(
        self, *arguments: str, environment: Mapping[str, str] | None = None, **more: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.root / "dev", *arguments],
            cwd=str(more.get("cwd", self.root)),
            env={**self.environment(), **(environment or {})},
            input=str(more.get("stdin", "")),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def calls(self) -> list[str]:
        return (self.root / "calls").read_text().splitlines()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path / "checkout")


def wait_for(path: Path) -> None:
    for _ in range(600):
        if path.exists():
            return
        time.sleep(0.05)
    pytest.fail(f"{path} did not appear")


@pytest.fixture
def demo(checkout: Checkout) -> Iterator[subprocess.Popen[str]]:
    process = checkout.start("demo")
    try:
        wait_for(checkout.root / "started")
        yield process
    finally:
        process.kill()
        process.communicate()


def test_help_names_the_commands_and_stages(checkout: Checkout) -> None:
    shown = checkout.run("help")
    assert shown.returncode == 0
    for word in ("demo", "test", "run", "ruff", "sandbox"):
        assert word in shown.stdout
    assert checkout.run().stdout == checkout.run("--help").stdout == shown.stdout


def test_unknown_command_shows_the_usage(checkout: Checkout) -> None:
    refused = checkout.run("dance")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("usage: ./dev demo")


def test_unknown_stage_is_refused_before_any_work(checkout: Checkout) -> None:
    refused = checkout.run("test", "ruff", "rough")
    assert refused.returncode == 1
    assert "'rough' is not a stage" in refused.stderr
    assert not (checkout.root / ".dev").exists()


def test_each_stage_of_the_help_exists() -> None:
    text = (ROOT / "dev").read_text()
    stages = re.search(r"^stages='(.*)'$", text, re.MULTILINE)
    assert stages
    defined = re.findall(r"^stage_(\w+)\(\)", text, re.MULTILINE)
    assert [name.replace("_", "-") for name in defined] == stages[1].split()


@pytest.fixture
def staged(checkout: Checkout) -> Checkout:
    """Stages whose tools come before those of this machine."""
    for name in ("ruff", "mypy", "yamllint", "ansible-lint"):
        tool = checkout.root / ".venv/bin" / name
        tool.write_text(f"#!/bin/sh\necho {name} begins; . ./{name}-does\necho {name} ends\n")
        tool.chmod(0o755)
        checkout.does(name, ":")
    return checkout


def test_two_stages_run_at_a_time_and_their_output_is_not_mixed(staged: Checkout) -> None:
    meet = "touch {}; while [ ! -e {} ]; do sleep 0.1; done"
    staged.does("mypy", meet.format("first", "second"))
    staged.does("yamllint", meet.format("second", "first"))
    ran = staged.run("test", "mypy", "yamllint", "ansible-lint")
    assert ran.returncode == 0, ran.stdout
    for name in ("mypy", "yamllint", "ansible-lint"):
        assert f"== {name}\n{name} begins\n{name} ends\n== passed: {name} " in ran.stdout
    last = ran.stdout.splitlines()[-1]
    assert re.fullmatch(r"== all passed: (\S+ \d+ s, ){3}in \d+ s", last), last


def test_after_a_stage_that_fails_no_other_begins(staged: Checkout) -> None:
    (staged.root / ".venv/bin/mypy").write_text("#!/bin/sh\necho wrong\nexit 3\n")
    staged.does(
        "yamllint", "while ! grep -qs wrong .dev/stages/mypy.log; do sleep 0.1; done; sleep 1"
    )
    ran = staged.run("test", "mypy", "yamllint", "ansible-lint")
    assert ran.returncode == 1
    assert "yamllint ends\n== passed: yamllint" in ran.stdout
    assert "ansible-lint" not in ran.stdout
    last = ran.stdout.splitlines()[-1]
    assert re.fullmatch(r"== failed: mypy \d+ s \(passed: yamllint \d+ s\), in \d+ s", last), last


def test_stages_clean_up_after_a_signal(staged: Checkout) -> None:
    for name in ("mypy", "yamllint"):
        clean = f"trap 'touch {name}-cleaned; exit 1' INT; touch {name}-started"
        staged.does(name, f"{clean}; while :; do sleep 0.1; done")
    process = staged.start("test", "mypy", "yamllint", "ansible-lint")
    for name in ("mypy", "yamllint"):
        wait_for(staged.root / f"{name}-started")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    for name in ("mypy", "yamllint"):
        assert (staged.root / f"{name}-cleaned").exists()


def test_run_needs_a_command(checkout: Checkout) -> None:
    refused = checkout.run("run")
    assert (refused.returncode, refused.stderr) == (
        1,
        "dev: which command? ./dev help shows examples\n",
    )


def test_run_sets_directory_and_environment_wherever_it_is_called(
    checkout: Checkout, tmp_path: Path
) -> None:
    names = "PATH PYTHONPATH ANSIBLE_COLLECTIONS_PATH ANSIBLE_HOME PUFFY_SANDBOX"
    shown = subprocess.run(
        ["checkout/dev", "run", "sh", "-c", f"pwd; for n in {names}; do printenv $n; done"],
        cwd=tmp_path,
        env=checkout.environment(),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    root = checkout.root
    assert shown[0] == str(root)
    assert shown[1].startswith(f"{root}/.venv/bin:")
    assert shown[2:] == [
        f"{root}/.dev/collections:{root}/tests:{root}/tools",
        f"{root}/.dev/collections",
        f"{root}/.dev/ansible",
        f"{root}/.dev/sandbox",
    ]
    link = root / ".dev/collections/ansible_collections/puffy/vmm"
    assert link.samefile(root)


def test_vault_secret_of_the_caller_wins(checkout: Checkout) -> None:
    name = "ANSIBLE_VAULT_PASSWORD_FILE"
    assert checkout.run("run", "printenv", name).stdout == (
        f"{checkout.root}/fleets/example/vault-password\n"
    )
    own = checkout.run("run", "printenv", name, environment={name: "/own/secret"})
    assert own.stdout == "/own/secret\n"


def test_run_passes_arguments_input_and_exit_status_on(checkout: Checkout) -> None:
    ran = checkout.run("run", "sh", "-c", 'cat; echo "$1"; exit 41', "sh", "a  b", stdin="in\n")
    assert (ran.returncode, ran.stdout) == (41, "in\na  b\n")
    assert not (checkout.root / "calls").exists()


def test_stand_in_servers_run_while_a_command_names_them(checkout: Checkout) -> None:
    script = 'cat; cat calls; mkdir -p "$PUFFY_SANDBOX"; exit 42'
    ran = checkout.run("run", "sh", "-c", script, "sh", "-i", "inventories/example", stdin="in\n")
    sandbox = checkout.root / ".dev/sandbox"
    up = f"tools/example_servers.py {sandbox}"
    assert (ran.returncode, ran.stdout) == (42, f"in\n{up}\n")
    assert checkout.calls() == [up, f"down {sandbox}"]


def test_the_last_of_two_runs_stops_the_servers(checkout: Checkout) -> None:
    (checkout.root / ".dev/sandbox").mkdir(parents=True)
    script = "touch started; while [ ! -e go ]; do sleep 0.1; done"
    first = checkout.start("run", "sh", "-c", script, ".dev/sandbox")
    wait_for(checkout.root / "started")
    assert checkout.run("run", "true", ".dev/sandbox").returncode == 0
    up = f"tools/example_servers.py {checkout.root}/.dev/sandbox"
    assert checkout.calls() == [up, up]
    (checkout.root / "go").touch()
    first.communicate(timeout=60)
    assert checkout.calls() == [up, up, f"down {checkout.root}/.dev/sandbox"]


def test_demo_cleans_up_after_ctrl_c(checkout: Checkout, demo: subprocess.Popen[str]) -> None:
    os.killpg(demo.pid, signal.SIGINT)
    demo.communicate(timeout=60)
    assert demo.returncode == 7
    assert (checkout.root / "cleaned").exists()
    assert checkout.calls() == [f"down {checkout.root}/.dev/sandbox"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_demo_cleans_up_after_a_signal_to_dev_alone(
    checkout: Checkout, demo: subprocess.Popen[str], number: signal.Signals
) -> None:
    demo.send_signal(number)
    demo.communicate(timeout=60)
    assert demo.returncode == 143
    assert (checkout.root / "cleaned").exists()
    assert checkout.calls() == [f"down {checkout.root}/.dev/sandbox"]
    with pytest.raises(ProcessLookupError):
        os.killpg(demo.pid, 0)


@pytest.fixture
def bare_path(checkout: Checkout) -> str:
    """A PATH with what every Debian has, and none of the packages."""
    bare = checkout.root / ".bare"
    bare.mkdir()
    for program in ("cat", "cksum", "dirname", "env", "sh"):
        (bare / program).symlink_to(str(shutil.which(program)))
    (checkout.root / ".stubs/id").write_text("#!/bin/sh\necho 1000\n")
    (checkout.root / ".stubs/id").chmod(0o755)
    (bare / "id").symlink_to(checkout.root / ".stubs/id")
    return str(bare)


def test_missing_packages_are_named_in_one_line(checkout: Checkout, bare_path: str) -> None:
    (checkout.root / ".venv/stamp").unlink()
    refused = checkout.run("run", "true", environment={"PATH": bare_path})
    assert (refused.returncode, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1
    start = "dev: packages are missing; run: sudo apt-get install --no-install-recommends "
    assert refused.stderr.startswith(start)
    packages = refused.stderr.removeprefix(start).split()
    assert {"bubblewrap", "mksh", "fakeroot", "git", "shellcheck", "python3-venv"} <= set(packages)
    assert len(packages) == len(set(packages))


def test_the_demo_needs_no_package_that_only_tests_need(checkout: Checkout, bare_path: str) -> None:
    (checkout.root / ".venv/stamp").unlink()
    refused = checkout.run("demo", environment={"PATH": bare_path})
    assert set(refused.stderr.partition("recommends ")[2].split()) <= {
        "bubblewrap", "fakeroot", "mksh", "perl", "openssh-server", "util-linux", "git",
        "openssh-client", "python3-venv", "python3.11-venv",
    }  # fmt: skip
    assert "mksh" in refused.stderr


def test_missing_packages_are_installed_where_sudo_does_not_ask(
    checkout: Checkout, bare_path: str
) -> None:
    log = checkout.root / "log"
    stubs = checkout.root / ".bare"
    (stubs / "sudo").write_text('#!/bin/sh\nshift\nexec "$@"\n')
    (stubs / "true").symlink_to("/bin/true")
    (stubs / "apt-get").write_text(f'#!/bin/sh\necho "$DEBIAN_FRONTEND $*" >>{log}\n')
    for name in ("sudo", "apt-get"):
        (stubs / name).chmod(0o755)
    refused = checkout.run("run", "true", environment={"PATH": bare_path})
    update, install = log.read_text().splitlines()
    assert update == "noninteractive -qq update"
    command, _, packages = install.partition(" bubblewrap ")
    assert command.split()[:2] == ["noninteractive", "-qq"]
    assert command.endswith(" install --yes --no-install-recommends")
    assert "mksh" in packages.split()
    assert refused.returncode == 1
    assert "still missing after apt-get: bubblewrap" in refused.stderr


def test_half_an_environment_is_made_again(checkout: Checkout) -> None:
    (checkout.root / ".venv/stamp").unlink()
    leftover = checkout.root / ".venv/leftover"
    leftover.touch()
    made = "mkdir -p .venv/bin; printf '#!/bin/sh\\n' >.venv/bin/python; chmod +x .venv/bin/python"
    for version in ("3.13", "3.12", "3.11", "3"):
        checkout.stub(f"python{version}", f'case "$*" in *venv) {made};; *) exit 0;; esac')
    path = f"{checkout.root / '.stubs'}:{os.environ['PATH']}"
    ran = checkout.run("run", "true", environment={"PATH": path})
    assert ran.returncode == 0, ran.stderr
    assert "setting up .venv" in ran.stderr
    assert not leftover.exists()
    assert checkout.run("run", "true", environment={"PATH": path}).stderr == ""
