# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Long work on the images of a VM, which continues when the connection that asked
# for it is gone: a worker does it, and a keeper waits for the worker. A VM that
# stands still meanwhile is noted before that, so that whoever is left has it run
# again: the worker, the keeper if the worker was killed or takes too long, or the
# next request. The kernel drops the lock with the last of them.

use v5.36;

my $CALL_SECONDS   = 8;     # vmctl(8) may do its work and never return
my $KEEPER_SECONDS = 60;    # more than the worker has, beside the time that a copy may take
my $WATCH          = 0.2;

sub of_job ($vm, $what) { return "$STATE/backup-$vm.$what" }

sub json_of ($path) {
	return if !-e $path;
	my $data = eval { $JSON->decode(slurp($path)) };
	return ref $data eq 'HASH' ? $data : undef;
}

# The lock of a VM's work, or undef where somebody else is at it.
sub lock_job ($vm) {
	mkdir $STATE, 0700 or $!{EEXIST} or fail("$STATE: $!");
	my $path = of_job($vm, 'lock');
	sysopen my $lock, $path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600 or fail("$path: $!");
	return flock($lock, LOCK_EX | LOCK_NB) ? $lock : undef;
}

# How far it is, for who watches.
sub report ($job, %is) {
	$job->{report} = {%{$job->{report} // {}}, %is};
	replace_file(of_job($job->{vm}, 'status'), $JSON->encode($job->{report}));
	return;
}

# What vmctl(8) shows of a VM: its state, "stopped" also for one that vmd(8) does
# not know. Only an answer counts, which begins with a header.
sub state_of ($job) {
	for (1 .. 3) {
		my $said = run([$job->{vmctl}, 'status'], timeout => 20)->{stdout};
		next if $said !~ /\A\s*ID\s+PID\s/xms;
		for my $line (split /\n/xms, $said) {
			my @words = split q{ }, $line;
			next if @words < 9 || $words[-1] ne $job->{vm};
			return $words[1] =~ /\A\d+\z/xms ? $words[-2] : 'stopped';
		}
		return 'stopped';
	}
	return fail('vmctl status told nothing, so nobody knows whether the VM runs; look into /var/log/daemon');
}

# Waits until it shows one of some states; returns what it shows in the end.
sub await ($job, $seconds, @states) {
	my $until = now() + $seconds;
	while (1) {
		my $is = state_of($job);
		return $is if now() >= $until || grep { $_ eq $is } @states;
		select undef, undef, undef, $WATCH;
	}
	return;
}

# Has vmctl(8) do something until it is seen; returns what the VM shows in the end.
# One that never returns has sent what it was to send at once: to wait for it would
# only have the VM stand still.
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

# Has a VM run again that a job made stand still. Raises where it does not.
sub let_go ($vm) {
	my $path = of_job($vm, 'hold');
	my $hold = json_of($path) or return;
	my $is;
	if ($hold->{how} eq 'pause') {
		# It may be asked to pause and not have come to it: vmd(8) does what it was asked in order.
		$is = ask_until($hold, 'unpause', $hold->{awake_seconds}, qw(running stopped));
	}
	else {
		$is = await($hold, 3, qw(stopping stopped));
		$is = await($hold, $hold->{stop_seconds}, 'stopped') if $is eq 'stopping';
		if ($is eq 'stopped') {
			run([$hold->{vmctl}, 'start', $vm], timeout => $hold->{awake_seconds});
			$is = await($hold, $hold->{awake_seconds}, 'running');
		}
	}
	my $as_before = $hold->{how} eq 'pause' ? $is ne 'paused' : $is eq 'running';
	fail("it is $is and should run: as root on the server, vmctl "
		. ($hold->{how} eq 'pause' ? 'unpause' : 'start') . " $vm") if !$as_before;
	unlink $path or fail("$path: $!");
	return now() - $hold->{since};
}

# What killed processes left: VMs that stand still, and nobody is at work on.
sub let_all_go () {
	my @freed;
	for my $vm (map { /\Abackup-(.+)[.]hold\z/xms } @{names_in($STATE) // []}) {
		my $lock = lock_job($vm) or next;
		let_go($vm);
		push @freed, $vm;
	}
	return @freed;
}

# Makes a VM stand still, as its mode says; returns how it does.
sub hold_still ($job) {
	my $is = state_of($job);
	return 'stopped' if $is eq 'stopped';
	return $job->{mode} if $job->{mode} eq 'crash-consistent';
	return 'paused' if $job->{mode} eq 'paused' && $is eq 'paused';
	fail("is $is; run again when it runs or has stopped") if $is ne 'running';
	my $how = $job->{mode} eq 'paused' ? 'pause' : 'stop';
	my %hold = map { $_ => $job->{$_} } qw(vm vmctl by stop_seconds awake_seconds);
	replace_file(of_job($job->{vm}, 'hold'), $JSON->encode({%hold, how => $how, since => now()}));
	report($job, step => $how eq 'pause' ? 'is being paused' : 'is being stopped', done => 0, total => 0);
	my $wanted = $how eq 'pause' ? 'paused' : 'stopped';
	my $became;
	if ($how eq 'pause') { $became = ask_until($job, $how, $job->{rest_seconds}, $wanted) }
	else {
		run([$job->{vmctl}, $how, $job->{vm}], timeout => $CALL_SECONDS);
		$became = await($job, $job->{stop_seconds}, $wanted);
	}
	return $became if $became eq $wanted;
	fail("is still $became $job->{rest_seconds} s after it was asked to pause: vmd(8) pauses a VM "
		. 'when its processor idles, and it did not; use backup_mode=stopped') if $how eq 'pause';
	return fail("is still $became $job->{stop_seconds} s after it was asked to stop");
}

# Both sides of a job: this process has its answer at once, the others have no
# connection. What is given is done by the worker; what it raises is reported.
sub start_job ($job, $lock, $work) {
	my %about = map { $_ => $job->{$_} } qw(do id by);
	report($job, %about, step => 'begins', state => 'works', done => 0, total => 0);
	my $keeper = fork // fail("fork: $!");
	return if $keeper;
	for my $handle (*STDIN, *STDOUT, *STDERR) { open $handle, '+<', '/dev/null' or exit 1 }
	setpgrp 0, 0;
	my $worker = fork // 0;
	if (!$worker) {
		my $ok = eval { $work->(); 1 };
		my $error = ref $@ ? $@ : {text => "$@"};
		my $freed = eval { let_go($job->{vm}); 1 };
		$error->{text} .= '; ' . (ref $@ ? $@->{text} : $@) if !$ok && !$freed;
		report($job, state => 'failed', text => $error->{text}, damaged => $error->{damaged}) if !$ok;
		exit 0;
	}
	local @SIG{qw(HUP INT TERM)} = ('IGNORE') x 3;
	my $path = of_job($job->{vm}, 'hold');
	while (!waitpid $worker, 1) {
		my $hold = json_of($path);
		kill 'KILL', $worker
		    if $hold && $hold->{how} eq 'pause' && now() - $hold->{since} > $job->{hold_seconds} + $KEEPER_SECONDS;
		select undef, undef, undef, $WATCH;
	}
	my $ok = eval { let_go($job->{vm}); 1 };
	my $text = $ok ? q{} : ref $@ ? "; $@->{text}" : "; $@";
	my $is = json_of(of_job($job->{vm}, 'status')) // {};
	$job->{report} = $is;
	report($job, state => 'failed', text => "its process was killed$text")
	    if ($is->{state} // q{}) eq 'works' || !$ok;
	exit 0;
}

# How far a job is, once it comes to another step than $seen, ends, or time is over.
sub watch_job ($vm, $seen, $seconds) {
	my $until = now() + $seconds;
	while (1) {
		beat();
		my $idle = lock_job($vm);
		my $is = json_of(of_job($vm, 'status')) // {};
		@{$is}{qw(state text)} = ('failed', 'its processes were killed, and nothing came of it')
		    if $idle && ($is->{state} // q{}) eq 'works';
		return $is if ($is->{state} // q{}) ne 'works' || $is->{step} ne $seen || now() >= $until;
		select undef, undef, undef, $WATCH;
	}
	return;
}
