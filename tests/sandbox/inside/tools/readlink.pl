#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# readlink(1) and realpath(1).
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $program = program_name();
my $LIMIT = 32;
my $real = $program eq 'realpath';
my $usage = $real ? "usage: realpath [-q] file\n" : "usage: readlink [-fn] file\n";
my %on = map { $_->[0] => 1 } options($real ? 'q' : 'fn', $usage);
usage($usage) if @ARGV != 1;
my $path = $ARGV[0];
if ($real || $on{f}) {
    my $full = resolve($path);
    if (!defined $full) {
        exit 1 if $on{q};
        fail("$path: $!");
    }
    print $full, $on{n} ? '' : "\n";
    exit 0;
}
my $target = readlink $path;
exit 1 if !defined $target;
print $target, $on{n} ? '' : "\n";

# realpath(3): every component must exist.
sub resolve {
    my ($name) = @_;
    if ($name !~ m{\A/}) { $name = readlink('/usr/libexec/sandbox/proc/self/cwd') . "/$name" }
    my ($done, $links) = ('', 0);
    my @todo = grep { $_ ne '' && $_ ne '.' } split m{/}, $name;
    while (@todo) {
        my $part = shift @todo;
        if ($part eq '..') { $done =~ s{/[^/]*\z}{}; next }
        if (defined(my $link = readlink "$done/$part")) {
            return if ++$links > $LIMIT;
            $done = '' if $link =~ m{\A/};
            unshift @todo, grep { $_ ne '' && $_ ne '.' } split m{/}, $link;
            next;
        }
        return if !lstat "$done/$part";
        $done .= "/$part";
    }
    return $done eq '' ? '/' : $done;
}
