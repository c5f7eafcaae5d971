# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC

# A model of OpenBSD's module: it checks what it is asked as pledge(2) does and writes it down for
# tests, one line a call; it restricts nothing but unveil(2).
package OpenBSD::Pledge;

use strict;
use warnings;

use Exporter 'import';

our $VERSION = '0.03';
our @EXPORT  = qw(pledge);    ## no critic (ProhibitAutomaticExportation)

my $RECORD = '/usr/libexec/sandbox/record/pledge';
my $EINVAL = 22;
my $EPERM  = 1;
my @NAMES = qw(
    audio bpf chown cpath disklabel dns dpath drm error exec fattr flock getpw id inet mcast pf proc
    prot_exec ps recvfd route rpath sendfd settime stdio tape tmppath tty unix unveil video vminfo vmm
    wpath wroute
);
my %KNOWN = map { $_ => 1 } @NAMES;
my %held;

# Errors are the system's: in $!.
## no critic (RequireLocalizedPunctuationVars)
sub pledge {
    my (@words) = @_;
    my @promises = map { split } @words;
    my %wanted = map { $_ => 1 } @promises, 'stdio';
    if (my ($unknown) = grep { !$KNOWN{$_} } keys %wanted) {
        $! = $EINVAL;
        return !!0;
    }
    # What was given up does not come back; with `error` the system would feign success.
    if (%held && !$held{error} && grep { !$held{$_} } keys %wanted) {
        $! = $EPERM;
        return !!0;
    }
    %held = %held ? map { $_ => 1 } grep { $held{$_} } keys %wanted : %wanted;
    _record(join q( ), sort keys %wanted);
    return !!1;
}

# Whether a call is allowed that needs this promise.
sub allows {
    my ($promise) = @_;
    return !%held || $held{$promise};
}

sub _record {
    my ($text) = @_;
    open my $file, '>>', $RECORD or return;
    syswrite $file, "$text\n";
    close $file;
    return;
}

1;
