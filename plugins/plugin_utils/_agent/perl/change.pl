# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# What every change needs: the lock that lets one run at a time change a server,
# processes that outlive the connection, and files written, moved and removed with
# care.

use v5.36;
use IO::Handle  ();
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

our $LOCK;    # held while something changes

# Seconds, for deadlines: nobody sets this clock.
sub now () { return clock_gettime(CLOCK_MONOTONIC) }

# Does work in a process of its own, which has nothing of the connection.
sub apart ($work) {
	my $pid = fork // fail("fork: $!");
	return if $pid;
	for my $handle (*STDIN, *STDOUT, *STDERR) { open $handle, '+<', '/dev/null' or exit 1 }
	setpgrp 0, 0;
	exit(eval { $work->(); 1 } ? 0 : 1);
}

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
	# Under pledge(2), chmod(2) silently sets no more than 0777.
	if (oct $how{mode} > oct 777) { check_run({}, run([@{$CHMOD}, $how{mode}, $path])) }
	else { chmod(oct $how{mode}, $path) == 1 or fail("chmod $how{mode} $path: $!") }
	return;
}

sub sync_directory ($path) {
	my ($directory) = $path =~ m{\A(.*)/}xms;
	sysopen(my $handle, $directory || q{/}, O_RDONLY) or return;
	$handle->sync;
	close $handle or return;
	return;
}

# Puts a file in the place of another, whole or not at all.
sub replace_file ($path, $content, %how) {
	unlink "$path.new";
	write_file("$path.new", $content, %how);
	rename "$path.new", $path or fail("$path: $!");
	sync_directory($path);
	return;
}

# Renames a file; rename(2) would replace what is there.
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

# Where a file is staged until it is put into place.
sub staged ($step, $id) {
	my ($directory, $name) = $step->{path} =~ m{\A(.*)/([^/]+)\z}xms;
	return "$directory/.$name.$id";
}

# Whether what look() saw is one of these: SHA-256s, or undef for nothing at all.
sub same ($is, $before) {
	return !!grep { defined $_ ? $is && ($is->{sha256} // q{}) eq $_ : !$is } @{$before};
}

sub check_run ($step, $result) {
	my $ok = $step->{ok} // [0];
	my $text = $result->{rc} == 124 ? 'did not finish in time' : "exit status $result->{rc}";
	fail($text, %{$result}) if @{$ok} && !grep { $_ == $result->{rc} } @{$ok};
	return;
}

# Opens a file for a lock, which the kernel drops with its holder.
sub lock_file ($path) {
	mkdir $STATE, 0700 or $!{EEXIST} or fail("$STATE: $!");
	sysopen my $lock, $path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600 or fail("$path: $!");
	return $lock;
}

# One change at a time on a server.
sub lock_server ($request) {
	my $lock  = lock_file("$STATE/" . ($request->{lock} // 'lock'));
	my $until = now() + ($request->{lock_wait} // 60);
	while (!flock $lock, LOCK_EX | LOCK_NB) {
		if (now() >= $until) {
			my $holder = <$lock> // 'somebody';
			chomp $holder;
			fail("another run is changing this server: $holder; run again when it has finished");
		}
		beat();
		select undef, undef, undef, 0.25;
	}
	truncate $lock, 0;
	print {$lock} ($request->{by} // 'a run') . ' since ' . gmtime() . " UTC\n";
	$lock->flush;
	return $lock;
}
