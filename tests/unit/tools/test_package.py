# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""./dev package: what galaxy-importer may say."""

from __future__ import annotations

from package.importer import complaints

DONE = "Collection loading complete\nImporter processing completed successfully\n"
STYLE = """\
WARNING: plugins/module_utils/_grammar/ssh_keys.py:177:21: E203 whitespace before ':'
WARNING: plugins/module_utils/_fleet/variables.py:97:9: W503 line break before binary operator
WARNING: plugins/filter/httpd_string.yml:3:5: E999 SyntaxError: invalid syntax
WARNING: Ignore files skip ansible-test sanity tests, found ignore-2.21.txt with 20 statement(s)
"""


def test_what_is_a_matter_of_style_is_none() -> None:
    assert complaints(STYLE + DONE) == []


def test_everything_else_is_shown() -> None:
    unused = "WARNING: plugins/filter/sshfp.py:7:1: F401 'os' imported but unused"
    syntax = "WARNING: plugins/filter/sshfp.py:3:5: E999 SyntaxError: invalid syntax"
    changelog = "WARNING: No changelog found. Add a CHANGELOG.rst, CHANGELOG.md, or changelog.yaml"
    assert complaints(f"{STYLE}{unused}\n{syntax}\n{changelog}\n{DONE}") == [
        unused, syntax, changelog,
    ]  # fmt: skip


def test_an_import_that_ended_early_is_one() -> None:
    refused = "ERROR: The import failed: Invalid collection metadata. 'repository' is required"
    assert complaints(refused) == [refused, "the import did not finish"]
