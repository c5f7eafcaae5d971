# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# What a tool answers to options, and to what else, that it does not know.
package NotModelled;

use strict;
use warnings;

# Noted, as who runs the test looks whether it was met; the exit status is that of the models.
sub answer {
    my ($text) = @_;
    if (open my $file, '>>', '/usr/libexec/sandbox/record/unmodelled') {
        print {$file} "$text\n";
        close $file;
    }
    print {*STDERR} "not modelled: $text\n";
    exit 99;
}

1;
