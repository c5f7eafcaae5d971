# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""What OpenBSD's programs write when they are called wrongly."""

from __future__ import annotations

_GREP = (
    "usage: {} [-abcEFGHhIiLlnoqRsUVvwx{}] [-A num] [-B num] [-C[num]] [-e pattern]\n"
    "\t[-f file] [-m num] [--binary-files=value] [--context[=num]]\n"
    "\t[--label=name] [--line-buffered] [--null] [pattern] [file ...]\n"
)

USAGES = {
    "cat": "usage: cat [-benstuv] [file ...]\n",
    "chgrp": "usage: chgrp [-h] [-R [-H | -L | -P]] group file ...\n",
    "chmod": "usage: chmod [-h] [-R [-H | -L | -P]] mode file ...\n",
    "chown": (
        "usage: chown [-h] [-R [-H | -L | -P]] owner[:group] file ...\n"
        "       chown [-h] [-R [-H | -L | -P]] :group file ...\n"
    ),
    "cmp": "usage: cmp [-l | -s] file1 file2 [skip1 [skip2]]\n",
    "comm": "usage: comm [-123f] file1 file2\n",
    "cp": (
        "usage: cp [-afipv] [-R [-H | -L | -P]] source target\n"
        "       cp [-afipv] [-R [-H | -L | -P]] source ... directory\n"
    ),
    "cut": (
        "usage: cut -b list [-n] [file ...]\n"
        "       cut -c list [file ...]\n"
        "       cut -f list [-s] [-d delim] [file ...]\n"
    ),
    "diff": (
        "usage: diff [-abdipTtw] [-c | -e | -f | -n | -q | -u] [-I pattern] [-L label]\n"
        "            file1 file2\n"
        "       diff [-abdipTtw] [-I pattern] [-L label] -C number file1 file2\n"
        "       diff [-abditw] [-I pattern] -D string file1 file2\n"
        "       diff [-abdipTtw] [-I pattern] [-L label] -U number file1 file2\n"
        "       diff [-abdiNPprsTtw] [-c | -e | -f | -n | -q | -u] [-I pattern]\n"
        "            [-L label] [-S name] [-X file] [-x pattern] dir1 dir2\n"
    ),
    "egrep": _GREP.format("egrep", ""),
    "env": "usage: env [-i] [-u name] [name=value ...] [utility [argument ...]]\n",
    "fgrep": _GREP.format("fgrep", ""),
    "fold": "usage: fold [-bs] [-w width] [file ...]\n",
    "grep": _GREP.format("grep", "Z"),
    "gunzip": "usage: gunzip [-cfhkLlNnqrtVv] [-o filename] [file ...]\n",
    "gzip": (
        "usage: gzip [-123456789cdfhkLlNnOqrtVv] [-b bits] [-o filename] [-S suffix]\n"
        "            [file ...]\n"
    ),
    "head": "usage: head [-count | -n count] [file ...]\n",
    "join": (
        "usage: join [-1 field] [-2 field] [-a file_number | -v file_number] [-e string]\n"
        "            [-o list] [-t char] file1 file2\n"
    ),
    "ln": ("usage: ln [-fhLnPs] source [target]\n       ln [-fLPs] source ... [directory]\n"),
    "mkdir": "usage: mkdir [-p] [-m mode] directory ...\n",
    "mknod": ("usage: mknod [-m mode] name b|c major minor\n       mknod [-m mode] name p\n"),
    "mv": "usage: mv [-fiv] source target\n       mv [-fiv] source ... directory\n",
    "nice": "usage: nice [-n increment] utility [argument ...]\n",
    "paste": "usage: paste [-s] [-d list] file ...\n",
    "rm": "usage: rm [-dfiPRrv] file ...\n",
    "rmdir": "usage: rmdir [-p] directory ...\n",
    "sed": (
        "usage: sed [-aEnru] [-i[extension]] command [file ...]\n"
        "       sed [-aEnru] [-e command] [-f command_file] [-i[extension]] [file ...]\n"
    ),
    "sleep": "usage: sleep seconds\n",
    "sort": (
        "usage: sort [-bCcdfgHhiMmnRrsuVz] [-k field1[,field2]] [-o output] [-S size]\n"
        "\t[-T dir] [-t char] [file ...]\n"
    ),
    "tee": "usage: tee [-ai] [file ...]\n",
    "touch": (
        "usage: touch [-acm] [-d ccyy-mm-ddTHH:MM:SS[.frac][Z]] [-r file]\n"
        "             [-t [[cc]yy]mmddHHMM[.SS]] file ...\n"
    ),
    "tr": (
        "usage: tr [-Ccs] string1 string2\n"
        "       tr [-Cc] -d string1\n"
        "       tr [-Cc] -s string1\n"
        "       tr [-Cc] -ds string1 string2\n"
    ),
    "uniq": "usage: uniq [-ci] [-d | -u] [-f fields] [-s chars] [input_file [output_file]]\n",
    "xargs": (
        "usage: xargs [-0oprt] [-E eofstr] [-I replstr [-R replacements]] [-J replstr]\n"
        "             [-L number] [-n number [-x]] [-P maxprocs] [-s size]\n"
        "             [utility [argument ...]]\n"
    ),
    "zcat": "usage: zcat [-fhqr] [file ...]\n",
}
