# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC

# A model of OpenBSD's module: it checks what it is asked as unveil(2) does and writes it down for
# tests, one line a call; it hides nothing.
package OpenBSD::Unveil;

use strict;
use warnings;

use Carp;
use Exporter 'import';

our $VERSION = '0.02';
our @EXPORT  = qw(unveil);    ## no critic (ProhibitAutomaticExportation)

my $RECORD = '/usr/libexec/sandbox/record/unveil';
my ($EPERM, $ENOENT, $EINVAL) = (1, 2, 22);
my $locked = 0;

# Errors are the system's: in $!.
## no critic (RequireLocalizedPunctuationVars)
sub unveil {
    my ($path, $permissions) = @_;
    croak('Usage: OpenBSD::Unveil::unveil([path, permissions])') if @_ != 0 && @_ != 2;
    if (OpenBSD::Pledge->can('allows') && !OpenBSD::Pledge::allows('unveil')) {
        _record('killed');
        kill 'ABRT', $$;
    }
    if ($locked) {
        $! = $EPERM;
        return !!0;
    }
    if (!@_) {
        _record('locked');
        $locked = 1;
        return !!1;
    }
    if ($permissions !~ /\A[rwxc]*\z/) {
        $! = $EINVAL;
        return !!0;
    }
    # The file itself may be missing, but not the directory that it would be in.
    my ($above) = $path =~ m{\A (.*) / [^/]* \z}sx;
    if (!-e $path && !-d (!defined $above ? q(.) : $above eq '' ? q(/) : $above)) {
        $! = $ENOENT;
        return !!0;
    }
    _record("$permissions $path");
    return !!1;
}

sub _record {
    my ($text) = @_;
    open my $file, '>>', $RECORD or return;
    syswrite $file, "$text\n";
    close $file;
    return;
}

1;
