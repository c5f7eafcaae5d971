# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Records the console of a VM: a process that outlives this one keeps the end of
# what the VM prints.
#
# pty(4): the first open(2) of a terminal that nobody has open turns echo on, and
# what a VM prints would come back to it as if it was typed. So raw mode is set at
# once, by stty(1), which does not wait for output to drain as cu(1) does. The next
# first open(2) finds the defaults again: vmctl(8) console works after a recording.

use v5.36;

# Sets a terminal's modes within some seconds; returns whether that was done.
sub set_modes ($tty, $argv) {
	open my $null, '>', '/dev/null' or return 0;
	my $pid = spawn($argv, $tty, $null, $null);
	for (1 .. 1000) {
		return $? == 0 if waitpid($pid, 1) == $pid;
		select undef, undef, undef, 0.005;
	}
	kill 'KILL', $pid;
	waitpid $pid, 0;
	return 0;
}

# Returns the terminal in raw mode, once a program's output names it; nothing if
# that is not in time, or if it cannot be opened.
sub raw_terminal ($step) {
	my $until = now() + $step->{wait};
	while (1) {
		my $said = run($step->{argv}, timeout => 20)->{stdout};
		if (my ($name) = $said =~ /$step->{device}/xms) {
			# Never to wait for a carrier, and never to get a controlling terminal.
			sysopen my $tty, "/dev/$name", O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW or return;
			return set_modes($tty, $step->{raw}) ? $tty : ();
		}
		return if now() >= $until;
		select undef, undef, undef, 0.1;
	}
	return;
}

# Writes what a terminal prints until the VM ends, the file is removed or replaced
# by another, or the time is up. The file has at most twice the limit and one piece.
sub keep_output ($tty, $out, $step) {
	my ($path, $limit) = @{$step}{qw(path limit)};
	my ($inode, $until) = ((stat $out)[1], now() + $step->{seconds});
	my ($end, $size) = (q{}, 0);
	while (now() < $until && ((lstat $path)[1] // 0) == $inode) {
		vec(my $bits = q{}, fileno $tty, 1) = 1;
		next if 1 > select $bits, undef, undef, 1;
		my $count = sysread $tty, my $chunk, 4096;
		next if !defined $count && ($!{EAGAIN} || $!{EINTR});
		last if !$count;
		$end .= $chunk;
		$end = substr $end, -$limit if length $end > $limit;
		if ($size > $limit) {
			truncate $out, 0 or last;
			sysseek $out, 0, 0 or last;
			($size, $chunk) = (0, $end);
		}
		$size += syswrite($out, $chunk) // last;
	}
	return;
}

# Does not wait for the VM, so that it can begin before the VM starts and nothing
# is missed. A console that cannot be opened leaves an empty file.
sub record_console ($step) {
	write_file($step->{path}, q{});
	sysopen my $out, $step->{path}, O_WRONLY | O_NOFOLLOW or fail("$step->{path}: $!");
	return apart(sub {
		# The kernel keeps the lock as long as any process has it open.
		close $LOCK or return;
		local @SIG{qw(HUP INT TERM)} = ('DEFAULT') x 3;
		my $tty = raw_terminal($step);
		keep_output($tty, $out, $step) if $tty;
	});
}
