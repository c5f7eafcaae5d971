#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# tar(1): owners come back with -p only; -s renames, -I names a list.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $usage = <<'END';
usage: tar {crtux}[014578beFfHhjLmNOoPpqsvwXZz]
           [blocking-factor | format | archive | replstr]
           [-C directory] [-I file] [file ...]
       tar {-crtux} [-014578eHhjLmNOoPpqvwXZz] [-b blocking-factor]
           [-C directory] [-F format] [-f archive] [-I file]
           [-s replstr] [file ...]
END
usage($usage) if !@ARGV;
my $letters = 'b:cef:hjmopqruts:vwxzBC:F:HI:LNOPXZ014578';
# The old form: a word of letters, then the arguments of those that take one, in their order.
if ($ARGV[0] !~ /\A-/) {
    my ($bundle, @rest) = splice @ARGV;
    for my $letter (split //, $bundle) {
        push @ARGV, "-$letter";
        push @ARGV, shift @rest if $letters =~ /\Q$letter\E:/ && @rest;
    }
    push @ARGV, @rest;
}
my %LONG = (
    I => '--files-from', N => '--numeric-owner', X => '--one-file-system', q => '--occurrence', F => '--format',
);
my (@words, %on);
for my $option (options($letters, $usage)) {
    my ($letter, $value) = @$option;
    $on{$letter} = 1;
    if    ($letter eq 's')      { push @words, '--transform=' . replacement($value) }
    elsif ($letter eq 'L')      { push @words, '-h' }
    elsif ($LONG{$letter})      { push @words, $LONG{$letter} . (defined $value ? "=$value" : '') }
    elsif ($letter !~ /[eBHO\d]/) { push @words, "-$letter" . ($value // '') }
}
usage($usage) if 1 != grep { $on{$_} } qw(c r t u x);
push @words, '--no-same-owner', '--no-same-permissions' if $on{x} && !$on{p};
push @words, '-f/dev/rst0' if !$on{f};
# What is compressed on OpenBSD by tar itself is compressed by a program of the PATH on the host.
run_host('tar', @words, @ARGV);

sub replacement {
    my ($text) = @_;
    my $mark = quotemeta substr $text, 0, 1;
    $text =~ s/p(?=\w*\z)// if $text =~ /\A $mark .* $mark .* $mark \w* p \w* \z/x;
    return "s$text";
}
