# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# What every change needs: the lock that lets one run at a time change a
# server, and files that are written, moved and removed with care.

use v5.36;
use IO::Handle ();

our $LOCK;    # held while something changes

sub id_of ($name, $lookup) {
	my $id = $lookup eq 'user' ? getpwnam $name : getgrnam $name;
	return $id // ($name =~ /\A\d+\z/xms ? $name : fail("there is no $lookup $name"));
}

sub write_file ($path, $content, %how) {
	sysopen my $out, $path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600 or fail("$path: $!");
	my $ok = (print {$out} $content) && $out->flush && $out->sync;
	my $why = "$!";
	$ok = close($out) && $ok;
	if (!$ok) { unlink $path; fail("$path: $why") }
	attributes($path, %how) if defined $how{mode};
	return;
}

sub attributes ($path, %how) {
	chown(id_of($how{owner}, 'user'), id_of($how{group}, 'group'), $path) == 1
	    or fail("chown $how{owner}:$how{group} $path: $!");
	chmod(oct $how{mode}, $path) == 1 or fail("chmod $how{mode} $path: $!");
	return;
}

sub sync_directory ($path) {
	my ($directory) = $path =~ m{\A(.*)/}xms;
	sysopen(my $handle, $directory || q{/}, O_RDONLY) or return;
	$handle->sync;
	close $handle or return;
	return;
}

# rename(2) would replace what is there.
sub move ($from, $to) {
	link $from, $to or fail("$to: $!");
	unlink $from or fail("$from: $!");
	return;
}

sub remove_tree ($path) {
	if (-d $path && !-l $path) {
		my $names = names_in($path) // return;
		remove_tree("$path/$_") for @{$names};
		rmdir $path;
	}
	else { unlink $path }
	return;
}

# One change at a time on a server: the kernel drops the lock with the holder.
sub lock_server ($request) {
	mkdir $STATE, 0700 or $!{EEXIST} or fail("$STATE: $!");
	my $path = "$STATE/" . ($request->{lock} // 'lock');
	sysopen my $lock, $path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600 or fail("$path: $!");
	my $until = time + ($request->{lock_wait} // 60);
	while (!flock $lock, LOCK_EX | LOCK_NB) {
		if (time >= $until) {
			my $holder = <$lock> // 'somebody';
			chomp $holder;
			fail("another run is changing this server: $holder; run again when it has ended");
		}
		beat();
		select undef, undef, undef, 0.25;
	}
	truncate $lock, 0;
	print {$lock} ($request->{by} // 'a run') . ' since ' . gmtime() . " UTC\n";
	$lock->flush;
	return $lock;
}
