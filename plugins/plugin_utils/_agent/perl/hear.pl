# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Proves that what one program sends arrives at another.

use v5.36;

# Has one program listen, and another send until the first prints that something came.
sub hear ($step) {
	pipe my $out_r, my $out_w or fail("pipe: $!");
	pipe my $err_r, my $err_w or fail("pipe: $!");
	my $listener = fork // fail("fork: $!");
	if (!$listener) {
		local @SIG{qw(HUP INT TERM PIPE)} = ('DEFAULT') x 4;
		if (open(STDIN, '<', '/dev/null') && open(STDOUT, '>&', $out_w) && open STDERR, '>&', $err_w) {
			exec {$step->{argv}[0]} @{$step->{argv}} or print {*STDERR} "$step->{argv}[0]: $!\n";
		}
		kill 'KILL', $$;
	}
	close $out_w or fail("pipe: $!");
	close $err_w or fail("pipe: $!");
	my ($until, %text) = (now() + $step->{seconds}, out => q{}, err => q{});
	my %from = (out => $out_r, err => $err_r);
	my $ok = eval {
		while (%from && $text{out} !~ /$step->{match}/xms && now() < $until) {
			beat();
			run($step->{send}{argv}, timeout => 5);
			my $bits = q{};
			vec($bits, fileno $_, 1) = 1 for values %from;
			next if 1 > select $bits, undef, undef, 0.25;
			for my $name (grep { vec $bits, fileno $from{$_}, 1 } sort keys %from) {
				sysread $from{$name}, my $chunk, 65_536 or delete $from{$name};
				$text{$name} .= $chunk // q{};
			}
		}
		1;
	};
	my $error = $@;
	kill 'TERM', $listener;
	waitpid $listener, 0;
	die $error if !$ok;
	fail('none came in time', rc => 1, stdout => $text{out}, stderr => $text{err})
	    if $text{out} !~ /$step->{match}/xms;
	return;
}
