#!/usr/bin/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The login shell that sshd sees for every account of a server. It asks the machine's process how to
# enter the server's root, runs the account's shell there and passes its standard input and output
# through, so that they can be counted and cut.
use strict;
use warnings;

my ($AF_UNIX, $SOCK_STREAM, $EINTR, $EPIPE) = (1, 1, 4, 32);
my $SOCKET = '/run/control.sock';
my $CHUNK  = 65_536;

$SIG{PIPE} = 'IGNORE';
$^F = 9;    # the descriptors opened here are for the programs started below
socket my $machine, $AF_UNIX, $SOCK_STREAM, 0 or die "socket: $!\n";
connect $machine, pack 'S a*', $AF_UNIX, "$SOCKET\0" or die "$SOCKET: $!\n";

sub send_frame {
    my ($kind, $body) = @_;
    my $frame = $kind . pack('N', length $body) . $body;
    syswrite $machine, $frame or exit 255;
    return;
}

sub receive_frame {
    my $head = read_exactly(5);
    return read_exactly(unpack 'x N', $head);
}

sub read_exactly {
    my ($size) = @_;
    my $buffer = '';
    while (length $buffer < $size) {
        sysread $machine, $buffer, $size - length $buffer, length $buffer or exit 255;
    }
    return $buffer;
}

my $command = @ARGV ? $ARGV[1] : '';
my $terminal = -t STDIN ? 1 : 0;
my @shown = map {"$_=$ENV{$_}"} grep { defined $ENV{$_} } qw(SSH_CLIENT SSH_CONNECTION SSH_TTY TERM);
send_frame('H', join "\0", $ENV{USER}, $$, getppid, $terminal, scalar @ARGV, $command, @shown);
my ($limit, $filter, $argc, @rest) = split /\0/, receive_frame(), -1;
my @argv = splice @rest, 0, $argc;
%ENV = map { split /=/, $_, 2 } @rest;
umask 022;

if (length $filter) {
    open my $program, '<', $filter or die "$filter: $!\n";
    splice @argv, 1, 0, '--seccomp', fileno $program;
    our $kept = $program;
}

my ($in, $out) = (0, 0);
my ($input, $to_child, $from_child, $output);
if (!$terminal) {
    pipe $input, $to_child or die "pipe: $!\n";
    pipe $from_child, $output or die "pipe: $!\n";
}
defined(my $child = fork) or die "fork: $!\n";
if (!$child) {
    if (!$terminal) {
        open STDIN, '<&', $input or die "dup: $!\n";
        open STDOUT, '>&', $output or die "dup: $!\n";
        close $_ for $input, $to_child, $from_child, $output;
    }
    close $machine;
    $SIG{PIPE} = 'DEFAULT';
    exec @argv or die "$argv[0]: $!\n";
}
if (!$terminal) {
    close $input;
    close $output;
    $to_child->blocking(0);
    *STDOUT->blocking(0);
    pass_through();
}
waitpid $child, 0;
my $rc = $? & 127 ? 128 + ($? & 127) : $? >> 8;
send_frame('B', join "\0", $in, $out, $rc);
receive_frame();
exit $rc;

# Both directions at once, without waiting for either side: a command may write before it has read.
sub pass_through {
    my ($to, $from) = ('', '');
    my ($reading, $writing) = (1, 1);
    while (1) {
        if (!$reading && $to eq '' && $to_child) {
            close $to_child;
            undef $to_child;
        }
        last if !$from_child && $from eq '';
        my ($readable, $writable) = ('', '');
        vec($readable, 0, 1) = 1 if $reading && $to eq '';
        vec($readable, fileno $from_child, 1) = 1 if $from_child && $from eq '';
        vec($writable, fileno $to_child, 1) = 1 if $to_child && $to ne '';
        vec($writable, 1, 1) = 1 if $from ne '';
        next if select($readable, $writable, undef, undef) < 0;
        if (vec $readable, 0, 1) {
            my $got = sysread STDIN, $to, $limit < 0 ? $CHUNK : $limit - $in;
            $reading = 0 if !$got;
            $in += $got // 0;
            if ($limit >= 0 && $in >= $limit) {
                kill 'KILL', getppid;
                $reading = 0;
            }
        }
        if ($from_child && vec $readable, fileno $from_child, 1) {
            my $got = sysread $from_child, $from, $CHUNK;
            if (!$got) { close $from_child; undef $from_child }
        }
        if ($to_child && vec $writable, fileno $to_child, 1) {
            my $sent = syswrite $to_child, $to;
            if (defined $sent) { substr $to, 0, $sent, '' }
            elsif ($! == $EPIPE) { $to = ''; $reading = 0 }
        }
        if (vec $writable, 1, 1) {
            my $sent = syswrite STDOUT, $from;
            if (defined $sent) { $out += $sent; substr $from, 0, $sent, '' }
            elsif ($! == $EPIPE) {
                $from = '';
                if ($from_child) { close $from_child; undef $from_child }
            }
        }
    }
    if ($to_child) { close $to_child }
    close STDOUT;
    return;
}
