# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "apply" carries out steps as one transaction: all of them, or the way back.
# A transaction that was cut off before is put back first.

use v5.36;

sub explain ($step) {
	return q{} if !$step->{explain};
	my $result = eval { run($step->{explain}, timeout => 10) } or return q{};
	return $result->{stdout};
}

sub apply ($request, $blobs) {
	my $lock      = local $LOCK = lock_server($request);
	my $recovered = recover();
	my ($step, @done, $journal);
	my $ok = eval {
		guard($_) for grep { $_->{before} && $_->{do} ne 'attributes' && !$_->{late} } @{$request->{steps}};
		$journal = write_journal($request);
		for my $next (@{$journal}) {
			$step = $next;
			beat();
			note_begun($step) if $step->{do} eq 'run';
			unshift @done, $step if $step->{undo_always} || $step->{do} ne 'run';
			$DO{$step->{do}}->($step, \$blobs, $request);
			unshift @done, $step if !$step->{undo_always} && $step->{do} eq 'run';
		}
		undef $step;
		beat();
		1;
	};
	my $error = $ok ? undef : ref $@ ? $@ : {text => "$@"};
	my %answer = (recovered => $recovered);
	if ($error) {
		$error->{explain} = $step ? explain($step) : q{};
		my $problems = way_back(\@done, $request->{id});
		remove_tree($PENDING) if !@{$problems};
		$answer{failed} = {%{$error}, step => $step ? $step->{n} : undef, undo_problems => $problems};
	}
	elsif ($request->{confirm}) {
		await_confirmation(
			$request->{confirm},
			sub { keep_generation($request, $journal) },
			sub { way_back(\@done, $request->{id}) },
		);
		return \%answer;
	}
	else { keep_generation($request, $journal) }
	truncate $lock, 0;
	close $lock or fail("$STATE/lock: $!");
	return \%answer;
}

$VERB{apply} = \&apply;
