# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "fetch" downloads files for some seconds; the next request continues. It holds a
# lock of its own, so that other changes need not wait for it.

use v5.36;

# Fetches files beside their places for some seconds, and continues what is there
# already. A file is "done" once it is complete and its checksum is right.
sub fetch ($request, @) {
	confine($request);
	my $lock  = lock_server($request);
	my $until = now() + $request->{seconds};
	my @answers;
	for my $file (@{$request->{files}}) {
		push @answers, fetch_file($file, $until - now(), $request);
		last if $answers[-1]{state} ne 'done' || now() >= $until;
	}
	return {files => \@answers};
}

sub fetch_file ($file, $seconds, $request) {
	my $path = $file->{path};
	unlink $path if !$file->{resume};
	my $had    = -s $path || 0;
	my $result = run($had ? $file->{resume} : $file->{argv}, timeout => $seconds, watched => 1);
	my $size   = -s $path || 0;
	my $begun  = $result->{stderr} =~ /$request->{begun}/xms;
	my $whole =
	      $result->{rc}
	    ? $result->{stderr} =~ /$request->{retrieved}/xms
	    : !$had || $begun;
	my $state = $whole ? 'done' : !$result->{rc} || $result->{rc} == 124 ? 'more' : 'failed';
	if ($state eq 'done' && defined $file->{sha256}) {
		$state = 'wrong' if (look($path) // {sha256 => q{}})->{sha256} ne $file->{sha256};
	}
	if ($state eq 'done') { attributes($path, %{$file}) }
	# A wrong file is useless, and a full disk needs the room.
	elsif ($state eq 'wrong' || $result->{stderr} =~ /$request->{full}/xms) { unlink $path }
	return {%{$result}, state => $state, size => $size, begun => $begun};
}

$VERB{fetch} = \&fetch;
