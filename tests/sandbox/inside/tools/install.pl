#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# install(1): a temporary file in the target's directory, owner and mode, rename.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $DEFAULT_MODE = oct '0755';
my ($mode, $uid, $gid, $suffix, %on) = ($DEFAULT_MODE, -1, -1, '.old');
my $usage = "usage: install [-bCcDdFpSs] [-B suffix] [-f flags] [-g group] [-m mode] [-o owner]\n"
    . "\t       source ... target ...\n";
take_options();
if ($on{d}) {
    make_directory($_, $mode) for @ARGV;
    exit 0;
}
my $target = pop @ARGV;
if ($on{D} && $target =~ m{\A(.*)/}s) { make_directory($1 eq '' ? '/' : $1, $DEFAULT_MODE, 1) }
if (-d $target) {
    for my $source (@ARGV) {
        my ($name) = $source =~ m{([^/]*)\z};
        put($source, "$target/$name", 1);
    }
    exit 0;
}
fail("Target: $target") if @ARGV != 1;
my @from = stat $ARGV[0];
my @to = stat $target;
if (@to) {
    fail("$ARGV[0]: $!") if !@from;
    fail("$target: Inappropriate file type or format") if !-f _;
    fail("$ARGV[0] and $target are the same file") if $from[0] == $to[0] && $from[1] == $to[1];
}
put($ARGV[0], $target, 0);
exit 0;

sub take_options {
    for my $option (options('B:bCcDdFf:g:m:o:pSs', $usage)) {
        my ($letter, $value) = @$option;
        if ($letter eq 'm') {
            fail("$value: invalid file mode") if $value !~ /\A [0-7]{1,4} \z/x;
            $mode = oct $value;
        }
        elsif ($letter eq 'o') { $uid = getpwnam($value) // number($value, 'user') }
        elsif ($letter eq 'g') { $gid = getgrnam($value) // number($value, 'group') }
        elsif ($letter eq 'B') { ($suffix, $on{b}) = ($value, 1) }
        else                   { $on{$letter} = 1 }
    }
    $on{C} = 1 if $on{p};
    usage($usage) if $on{d} && ($on{C} || $on{s}) || @ARGV < ($on{d} ? 1 : 2);
    return;
}

sub number {
    my ($text, $what) = @_;
    fail("unknown $what $text") if $text !~ /\A\d+\z/;
    return $text;
}

sub make_directory {
    my ($path, $wanted, $plain) = @_;
    my $part = '';
    for my $name (split m{(?<=.)/+}, $path) {
        $part .= $part eq '' || $part eq '/' ? $name : "/$name";
        next if -d $part;
        mkdir $part, 0755 or fail("$part: $!");
    }
    return if $plain;
    if ($uid != -1 || $gid != -1) { chown $uid, $gid, $path or complain("$path: chown/chgrp: $!") }
    chmod $wanted, $path or complain("$path: chmod: $!");
    return;
}

sub content {
    my ($path) = @_;
    open my $file, '<:raw', $path or fail("$path: $!");
    local $/ = undef;
    return <$file> // '';
}

sub put {
    my ($source, $path, $inside) = @_;
    my $empty = !$inside && $source eq '/dev/null';
    if (!$empty) {
        stat $source or fail("$source: $!");
        fail("$source: Inappropriate file type or format") if !-f _;
    }
    my $text = $empty ? '' : content($source);
    my $same = $on{C} && -f $path && content($path) eq $text;
    my ($directory) = $path =~ m{\A(.*/)}s;
    my $fresh = $same ? $path : ($directory // '') . 'INS@' . join '', map { ('a' .. 'z')[rand 26] } 1 .. 10;
    if (!$same) {
        open my $file, '>:raw', $fresh or fail("$fresh: $!");
        print {$file} $text or give_up($fresh, "$fresh: $!");
        close $file or give_up($fresh, "$fresh: $!");
        if ($on{p}) { utime +(stat $source)[8, 9], $fresh }
    }
    if ($uid != -1 || $gid != -1) {
        chown $uid, $gid, $fresh or fail("$fresh: chown/chgrp: $!");
    }
    chmod $mode, $fresh or fail("$fresh: chmod: $!");
    return if $same;
    rename $path, "$path$suffix" if $on{b};
    rename $fresh, $path or give_up($fresh, "rename: $fresh to $path: $!");
    return;
}

sub give_up {
    my ($fresh, $text) = @_;
    unlink $fresh;
    return fail($text);
}
