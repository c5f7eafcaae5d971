#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# which(1).
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $usage = "usage: which [-a] name ...\n";
my %on = map { $_->[0] => 1 } options('a', $usage);
usage($usage) if !@ARGV;
my $missing = 0;
for my $name (@ARGV) {
    my @places = $name =~ m{/} ? ($name) : map {"$_/$name"} split /:/, $ENV{PATH} // '/usr/bin:/bin:/usr/sbin:/sbin';
    my @found = grep { -f && -x _ } @places;
    if (!@found) { complain("$name: Command not found."); $missing++; next }
    print "$_\n" for $on{a} ? @found : $found[0];
}
exit($missing == @ARGV ? 2 : $missing ? 1 : 0);
