# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Runs when the server boots while a change waits for its confirmation, and puts
# it back; journal.pl makes rc(8) run it. This file is removed with the journal.

use v5.36;

$undoing = 1;
# With that of rc(8), rc.subr(8) starts what already runs once more.
delete local $ENV{INRC};
my $ok = eval {
	my $lock      = lock_server({by => 'the boot of this server'});
	my $recovered = recover() // {};
	print "puffy.vmm: the change \"$recovered->{name}\" was put back, since nobody confirmed it\n"
	    if $recovered->{id};
	print "left as it is: $_\n"            for @{$recovered->{left} // []};
	print "could not be put back: $_\n"    for @{$recovered->{problems} // []};
	print "old files: $recovered->{kept}\n" if $recovered->{kept};
	1;
};
print 'puffy.vmm: ', failure()->{text}, "\n" if !$ok;
