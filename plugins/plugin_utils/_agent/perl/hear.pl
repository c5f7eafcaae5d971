# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Proves that what one program sends arrives at another.

use v5.36;

# Starts one program that listens, and runs another until the first prints that
# what the second sends has arrived.
sub hear ($step) {
	open my $null, '<', '/dev/null' or fail("/dev/null: $!");
	my ($listener, $from, $text) = listen_to($step->{argv}, $null);
	my $until = now() + $step->{seconds};
	my $ok = eval {
		while (%{$from} && $text->{out} !~ /$step->{match}/xms && now() < $until) {
			beat();
			run($step->{send}{argv}, timeout => 5);
			gather($from, $text, 0.25);
		}
		1;
	};
	my $error = $@;
	kill 'TERM', $listener;
	waitpid $listener, 0;
	die $error if !$ok;
	fail('nothing arrived in time', rc => 1, stdout => $text->{out}, stderr => $text->{err})
	    if $text->{out} !~ /$step->{match}/xms;
	return;
}
