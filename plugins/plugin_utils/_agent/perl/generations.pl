# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# What is kept of files that transactions replaced, for who wants to go back.

use v5.36;

# What a transaction changed, from its journal. A program that is given a staged
# file is a checker.
sub generation ($number) {
	my ($head, $steps) = split /\n/xms, slurp("$STATE/$number/journal");
	my (@files, @checks);
	for my $step (@{$JSON->decode($steps)}) {
		push @checks, {n => $step->{n}, argv => $step->{argv}} if grep { ref } @{$step->{argv} // []};
		next if $step->{do} !~ $OF_FILES;
		my %file = map { $_ => $step->{$_} } qw(n do path was sha256 old sensitive stays internal);
		push @files, \%file;
	}
	return {%{$JSON->decode($head)}, number => $number + 0, files => \@files, checks => \@checks};
}

# One that cannot be read is left out, which whoever counts them sees.
sub kept_files () {
	return [map { eval { generation($_) } // () } generations()];
}

sub present_generation () {
	my $number = (generations())[-1] // return;
	return {%{head_of("$STATE/$number/journal")}{qw(id name)}, number => $number + 0};
}
