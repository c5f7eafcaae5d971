# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# A change that may cut the server off is put back after some seconds, unless
# "confirm" arrives over a new connection. Both sides of that are here.

use v5.36;

# A process waits without the connection, and holds the lock until this is
# decided: by whoever renames the file.
sub await_confirmation ($seconds, $put_back) {
	write_file("$PENDING/waiting", q{});
	return apart(sub {
		local @SIG{qw(HUP INT TERM)} = ('IGNORE') x 3;
		my $until = now() + $seconds;
		while (now() < $until && -e "$PENDING/waiting") { select undef, undef, undef, 0.1 }
		$put_back->() if rename "$PENDING/waiting", "$PENDING/expired";
	});
}

# Confirms, and carries out the transactions that follow.
sub confirm ($request, $blobs) {
	fail('nothing waits for a confirmation; the server was put back to what it was before', unconfirmed => 1)
	    if (journal()->{id} // q{}) ne $request->{id} || !rename "$PENDING/waiting", "$PENDING/confirmed";
	return apply($request, $blobs);
}

$VERB{confirm} = \&confirm;
