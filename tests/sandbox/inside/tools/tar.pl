#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# tar(1): owners come back with -p only; -s renames, -I names a list.
use strict;
use warnings;
require '/usr/libexec/sandbox/tool.pl';

our $NAME;
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
    my ($bundle, @rest) = @ARGV;
    @ARGV = ();
    for my $letter (split //, $bundle) {
        push @ARGV, "-$letter";
        push @ARGV, shift @rest if $letters =~ /\Q$letter\E:/ && @rest;
    }
    push @ARGV, @rest;
}
my (@words, %on);
for my $option (options($letters, $usage)) {
    my ($letter, $value) = @$option;
    $on{$letter} = 1;
    if    ($letter eq 's')            { push @words, '--transform=' . replacement($value) }
    elsif ($letter eq 'I')            { push @words, "--files-from=$value" }
    elsif ($letter eq 'L')            { push @words, '-h' }
    elsif ($letter eq 'N')            { push @words, '--numeric-owner' }
    elsif ($letter eq 'X')            { push @words, '--one-file-system' }
    elsif ($letter eq 'q')            { push @words, '--occurrence=1' }
    elsif ($letter eq 'F')            { push @words, "--format=$value" }
    elsif ($letter =~ /[bcfjhmoprtuvwxzCP]/) { push @words, "-$letter" . ($value // '') }
}
usage($usage) if 1 != grep { $on{$_} } qw(c r t u x);
push @words, '--no-same-owner', '--no-same-permissions' if $on{x} && !$on{p};
push @words, '-f/dev/rst0' if !$on{f};
# What is compressed on OpenBSD by tar itself is compressed by a program of the PATH on the host.
run_host('tar', @words, @ARGV);

sub replacement {
    my ($text) = @_;
    my $mark = quotemeta substr $text, 0, 1;
    $text =~ s/p(?=\w*\z)// if $text =~ /\A$mark.*$mark.*$mark\w*p\w*\z/;
    return "s$text";
}
