#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# date(1) as far as it shows a time; the clock cannot be set.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $usage = "usage: date [-aju] [-f pformat] [-r seconds]\n"
    . "\t[-z output_zone] [+format] [[[[[[cc]yy]mm]dd]HH]MM[.SS]]\n";
my %on = map { $_->[0] => $_->[1] // 1 } options('af:jr:uz:', $usage);
my $seconds = $on{r} // time;
if ($seconds !~ /\A-?\d+\z/) { fail("seconds is invalid: $seconds") }
my $format = '%a %b %e %H:%M:%S %Z %Y';
if (@ARGV && $ARGV[0] =~ /\A\+(.*)/s) { $format = $1; shift @ARGV }
if (@ARGV) { fail('settimeofday: Operation not permitted') }
print format_time($format, $seconds), "\n";
