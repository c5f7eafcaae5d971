#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# find(1): a path is required, and the expression has OpenBSD's words only.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my %KNOWN = map { $_ => 1 } qw(
    amin and anewer atime cmin cnewer ctime delete depth empty exec execdir false flags follow fstype
    group iname inum links ls maxdepth mindepth mmin mount mtime name newer nogroup not nouser ok or
    path perm print print0 prune size true type user xdev
);
my (@before, @after, @paths);
for my $option (options('Hdf:hLXx', "usage: find [-dHhLXx] [-f path] path ... [expression]\n")) {
    my ($letter, $value) = @$option;
    if    ($letter eq 'f')     { push @paths, $value }
    elsif ($letter =~ /[HL]/)  { push @before, "-$letter" }
    elsif ($letter eq 'h')     { push @before, '-L' }
    elsif ($letter eq 'd')     { push @after, '-depth' }
    elsif ($letter eq 'x')     { push @after, '-xdev' }
}
while (@ARGV && $ARGV[0] !~ /\A (?: -. | [(!)] )/sx) { push @paths, shift @ARGV }
usage("usage: find [-dHhLXx] [-f path] path ... [expression]\n") if !@paths;
my $inside = 0;
for my $word (@ARGV) {
    if ($inside) { $inside = 0 if $word eq ';' || $word eq '+'; next }
    if ($word =~ /\A-(?:exec|execdir|ok)\z/x) { $inside = 1; next }
    fail("$word: unknown option") if $word =~ /\A-[a-zA-Z]\w*\z/x && !$KNOWN{substr $word, 1};
}
exec {'/usr/libexec/sandbox/host/find'} 'find', @before, @paths, @after, @ARGV or fail("find: $!", 127);
