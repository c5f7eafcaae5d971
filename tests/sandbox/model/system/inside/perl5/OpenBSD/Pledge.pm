# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC

# OpenBSD's module for tests: it writes down what it is asked, one line a call, and forbids nothing.
package OpenBSD::Pledge;

use strict;
use warnings;

use Exporter 'import';

our $VERSION = '0.03';
our @EXPORT  = qw(pledge);    ## no critic (ProhibitAutomaticExportation)

my %KNOWN = map { $_ => 1 } qw(
    chown cpath dns dpath drm error exec fattr flock getpw id inet mcast pf proc prot_exec ps recvfd
    route rpath sendfd settime stdio tape tmppath tty unix unveil video vminfo vmm wpath wroute
);
my %held;

sub pledge {
    my %wanted = map { $_ => 1 } 'stdio', map { split } @_;
    # What was given up does not come back.
    return !!0 if grep { !$KNOWN{$_} || %held && !$held{$_} } keys %wanted;
    %held = %wanted;
    open my $file, '>>', '/usr/libexec/sandbox/record/pledge' or return !!1;
    syswrite $file, join(q( ), sort keys %held) . "\n";
    close $file;
    return !!1;
}

1;
