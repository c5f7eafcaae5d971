#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# A program of the host behind OpenBSD's options, those that the collection's scripts may use: the
# letters of getopt(3). Anything else is not modelled. Waits are shortened as the server's clock is.
use strict;
use warnings;
use NotModelled;

my $SANDBOX = '/usr/libexec/sandbox';
my %LETTERS = (
    cat => 'benstuv', chgrp => 'Rh', chmod => 'Rh', chown => 'Rh', cmp => 'ls', cp => 'afipRv',
    cut => 'b:c:d:f:s', egrep => 'chilnoqsvwx', find => '', fgrep => 'chilnoqsvwx', grep => 'cEFhilnoqsvwxe:f:',
    gzip => 'cdf', head => 'n:', install => 'cdm:o:g:', ln => 'fs', ls => '1ACFRadil', mkdir => 'm:p', mktemp => 'd', mknod => 'm:',
    mv => 'fiv', rm => 'dfiRrv', rmdir => 'p', sed => 'Enre:f:i::', sleep => '', sort => 'bcdfiMnrut:k:o:',
    tail => 'c:fn:', tar => 'cf:hjptvxzC:', tee => 'ai', timeout => 'fk:s:', touch => 'acm', tr => 'cds', uniq => 'cdu',
    wc => 'lwc', xargs => '0n:rI:',
);
my %HOST = (egrep => ['grep', '-E'], fgrep => ['grep', '-F']);
my ($name) = $0 =~ m{([^/]+)\z};
if (!exists $ENV{FAKEROOTKEY}) {
    # A caller that has cleared its environment has lost what makes the server's owners visible.
    @ENV{qw(LD_PRELOAD FAKEROOTKEY)} = ("$SANDBOX/libfakeroot.so", '7800');
    exec $^X, $0, @ARGV or die "$name: $!\n";
}

my ($given, @rest) = options(@ARGV);
if ($name eq 'sleep' || $name eq 'timeout') {
    open my $file, '<', "$SANDBOX/speed" or die "$name: $!\n";
    $rest[0] /= <$file> || 1 if @rest && $rest[0] =~ /\A[\d.]+\z/;
}
my ($host, @first) = @{ $HOST{$name} // [$name] };
my @words = $name eq 'find' ? @ARGV : (@first, @{$given}, @rest ? (q(--), @rest) : ());
$ENV{POSIXLY_CORRECT} = 1 if $name ne 'find' && $name ne 'timeout' && $name ne 'xargs';
exec {"$SANDBOX/host/$host"} $name, @words or die "$name: $!\n";

# The options as single letters with their arguments, and the words behind them.
sub options {
    my @todo = @_;
    my @given;
    while (@todo && $todo[0] =~ /\A-./s) {
        last if $name eq 'find' || $name eq 'chmod' && $todo[0] =~ /\A-[rwxXst]/;
        my $word = shift @todo;
        last if $word eq q(--);
        if (($name eq 'head' || $name eq 'tail') && $word =~ /\A-(\d+)\z/) { push @given, '-n', $1; next }
        my ($letter, $more) = $word =~ /\A-(.)(.*)\z/s;
        while (defined $letter) {
            my $place = $letter eq q(:) ? -1 : index $LETTERS{$name}, $letter;
            NotModelled::answer("$name @ARGV") if $place < 0;
            my ($colons) = substr($LETTERS{$name}, $place + 1) =~ /\A(:*)/;
            if ($colons eq q(:)) {
                NotModelled::answer("$name @ARGV") if $more eq q() && !@todo;
                push @given, "-$letter", $more ne q() ? $more : shift @todo;
                last;
            }
            if ($colons) { push @given, "-$letter$more"; last }
            push @given, "-$letter";
            ($letter, $more) = $more =~ /\A(.)(.*)\z/s;
        }
    }
    return \@given, @todo;
}
