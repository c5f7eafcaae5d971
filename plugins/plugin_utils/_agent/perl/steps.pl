# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The steps of a transaction, each with what must hold before and after it. The
# request says what they do; undo.pl puts them back.

use v5.36;

my $said = {};    # what the last program printed

sub guard ($step) {
	my $is = look($step->{path});
	fail("$step->{path} is no longer a regular file") if $is && $is->{type} ne 'file';
	fail("$step->{path} belongs to somebody else and is too large to be compared")
	    if $is && !$is->{sha256};
	fail("$step->{path} was changed by somebody else while this run was planning; run again")
	    if $step->{before} && !same($is, $step->{before});
	return;
}

sub wait_for ($step) {
	my $until = now() + ($step->{seconds} // 10);
	my $settle = $step->{settle} // 0;
	my $good;
	while (1) {
		beat();
		my $result = run($step->{argv}, %{$step});
		my $ok     = $step->{ok} // [0];
		my @lacking = grep { $result->{stdout} !~ /$_/xms } @{$step->{match} // []};
		if ((!@{$ok} || grep { $_ == $result->{rc} } @{$ok}) && !@lacking) {
			$good //= now();
			return if now() - $good >= $settle;
		}
		else {
			undef $good;
			fail('the expected state was not reached in time', %{$result}) if now() >= $until;
			# What brings it about may do its work and never return.
			run($step->{ask}, timeout => 0) if $step->{ask};
		}
		select undef, undef, undef, 0.25;
	}
	return;
}

our %DO = (
	directory => sub ($step, $blobs, $id) {
		my $path = $step->{path};
		mkdir $path, 0700 or $!{EEXIST} or fail("$path: $!");
		fail("$path is not a directory") if look($path)->{type} ne 'directory';
		attributes($path, %{$step});
	},
	stage => sub ($step, $blobs, $id) {
		guard($step);
		my $content = substr ${$blobs}, $step->{blob}[0], $step->{blob}[1];
		write_file(staged($step, $id), $content, %{$step});
	},
	commit => sub ($step, $blobs, $id) {
		guard($step);
		rename staged($step, $id), $step->{path} or fail("$step->{path}: $!");
		sync_directory($step->{path});
	},
	remove => sub ($step, $blobs, $id) {
		guard($step);
		unlink $step->{path} or fail("$step->{path}: $!");
	},
	# rmdir(2) removes no link, no file, and no directory that is not empty.
	rmdir => sub ($step, $blobs, $id) {
		rmdir $step->{path} or fail("$step->{path}: $!");
		sync_directory($step->{path});
	},
	attributes => sub ($step, $blobs, $id) { attributes($step->{path}, %{$step}) },
	rename     => sub ($step, $blobs, $id) { move($step->{from}, $step->{path}) },
	run        => sub ($step, $blobs, $id) {
		my @argv = map { ref ? staged($_, $id) : $_ } @{$step->{argv}};
		$said = run(\@argv, %{$step});
		check_run($step, $said);
	},
	record => sub ($step, $blobs, $id) { record_console($step) },
	hear   => sub ($step, $blobs, $id) { hear($step) },
	verified => sub ($step, $blobs, $id) { record_verified($step) },
	wait   => sub ($step, $blobs, $id) { wait_for($step) },
	expect => sub ($step, $blobs, $id) {
		my $is = look($step->{path}, 0);
		fail($step->{lacking} // "$step->{path} was not made", %{$said})
		    if !$is || $is->{type} ne $step->{type};
	},
);
