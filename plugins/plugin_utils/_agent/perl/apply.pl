# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "apply" carries out transactions, one after the other; each is completed or put
# back. The first that fails ends the request, and so does one that must be
# confirmed. A transaction that was cut off earlier is put back first.

use v5.36;

sub explain ($step) {
	return q{} if !$step->{explain};
	my $result = eval { run($step->{explain}, timeout => 10) } or return q{};
	return $result->{stdout};
}

# Returns its part of the answer: "done", "waits" or "failed".
sub carry_out ($transaction, $by, $blobs) {
	my ($step, $journal, $done, @begun);
	my $id = $transaction->{id};
	my $ok = eval {
		guard($_) for grep { $_->{before} && $_->{do} ne 'attributes' } @{$transaction->{steps}};
		$journal = write_journal($transaction, $by, $blobs);
		for my $next (@{$journal->{steps}}) {
			$step = $next;
			beat();
			note_begun($step) if $step->{do} eq 'run';
			unshift @begun, $step if $step->{undo_always} || $step->{do} ne 'run';
			$DO{$step->{do}}->($step, $blobs, $id);
			unshift @begun, $step if !$step->{undo_always} && $step->{do} eq 'run';
		}
		undef $step;
		beat();
		if ($journal->{confirm}) {
			await_confirmation($journal->{confirm}, sub { put_back($journal, \@begun) });
		}
		else { $done = conclude($journal) }
		1;
	};
	return $done ? (done => $done) : (waits => $id) if $ok;
	my $error = failure();
	$error->{explain} = $step ? explain($step) : q{};
	my $outcome = put_back($journal // $transaction, \@begun);
	return (failed => {%{$error}, %{$outcome}, id => $id, step => $step ? $step->{n} : undef});
}

sub apply ($request, $blobs) {
	my $lock = local $LOCK = lock_server($request);
	# The last holder of the lock may have left a journal, which names more than the request.
	confine($request);
	my $recovered = recover() // {};
	my $confirmed = delete $recovered->{confirmed};
	my %answer    = (recovered => %{$recovered} ? $recovered : undef, done => [$confirmed // ()]);
	for my $transaction (@{$request->{transactions}}) {
		my %outcome = carry_out($transaction, $request->{by}, \$blobs);
		push @{$answer{done}}, delete $outcome{done} // ();
		%answer = (%answer, %outcome);
		last if %outcome;
	}
	return \%answer if $answer{waits};
	truncate $lock, 0;
	close $lock or fail("$STATE/lock: $!");
	return \%answer;
}

$VERB{apply} = \&apply;
