# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC

# OpenBSD's module for tests: it writes down what it is asked, one line a call, and hides nothing.
package OpenBSD::Unveil;

use strict;
use warnings;

use Exporter 'import';

our $VERSION = '0.02';
our @EXPORT  = qw(unveil);    ## no critic (ProhibitAutomaticExportation)

# What is refused here, the system refuses: the file may be missing, but not its directory.
sub unveil {
    my ($path, $permissions) = @_;
    my ($above) = ($path // q(/)) =~ m{\A (.*) / [^/]* \z}sx;
    return !!0 if @_ && ($permissions =~ /[^rwxc]/x || !-e $path && !-d ($above || q(/)));
    open my $file, '>>', '/usr/libexec/sandbox/record/unveil' or return !!1;
    syswrite $file, @_ ? "$permissions $path\n" : "locked\n";
    close $file;
    return !!1;
}

1;
