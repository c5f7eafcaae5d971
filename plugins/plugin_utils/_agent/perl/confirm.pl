# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# A change that may cut the server off is put back after some seconds, unless
# "confirm" comes over a new connection. Both sides of that are here.

use v5.36;

# This process waits without the connection, and holds the lock until it is
# decided: by whoever renames the file.
sub await_confirmation ($seconds, $put_back) {
	write_file("$PENDING/waiting", q{});
	my $pid = fork // fail("fork: $!");
	return if $pid;
	for my $handle (*STDIN, *STDOUT, *STDERR) { open $handle, '+<', '/dev/null' or exit 1 }
	local @SIG{qw(HUP INT TERM)} = ('IGNORE') x 3;
	my $until = now() + $seconds;
	while (now() < $until && -e "$PENDING/waiting") { select undef, undef, undef, 0.1 }
	$put_back->() if rename "$PENDING/waiting", "$PENDING/expired";
	exit 0;
}

# Confirms, and carries out what is to come after that.
sub confirm ($request, $blobs) {
	fail('nothing waits for a confirmation; the server was put back to what it was before', unconfirmed => 1)
	    if (journal()->{id} // q{}) ne $request->{id} || !rename "$PENDING/waiting", "$PENDING/confirmed";
	return apply($request, $blobs);
}

$VERB{confirm} = \&confirm;
