#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# mktemp(1): six or more trailing Xs; TMPDIR overrides -p.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my ($O_RDWR, $O_CREAT, $O_EXCL, $EEXIST, $TRIES) = (2, 64, 128, 17, 100);
my @LETTERS = ('A' .. 'Z', 'a' .. 'z', 0 .. 9);
my %on;
my $usage = "usage: mktemp [-dqtu] [-p directory] [template]\n";
for my $option (options('dp:qtu', $usage)) { $on{ $option->[0] } = $option->[1] // 1 }
usage($usage) if @ARGV > 1;
my $template = shift @ARGV;
$on{t} = 1 if !defined $template || defined $on{p};
$template //= 'tmp.XXXXXXXXXX';
my ($xs) = $template =~ m{(X+)[^X/]*\z};
quiet_fail("insufficient number of Xs in template `$template'") if length($xs // '') < 6;
if ($on{t}) {
    quiet_fail('template must not contain directory separators in -t mode') if $template =~ m{/};
    my $directory = $ENV{TMPDIR} // $on{p} // '/tmp';
    $directory =~ s{/+\z}{};
    $template = "$directory/$template";
}
for (1 .. $TRIES) {
    my $path = $template;
    my $random = join '', map { $LETTERS[rand @LETTERS] } 1 .. length $xs;
    substr $path, rindex($path, $xs), length $xs, $random;
    my $made;
    if    ($on{d}) { $made = mkdir $path, 0700 }
    elsif ($on{u}) { $made = !-e $path }
    else           { $made = sysopen my $file, $path, $O_RDWR | $O_CREAT | $O_EXCL, 0600 }
    if ($made) {
        rmdir $path if $on{d} && $on{u};
        print "$path\n";
        exit 0;
    }
    quiet_fail('cannot make temp ' . ($on{d} ? 'dir' : 'file') . " $template: $!") if $! != $EEXIST;
}
quiet_fail("cannot make temp file $template: File exists");

sub quiet_fail {
    my ($text) = @_;
    exit 1 if $on{q};
    return fail($text);
}
