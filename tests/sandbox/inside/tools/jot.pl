#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# jot(1): reps, begin, end, step, where a hyphen stands for what follows from the others.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $usage = "usage: jot [-cnr] [-b word] [-p precision] [-s string] [-w word]\n"
    . "\t   [reps [begin [end [step]]]]\n";
my %on = map { $_->[0] => $_->[1] // 1 } options('b:cnp:rs:w:', $usage);
usage($usage) if @ARGV > 4;
my ($reps, $begin, $end, $step) = map { defined && $_ ne '-' ? $_ : undef } @ARGV[0 .. 3];
if (!defined $step) {
    $step = defined $reps && defined $begin && defined $end && $reps > 1
        ? ($end - $begin) / ($reps - 1) : 1;
}
if    (defined $end && defined $begin) { $reps //= int(($end - $begin + $step) / $step) }
elsif (defined $end)                   { $reps //= 100; $begin = $end - ($reps - 1) * $step }
else                                   { $reps //= 100; $begin //= 1; $end = $begin + ($reps - 1) * $step }
my $digits = $on{p};
if (!defined $digits) {
    ($digits) = sort { $b <=> $a } map { length((/\.(\d+)/)[0] // '') } $begin, $ARGV[3] // '';
}
print join($on{s} // "\n", map { word($_) } 0 .. $reps - 1), $on{n} ? '' : "\n";

sub word {
    my ($place) = @_;
    return $on{b} if defined $on{b};
    my $value = $on{r} ? $begin + rand($end - $begin + 1) : $begin + $place * $step;
    my $text = $on{c} ? chr $value : sprintf "%.${digits}f", $on{r} && !$digits ? int $value : $value;
    return $text if !defined $on{w};
    return $on{w} =~ /%/ ? sprintf $on{w}, $text : "$on{w}$text";
}
