# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# What is kept of files that transactions replaced, for a rollback.

use v5.36;

# What a transaction changed, from its journal. A program with a staged file among
# its arguments is a checker.
sub generation ($number) {
	my $journal = journal_in("$STATE/$number");
	my (@files, @checks);
	for my $step (@{delete $journal->{steps}}) {
		push @checks, {n => $step->{n}, argv => $step->{argv}} if grep { ref } @{$step->{argv} // []};
		next if $step->{do} !~ $OF_FILES;
		my %file = map { $_ => $step->{$_} } qw(n do path was sha256 old sensitive stays internal);
		push @files, \%file;
	}
	return {%{$journal}, number => $number + 0, files => \@files, checks => \@checks};
}

# A generation that cannot be read is left out: its number is missing then.
sub kept_files () {
	return [map { eval { generation($_) } // () } generations()];
}

sub present_generation () {
	my $number = (generations())[-1] // return;
	# Its first line alone: many steps take long to decode.
	open my $in, '<', "$STATE/$number/journal" or return;
	my $head = eval { $JSON->decode(scalar <$in>) } // {};
	close $in or return;
	return {%{$head}{qw(id name)}, number => $number + 0};
}
