#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# tail(1); -r shows the lines in reverse, all of them unless -n says how many.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $SECTOR = 512;
my $usage = "usage: tail [-f | -r] [-b number | -c number | -n number | -number] [file ...]\n";
$ARGV[0] =~ s/\A-(?=\d+\z)/-n/ if @ARGV;
my %on = map { $_->[0] => $_->[1] // 1 } options('b:c:fn:r', $usage);
if ($on{r}) {
    my @lines;
    for my $path (@ARGV ? @ARGV : (undef)) {
        my $input = \*STDIN;
        if (defined $path) {
            undef $input;
            open $input, '<:raw', $path or fail("$path: $!");
        }
        push @lines, <$input>;
    }
    @lines = reverse @lines;
    splice @lines, $on{n} if defined $on{n} && @lines > $on{n};
    print @lines;
    exit 0;
}
my @words = $on{f} ? '-f' : ();
push @words, '-n', $on{n} if defined $on{n};
push @words, '-c', $on{c} if defined $on{c};
push @words, '-c', $on{b} * $SECTOR if defined $on{b};
run_host('tail', @words, '--', @ARGV);
