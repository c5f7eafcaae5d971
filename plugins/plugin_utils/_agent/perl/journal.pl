# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The journal of a transaction, $PENDING: how all was before, and how far it
# came. Once it is through, the old files stay as a generation in $STATE.

use v5.36;

# The journal says, before anything is changed, how each thing was and how it
# will be; the way back needs nothing else, also after a crash.
sub write_journal ($request) {
	remove_tree($PENDING);
	mkdir $PENDING, 0700 or fail("$PENDING: $!");
	my ($number, @entries) = (0);
	for my $step (@{$request->{steps}}) {
		my %entry = %{$step};
		if ($step->{do} =~ /\A(?:commit|remove|attributes|directory|rmdir)\z/xms && !$step->{late}) {
			$entry{was} = as_user($step->{as}, sub { look($step->{path}) });
			if ($step->{do} =~ /\A(?:commit|remove)\z/xms && $entry{was}) {
				my $old = as_user($step->{as}, sub { slurp($step->{path}) });
				fail("$step->{path}: it changes while it is read; run again")
				    if Digest::SHA::sha256_hex($old) ne $entry{was}{sha256};
				$entry{old} = "$PENDING/" . $number++;
				write_file($entry{old}, $old);
			}
		}
		push @entries, \%entry;
	}
	my %journal = (id => $request->{id}, by => $request->{by}, steps => \@entries);
	write_file("$PENDING/new", $JSON->encode(\%journal));
	rename "$PENDING/new", "$PENDING/journal" or fail("$PENDING/journal: $!");
	sync_directory("$PENDING/journal");
	return \@entries;
}

# Steps that cannot be recognised by their traces are noted before they run.
sub note_begun ($step) {
	open my $out, '>>', "$PENDING/begun" or fail("$PENDING/begun: $!");
	my $ok = (print {$out} "$step->{n}\n") && $out->flush && $out->sync;
	fail("$PENDING/begun: $!") if !$ok;
	close $out or fail("$PENDING/begun: $!");
	return;
}

# Tells later probes which change was the last. The change is through by now: a full disk, say, is
# no reason to fail.
sub note_applied ($request) {
	my $done = eval {
		unlink "$STATE/applied.new";
		write_file("$STATE/applied.new", "$request->{id}\n");
		rename "$STATE/applied.new", "$STATE/applied";
	};
	return $done;
}

sub keep_generation ($request, $steps) {
	note_applied($request);
	for my $step (grep { $_->{sensitive} && $_->{old} } @{$steps}) { unlink $step->{old} }
	if (grep { $_->{old} } @{$steps}) {
		rename $PENDING, "$STATE/$request->{id}" or fail("$STATE/$request->{id}: $!");
	}
	else { remove_tree($PENDING) }
	my @generations = grep { /\A\d{8}T\d{6}/xms } @{names_in($STATE) // []};
	my $keep = $request->{keep} // 10;
	remove_tree("$STATE/" . shift @generations) while @generations > $keep;
	return;
}
