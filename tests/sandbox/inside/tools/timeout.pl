#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# timeout(1): 124 when time was up, 125 for its own errors, 126 and 127 for a command that does not run.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

# How much faster the modelled time of this server goes.
my $SPEED = 1;
if (open my $file, '<', '/usr/libexec/sandbox/speed') { chomp($SPEED = <$file> // 1) }
my %UNIT = ('' => 1, s => 1, m => 60, h => 3600, d => 86_400);
my %SIGNAL = (HUP => 1, INT => 2, QUIT => 3, KILL => 9, USR1 => 10, USR2 => 12, ALRM => 14, TERM => 15);
my $usage = "usage: timeout [-fp] [-k time] [-s signal] duration command [arg ...]\n";
my %on = map { $_->[0] => $_->[1] // 1 } options('fk:ps:', $usage);
usage($usage) if @ARGV < 2;
my $limit = seconds(shift @ARGV);
my $kill_after = defined $on{k} ? seconds($on{k}) : 0;
my $signal = uc($on{s} // 'TERM');
$signal =~ s/\ASIG//;
$signal = $SIGNAL{$signal} // ($signal =~ /\A\d+\z/ ? $signal : fail("$on{s}: invalid signal", 125));

my $child = start();
my ($late, $killed) = (0, 0);
$SIG{ALRM} = sub {
    $late = 1;
    send_signal($killed++ ? 9 : $signal);
    alarm_in($kill_after) if $kill_after && $killed == 1;
};
for my $name (qw(HUP INT QUIT TERM)) {
    $SIG{$name} = sub { send_signal($SIGNAL{$name}) };
}
alarm_in($limit) if $limit > 0;
while (waitpid($child, 0) < 0) { last if $! != 4 }
my $status = $?;
exit 124 if $late && !$on{p};
exit($status & 127 ? 128 + ($status & 127) : $status >> 8);

sub start {
    setpgrp 0, 0 if !$on{f};
    defined(my $pid = fork) or fail("fork: $!", 125);
    if (!$pid) {
        $SIG{$_} = 'DEFAULT' for qw(TTIN TTOU PIPE);
        exec {$ARGV[0]} @ARGV or do {
            my $rc = $! == 2 ? 127 : 126;
            complain("$ARGV[0]: $!");
            exit $rc;
        };
    }
    return $pid;
}

sub seconds {
    my ($text) = @_;
    my ($number, $unit) = $text =~ /\A (\d+ (?:[.]\d*)? | [.]\d+) ([smhd]?) \z/x or fail("$text: invalid duration", 125);
    return $number * $UNIT{$unit} / $SPEED;
}

sub alarm_in {
    my ($time) = @_;
    require Time::HiRes;
    Time::HiRes::alarm($time);
    return;
}

# To the whole group, as the command may have started others; this process is spared.
sub send_signal {
    my ($number) = @_;
    if ($on{f}) { kill $number, $child; return }
    local $SIG{TERM} = 'IGNORE';
    my @ignored = grep { $SIGNAL{$_} == $number && $_ ne 'KILL' } keys %SIGNAL;
    local @SIG{@ignored} = ('IGNORE') x @ignored;
    kill $number, $child;
    kill -$number, getpgrp if $number != 9;
    return;
}
