#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# nologin(8).
use strict;
use warnings;

if (open my $file, '<', '/etc/nologin.txt') { print <$file> }
else                                        { print "This account is currently not available.\n" }
exit 1;
