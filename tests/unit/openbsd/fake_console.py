# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Prints what OpenBSD's boot loader and installer print, and reads what is typed to them.

Arguments: words that change what happens. What is typed goes to a file, one line each.
"""

from __future__ import annotations

import os
import sys
import termios
import time
import tty
from pathlib import Path

typed = Path(sys.argv[1])
ways = set(sys.argv[2:])


def show(text: str) -> None:
    sys.stdout.write(text.replace("\n", "\r\n"))
    sys.stdout.flush()


def read(seconds: float | None = None) -> str:
    """One line, or nothing after some seconds without a key."""
    line = b""
    if seconds is not None:
        os.set_blocking(0, False)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            try:
                line = os.read(0, 1)
                break
            except BlockingIOError:
                time.sleep(0.01)
        os.set_blocking(0, True)
        if not line:
            return ""
    while not line.endswith((b"\r", b"\n")):
        line += os.read(0, 1)
        show(line[-1:].decode())
    with typed.open("a") as file:
        file.write(line.decode().strip() + "\n")
    return line.decode().strip()


def boot_loader() -> None:
    show("probing: pc0 com0 pxe![2.1] mem[639K 1022M a20=on]\ndisk: hd0+\n")
    show("net: mac 52:54:00:12:34:56, ip 10.0.2.15, server 10.0.2.2\n")
    show(">> OpenBSD/amd64 PXEBOOT 3.65\n")
    if "no-conf" in ways:
        show("non-secure tftp:/etc/boot.conf, will not proceed\n")
        while True:
            show("boot> ")
            command = read()
            if command == "set tty com0":
                show("switching console to com0\n>> OpenBSD/amd64 PXEBOOT 3.65\n")
            if command.startswith("boot"):
                break
    show("cannot open tftp:/etc/random.seed: No such file or directory\n")
    if "no-kernel" in ways:
        show("booting tftp:bsd.rd: open tftp:bsd.rd: No such file or directory\n")
        show(" failed(2). will try /bsd\n")
        while True:
            show("boot> ")
            read()
    show("booting tftp:bsd.rd: 4076223+1672192 [109+464016+317541]=0xabc\n")


def menu() -> str:
    show("(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? ")
    if "no-netboot" in ways:
        return read()
    answer = read(0.6)
    show("\n")
    return answer or "a"


def shell() -> None:
    """ksh(1), as far as it is needed to put a response file into the root directory."""
    fetched = (
        "until ftp -V -o /auto_install.conf http://10.0.2.2:4711/install.conf; do sleep 5; done"
    )
    expected = ["ifconfig vio0 inet autoconf up", fetched, "/autoinstall"]
    for command in expected:
        show("# ")
        if read() != command:
            show(f"ksh: no {command}\n")
            sys.exit(1)


def taken_from_port_80() -> None:
    show("Fetching http://10.0.2.2/52:54:00:12:34:56-install.conf?path=7.8/amd64\n")
    show("Performing non-interactive install...\nTerminal type? [vt220] vt220\n")
    show("System hostname? (short form, e.g. 'foo') \n")
    show("Question has no answer in response file: \"system hostname? (short form, e.g. 'foo')\"\n")
    show("failed; check /tmp/ai/ai.log\n")
    show("(I)nstall, (U)pgrade, (A)utoinstall or (S)hell? ")
    read()
    shell()


def response_file() -> bool:
    if "port-80" in ways:
        taken_from_port_80()
        return True
    for name in ("52:54:00:12:34:56-install", "install"):
        show(f"Fetching http://10.0.2.2/{name}.conf?path=7.8/amd64\n")
    show("Response file location? [http://10.0.2.2/install.conf] ")
    show(f"Fetching {read()}\n")
    return "no-file" not in ways


def installer() -> None:
    show("OpenBSD 7.8 (RAMDISK_CD) #54: Sun Oct 12 12:58:58 MDT 2025\n")
    if "panic" in ways:
        show("panic: uvm_fault\nStopped at      db_enter+0x10:  popq    %rbp\nddb> ")
        read()
    show("root on rd0a swap on rd0b dump on rd0b\n")
    show("erase ^?, werase ^W, kill ^U, intr ^C, status ^T\n\n")
    show("Welcome to the OpenBSD/amd64 7.8 installation program.\n")
    if "no-netboot" not in ways:
        show("Starting non-interactive mode in 5 seconds...\n")
    menu()
    if not response_file():
        show("No response file found; non-interactive mode aborted.\n")
        menu()
    show("Performing non-interactive install...\n")
    show("Terminal type? [vt220] vt220\n")
    show("System hostname? (short form, e.g. 'foo') openbsd\n")
    for done in range(0, 101, 5):
        bar = "*" * (done // 5)
        show(f"\rInstalling base78.tgz {done:3}% |{bar:20}| {done * 4} MB    00:10")
    show("\n")
    if "unanswered" in ways:
        show('Question has no answer in response file: "which disk is the root disk?"\n')
        show("failed; check /tmp/ai/ai.log\n")
        menu()
    if "dies" in ways:
        os.kill(os.getpid(), 9)
    if "hangs" in ways:
        time.sleep(60)
    show("\nCONGRATULATIONS! Your OpenBSD install has been successfully completed!\n\n")
    if "stays" in ways:
        time.sleep(60)
    show("syncing disks... done\nrebooting...\n")


tty.setraw(0, termios.TCSANOW)
boot_loader()
installer()
