# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# A change that may cut the server off is put back after some seconds, unless
# "confirm" comes over a new connection. Both sides of that are here.

use v5.36;

# A change that may cut the server off waits for a word from outside. This
# process goes on without the connection, and holds the lock until then.
sub await_confirmation ($seconds, $keep, $put_back) {
	write_file("$PENDING/waiting", q{});
	my $pid = fork // fail("fork: $!");
	return if $pid;
	for my $handle (*STDIN, *STDOUT, *STDERR) { open $handle, '+<', '/dev/null' or exit 1 }
	local @SIG{qw(HUP INT TERM)} = ('IGNORE') x 3;
	my $until = time + $seconds;
	while (time < $until && -e "$PENDING/waiting") { select undef, undef, undef, 0.1 }
	# Whoever renames it has decided.
	if   (rename "$PENDING/waiting", "$PENDING/expired") { $put_back->() }
	else                                                 { $keep->() }
	exit 0;
}

sub confirm ($request, @) {
	my $journal = -e "$PENDING/journal" ? $JSON->decode(slurp("$PENDING/journal")) : {id => q{}};
	fail('nothing waits for a confirmation; the server was put back to what it was before')
	    if $journal->{id} ne $request->{id} || !rename "$PENDING/waiting", "$PENDING/confirmed";
	my $until = time + 20;
	while (-e "$PENDING/journal") {
		fail('the confirmed change was not concluded in time') if time > $until;
		select undef, undef, undef, 0.1;
	}
	return {};
}

$VERB{confirm} = \&confirm;
