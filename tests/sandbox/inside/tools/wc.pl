#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# wc(1): numbers in columns of eight.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my %on = map { $_->[0] => 1 } options('lwchm', "usage: wc [-c | -m] [-hlw] [file ...]\n");
$on{c} = 1 if $on{m};
@on{qw(l w c)} = (1, 1, 1) if !$on{l} && !$on{w} && !$on{c};
my ($rc, @total) = (0, 0, 0, 0);
for my $path (@ARGV ? @ARGV : (undef)) {
    my $input = \*STDIN;
    if (defined $path) {
        undef $input;
        if (!open $input, '<:raw', $path) { $rc = complain("$path: $!"); next }
    }
    my @count = (0, 0, 0);
    while (my $line = <$input>) {
        $count[0]++ if $line =~ /\n\z/;
        $count[1] += () = $line =~ /\S+/g;
        $count[2] += length $line;
    }
    show($path, @count);
    $total[$_] += $count[$_] for 0 .. 2;
}
show('total', @total) if @ARGV > 1;
exit $rc;

sub show {
    my ($name, @count) = @_;
    my $text = join '', map { $on{ (qw(l w c))[$_] } ? sprintf ' %7d', $count[$_] : '' } 0 .. 2;
    print $text, defined $name ? " $name" : '', "\n";
    return;
}
