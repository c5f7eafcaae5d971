#!/usr/libexec/sandbox/perl -w
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Stands for a modelled command: hands the call to the machine's process and does as it says.
# It runs for each command of a script, so it loads as little as it can: numbers instead of the
# constants of Socket and POSIX, and -w instead of a module.
use strict;

## no critic (RequireUseWarnings)
my ($AF_UNIX, $SOCK_STREAM) = (1, 1);
my $SOCKET = '/usr/libexec/sandbox/socket';

$SIG{PIPE} = 'IGNORE';
socket my $machine, $AF_UNIX, $SOCK_STREAM, 0 or die "$0: socket: $!\n";
connect $machine, pack 'S a*', $AF_UNIX, "$SOCKET\0" or die "$0: $SOCKET: $!\n";

sub send_frame {
    my ($kind, $body) = @_;
    my $frame = $kind . pack('N', length $body) . $body;
    while (length $frame) {
        my $sent = syswrite $machine, $frame;
        defined $sent or exit 1;
        substr $frame, 0, $sent, '';
    }
    return;
}

sub read_exactly {
    my ($size) = @_;
    my $buffer = '';
    while (length $buffer < $size) {
        sysread $machine, $buffer, $size - length $buffer, length $buffer or exit 1;
    }
    return $buffer;
}

sub put {
    my ($stream, $text) = @_;
    while (length $text) {
        my $written = syswrite $stream, $text;
        if (!defined $written) {
            $SIG{PIPE} = 'DEFAULT';
            kill 'PIPE', $$;
            exit 1;
        }
        substr $text, 0, $written, '';
    }
    return;
}

# The link in /proc, since cwd() is a module's.
my $cwd  = readlink '/usr/libexec/sandbox/proc/self/cwd';
my @user = exists $ENV{FAKEROOTKEY} ? ($>, $) + 0) : ('', '');
my @env  = map {"$_=$ENV{$_}"} grep { !/\A(?:FAKEROOT|LD_PRELOAD)/x } sort keys %ENV;
my $input = $0 =~ m{/stty\z} && readlink '/usr/libexec/sandbox/proc/self/fd/0';
push @env, "SANDBOX_STDIN=$input" if $input;
send_frame('R', join "\0", $0, $cwd // '/', @user, $$, scalar @ARGV, @ARGV, @env);

while (1) {
    my ($kind, $size) = unpack 'a N', read_exactly(5);
    my $body = read_exactly($size);
    if    ($kind eq 'O') { put(\*STDOUT, $body) }
    elsif ($kind eq 'E') { put(\*STDERR, $body) }
    elsif ($kind eq 'X') { exit $body }
    elsif ($kind eq 'I') {
        while (sysread STDIN, my $input, 65_536) {
            send_frame('D', $input);
        }
        send_frame('Z', '');
    }
    elsif ($kind eq 'S') {
        my ($dir, $name, $argc, @rest) = split /\0/, $body, -1;
        my @argv = splice @rest, 0, $argc;
        %ENV = map { split /=/, $_, 2 } @rest;
        chdir $dir or die "$dir: $!\n";
        $SIG{PIPE} = 'DEFAULT';
        my $program = $argv[0];
        $argv[0] = $name;
        exec {$program} @argv or do {
            print {*STDERR} "$program: $!\n";
            exit 127;
        };
    }
}
