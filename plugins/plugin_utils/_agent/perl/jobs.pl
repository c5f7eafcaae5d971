# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Long work on the images of a VM, which continues when the connection that asked
# for it is gone: a worker does it, and a keeper waits for the worker. A VM that is
# paused or stopped meanwhile is noted before that, so that whoever is left makes
# it run again: the worker, the keeper if the worker was killed or takes too long,
# or the next request. The kernel drops the lock with the last of them.

use v5.36;

my $CALL_SECONDS   = 8;     # vmctl(8) may do its work and never return
my $KEEPER_SECONDS = 60;    # that the worker has beyond the time that a copy may take
my $WATCH          = 0.2;

sub of_job ($vm, $what) { return "$STATE/backup-$vm.$what" }

# The lock of a VM's work, or undef where another process holds it.
sub lock_job ($vm) {
	my $lock = lock_file(of_job($vm, 'lock'));
	return flock($lock, LOCK_EX | LOCK_NB) ? $lock : undef;
}

# Notes the progress, for watch_job().
sub report ($job, %is) {
	$job->{report} = {%{$job->{report} // {}}, %is};
	replace_file(of_job($job->{vm}, 'status'), $JSON->encode($job->{report}));
	return;
}

# What vmctl(8) shows of a VM: its state, its owner and its process. One that vmd(8)
# does not know is "stopped" and has no owner. Only an answer counts, which begins
# with a header.
sub shown_of ($job) {
	for (1 .. 3) {
		my $said = run([$job->{vmctl}, 'status'], timeout => 20)->{stdout};
		next if $said !~ /\A\s*ID\s+PID\s/xms;
		for my $line (split /\n/xms, $said) {
			my @words = split q{ }, $line;
			next if @words < 9 || $words[-1] ne $job->{vm};
			my $runs = $words[1] =~ /\A\d+\z/xms;
			return {state => $runs ? $words[-2] : 'stopped', owner => $words[-3], pid => $words[1]};
		}
		return {state => 'stopped', pid => q{-}};
	}
	return fail('vmctl status printed nothing, so nobody knows whether the VM runs; look into /var/log/daemon');
}

sub state_of ($job) { return shown_of($job)->{state} }

# Waits until a VM has one of some states; returns the state that it has in the end.
sub await ($job, $seconds, @states) {
	my $until = now() + $seconds;
	while (1) {
		my $is = state_of($job);
		return $is if now() >= $until || grep { $_ eq $is } @states;
		select undef, undef, undef, $WATCH;
	}
	return;
}

# Calls vmctl(8) until the VM has one of some states; returns the state that it has
# in the end. A vmctl(8) that never returns sent its message at once: to wait for
# it would only keep the VM paused.
sub ask_until ($job, $verb, $seconds, @states) {
	my ($patience, $until) = (0, now() + $seconds);
	while (1) {
		run([$job->{vmctl}, $verb, $job->{vm}], timeout => $patience);
		my $is = await($job, 2, @states);
		return $is if now() >= $until || grep { $_ eq $is } @states;
		$patience = $CALL_SECONDS;
	}
	return;
}

# Waits until a VM's processor idles, while its process sleeps. Returns whether it did;
# it is true for a VM that does not run.
sub idles ($job) {
	my $until = now() + $job->{rest_seconds};
	while (1) {
		my $shown = shown_of($job);
		return 1 if $shown->{state} eq 'stopped';
		my $said = run([$job->{ps}, '-o', 'state=', '-p', $shown->{pid}], timeout => $CALL_SECONDS);
		return 1 if $said->{stdout} =~ /\A\s*[DIS]/xms;
		return 0 if now() >= $until;
		select undef, undef, undef, $WATCH;
	}
	return;
}

# Returns why a VM that a job stopped must not be started any more. One that was
# suspended meanwhile has no owner in vm.conf(5), which vmctl(8) shows as root; one
# that was archived, moved or purged is not there.
sub left_stopped ($hold) {
	my $owner = shown_of($hold)->{owner} // return 'vm.conf(5) does not have it any more';
	return if $owner eq $hold->{owner};
	return "its owner was $hold->{owner} and is $owner now, so it may have been suspended meanwhile";
}

# Makes a VM run again that a job paused or stopped. Fails where it does not. Returns
# nothing if no job did that, else for how many seconds it was held, and why it was
# left stopped.
sub let_go ($vm) {
	my $path = of_job($vm, 'hold');
	my $hold = json_of($path) or return;
	my ($is, $why);
	if ($hold->{how} eq 'pause') {
		my $was_paused = $hold->{paused} || state_of($hold) eq 'paused';
		# The pause may still be coming: vmd(8) takes requests in order.
		$is = ask_until($hold, 'unpause', $hold->{awake_seconds}, qw(running stopped));
		# What idles has paused and continued since; another process was not asked.
		fail('it was asked to pause, and may get no interrupts until its processor idles, which was not '
			. "seen yet: if it does not answer, as root on the server, vmctl stop -f $vm and vmctl start $vm; "
			. 'else run again when it has less to do')
		    if $is eq 'running' && !$was_paused && shown_of($hold)->{pid} eq $hold->{pid} && !idles($hold);
	}
	else {
		$is = await($hold, 3, qw(stopping stopped));
		$is = await($hold, $hold->{stop_seconds}, 'stopped') if $is eq 'stopping';
		$why = left_stopped($hold) if $is eq 'stopped';
		if ($is eq 'stopped' && !defined $why) {
			run([$hold->{vmctl}, 'start', $vm], timeout => $hold->{awake_seconds});
			$is = await($hold, $hold->{awake_seconds}, 'running');
		}
	}
	my $as_before = $hold->{how} eq 'pause' ? $is ne 'paused' : $is eq 'running' || defined $why;
	fail("it is $is and should be running: as root on the server, vmctl "
		. ($hold->{how} eq 'pause' ? 'unpause' : 'start') . " $vm") if !$as_before;
	unlink $path or fail("$path: $!");
	$why = "it was stopped for a backup and stays stopped: $why" if defined $why;
	return {seconds => now() - $hold->{since}, stopped => $why};
}

# Makes the VMs run again that killed processes left paused or stopped. One that does
# not is no reason not to care for the others.
sub let_all_go () {
	my (@freed, %stopped, %held);
	for my $vm (map { /\Abackup-(.+)[.]hold\z/xms } @{names_in($STATE) // []}) {
		my $lock = lock_job($vm) or next;
		my $was;
		if (!eval { $was = let_go($vm); 1 }) { $held{$vm} = failure()->{text} }
		elsif (defined $was->{stopped}) { $stopped{$vm} = $was->{stopped} }
		else { push @freed, $vm }
	}
	return {freed => \@freed, stopped => \%stopped, held => \%held};
}

# Pauses or stops a VM, as its mode says; returns how its images can be copied.
#
# vmd(8) pauses a VM at the next HLT of its guest. Until then, the thread that waits for
# that handles neither interrupts nor requests: a guest that never idles would hang, and
# could not even be unpaused (pause_vm and vcpu_run_loop in usr.sbin/vmd/vm.c). So only
# a VM that idles is asked.
sub hold_still ($job) {
	my $shown = shown_of($job);
	my $is    = $shown->{state};
	return 'stopped' if $is eq 'stopped';
	return $job->{mode} if $job->{mode} eq 'crash-consistent';
	return 'paused' if $job->{mode} eq 'paused' && $is eq 'paused';
	fail("is $is; run again when it runs or is stopped") if $is ne 'running';
	my $how = $job->{mode} eq 'paused' ? 'pause' : 'stop';
	report($job, step => $how eq 'pause' ? 'is being paused' : 'is being stopped', done => 0, total => 0);
	fail("its processor did not idle once in $job->{rest_seconds} s, and vmd(8) can pause a VM only then; "
		. 'run again when it has less to do, or use backup_mode=stopped') if $how eq 'pause' && !idles($job);
	my %hold = map { $_ => $job->{$_} } qw(vm vmctl ps by rest_seconds stop_seconds awake_seconds);
	%hold = (%hold, %{$shown}{qw(owner pid)}, how => $how, since => now());
	replace_file(of_job($job->{vm}, 'hold'), $JSON->encode(\%hold));
	if ($how eq 'pause') {
		$is = ask_until($job, $how, $job->{rest_seconds}, qw(paused stopping stopped));
		fail("is $is; run again when it runs or is stopped") if $is =~ /\Astop/xms;
		fail("is still $is $job->{rest_seconds} s after it was asked to pause") if $is ne 'paused';
		replace_file(of_job($job->{vm}, 'hold'), $JSON->encode({%hold, paused => 1}));
		return $is;
	}
	my $asked = now();
	run([$job->{vmctl}, $how, $job->{vm}], timeout => $CALL_SECONDS);
	$is = await($job, $job->{stop_seconds}, 'stopped');
	$job->{ended} = "it did not shut down within $job->{grace_seconds} s and was ended by vmd(8), "
	    . 'so this copy is as after a power failure' if now() - $asked >= $job->{grace_seconds};
	return $is if $is eq 'stopped';
	return fail("is still $is $job->{stop_seconds} s after it was asked to stop");
}

# Begins a job: this process answers at once, its keeper and its worker have no
# connection.
sub start_job ($job, $work) {
	my %about = map { $_ => $job->{$_} } qw(do id by);
	report($job, %about, step => 'begins', state => 'works', done => 0, total => 0);
	return apart(sub {
		my $worker = fork // 0;
		return $worker ? keep($job, $worker) : work($job, $work);
	});
}

# Makes a VM run again after a failure; returns what that adds to its text.
sub let_go_after ($vm) {
	my $was;
	return '; ' . failure()->{text} if !eval { $was = let_go($vm); 1 };
	return defined $was->{stopped} ? "; $was->{stopped}" : q{};
}

# Does the work of a job, and reports why it failed. The VM comes first, then what is
# left of its copy.
sub work ($job, $work) {
	return if eval { $work->(); 1 };
	my $error = failure();
	$error->{text} .= let_go_after($job->{vm});
	$job->{clean}->() if $job->{clean};
	report($job, state => 'failed', text => $error->{text}, damaged => $error->{damaged});
	return;
}

# Waits for a worker, and does in its place what it could not any more.
sub keep ($job, $worker) {
	local @SIG{qw(HUP INT TERM)} = ('IGNORE') x 3;
	my $path = of_job($job->{vm}, 'hold');
	while (!waitpid $worker, 1) {
		my $hold = json_of($path);
		kill 'KILL', $worker
		    if $hold && $hold->{how} eq 'pause' && now() - $hold->{since} > $job->{hold_seconds} + $KEEPER_SECONDS;
		select undef, undef, undef, $WATCH;
	}
	my $text = let_go_after($job->{vm});
	my $is = json_of(of_job($job->{vm}, 'status')) // {};
	$job->{report} = $is;
	report($job, state => 'failed', text => "its process was killed$text") if ($is->{state} // q{}) eq 'works';
	return;
}

# Returns the progress of a job once it has another step than $seen or has ended,
# or the time is up.
sub watch_job ($vm, $seen, $seconds) {
	my $until = now() + $seconds;
	while (1) {
		beat();
		my $idle = lock_job($vm);
		my $is = json_of(of_job($vm, 'status')) // {};
		@{$is}{qw(state text)} = ('failed', 'its processes were killed before it was done')
		    if $idle && ($is->{state} // q{}) eq 'works';
		return $is if ($is->{state} // q{}) ne 'works' || $is->{step} ne $seen || now() >= $until;
		select undef, undef, undef, $WATCH;
	}
	return;
}
