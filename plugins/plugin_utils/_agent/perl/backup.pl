# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "backup" takes copies of VMs' images and puts them back. A place is a directory:
# PLACE/VM/ID has the packed images of one backup and its backup.json; renaming it
# from ID.partial completes the backup. PLACE/index.json lists what is there. Only
# root can read any of it.

use v5.36;

my $NOTE     = '/var/db/puffy.vmm.backups';    # the newest of each VM, wherever it is
my $SPARE    = 1 << 26;                        # bytes that must stay free
my $ID       = qr/\A\d{8}T\d{6}Z\z/xms;
my $VM       = qr/\A[A-Za-z0-9][A-Za-z0-9._-]*\z/xms;
my $FILE     = qr/\A[A-Za-z0-9][A-Za-z0-9._-]*\z/xms;
my $ACTS_FOR = 3;                              # seconds to wait for a lock

sub own_directory ($path) {
	mkdir $path, 0700 or $!{EEXIST} or fail("$path: $!");
	fail("$path must be a directory that belongs to root and that nobody else can write to")
	    if !ours($path, sub { S_ISDIR(shift) });
	return;
}

sub checked ($value, $pattern) {
	fail('the request names something that cannot be in a place of backups') if $value !~ $pattern;
	return $value;
}

sub backup_of ($place, $vm, $id) {
	return join q{/}, $place, checked($vm, $VM), checked($id, $ID);
}

# The backups in a place, the oldest first; a directory without a valid backup.json
# is not ours.
sub kept ($place) {
	my @all;
	for my $vm (grep { $_ =~ $VM } @{names_in($place) // []}) {
		for my $id (grep { $_ =~ $ID } @{names_in("$place/$vm") // []}) {
			my $is = json_of("$place/$vm/$id/backup.json") // next;
			push @all, $is if ($is->{vm} // q{}) eq $vm && ($is->{id} // q{}) eq $id;
		}
	}
	@all = sort { $a->{id} cmp $b->{id} || $a->{vm} cmp $b->{vm} } @all;
	return @all;
}

# Writes a file about all VMs, one process at a time.
sub write_common ($path, $content) {
	my $lock = lock_server({lock => 'backups.lock'});
	replace_file($path, $JSON->encode($content->()) . "\n");
	close $lock or fail("$path: $!");
	return;
}

sub write_index ($place) {
	return write_common("$place/index.json", sub { {backups => [kept($place)]} });
}

# Completes a backup: writes its record, and gives its directory its name.
sub complete ($place, $path, $is) {
	write_file("$path.partial/backup.json", $JSON->encode($is));
	sync_directory("$path.partial/backup.json");
	rename "$path.partial", $path or fail("$path: $!");
	sync_directory($path);
	write_index($place);
	return;
}

# Removes what a run that was cut off left; nobody works on it any more.
sub clear_partial ($directory) {
	for my $name (grep {/[.]partial\z/xms} @{names_in($directory) // []}) {
		remove_tree("$directory/$name");
	}
	return;
}

sub room_for ($job, $directory, $bytes) {
	my ($line) = reverse split /\n/xms, run([$job->{df}, '-k', $directory])->{stdout};
	my ($free) = ($line // q{}) =~ /\s(-?\d+)\s+\d+%\s/xms;
	fail("$directory: df(1) does not show how much room it has") if !defined $free;
	my $need = $bytes + $SPARE;
	fail(sprintf '%s has %d MiB free, and this needs %d MiB for a while', $directory, $free >> 10, $need >> 20)
	    if $free * 1024 < $need;
	return;
}

# Returns a sub that counts the bytes done, and fails when that takes too long.
sub counter ($job, $step, $total, $seconds = undef) {
	my ($done, $reported, $began) = (0, 0, now());
	report($job, step => $step, done => 0, total => $total);
	return sub ($bytes) {
		$done += $bytes;
		fail("interrupted by SIG$stop") if $stop;
		my $passed = now() - $began;
		fail(sprintf '%d of %d MiB were copied in %d s, and the VM must not be paused for longer', $done >> 20, $total >> 20, $seconds)
		    if defined $seconds && $passed > $seconds;
		return if now() - $reported < 1;
		$reported = now();
		report($job, done => $done);
		return;
	};
}

# Waits until nothing is written to the images any more: a VM's devices are processes
# of their own, which continue for a moment after its processor has stopped.
sub settled ($job) {
	my ($was, $until) = (q{}, now() + 15);
	while (1) {
		my $is = join "\n", map { stamp($_->{path}) } @{$job->{disks}};
		return $is if $is eq $was;
		fail('its images are still being written to; its owner may have started it again') if now() >= $until;
		$was = $is;
		select undef, undef, undef, 0.5;
	}
	return;
}

sub take ($job) {
	my ($vm, $directory) = ($job->{vm}, "$job->{place}/$job->{vm}");
	my ($partial, $final) = ("$directory/$job->{id}.partial", "$directory/$job->{id}");
	mkdir $partial, 0700 or fail("$partial: $!");
	$job->{clean} = sub { remove_tree($partial) };
	# The image knows its size best: that of the VM file is for making it.
	my @disks = map { +{%{$_}, disk => disk_of(@{$_}{qw(path format)})} } @{$job->{disks}};
	my ($total, $blocks) = (0, 0);
	for my $is (map { look($_->{path}, 0) // fail("$_->{path} is not there") } @disks) {
		$total  += $is->{size};
		$blocks += $is->{blocks};
	}
	room_for($job, $directory, 2 * 512 * $blocks);
	my $how    = hold_still($job);
	my @at     = gmtime;
	my $before = $how eq 'crash-consistent' ? undef : settled($job);
	my $held   = (json_of(of_job($vm, 'hold')) // {})->{how};
	my $step   = $held ? "is $how and is copied" : "is copied ($how)";
	my $count  = counter($job, $step, $total, ($held // q{}) eq 'pause' ? $job->{hold_seconds} : undef);
	copy_image($_->{path}, "$partial/$_->{name}", $count) for @disks;
	fail('it ran and wrote to its disk while it was copied, so the copy is useless')
	    if defined $before && ($before ne settled($job) || state_of($job) ne $how);
	my $was = let_go($vm) // {seconds => 0};
	$count = counter($job, 'is packed', $total);
	my @packed;
	for my $disk (@disks) {
		my $copy = "$partial/$disk->{name}";
		check_image($copy, @{$disk}{qw(format disk)});
		my $is = pack_image($copy, "$copy.gz", $count);
		unlink $copy or fail("$copy: $!");
		push @packed, {%{$is}, name => "$disk->{name}.gz", image => $disk->{path}, %{$disk}{qw(format disk)}};
	}
	my %is = (
		%{$job->{about}}, %{$job}{qw(vm id by)},
		mode        => $how,
		stood_still => int $was->{seconds} + 0.5,
		taken       => sprintf('%04d-%02d-%02dT%02d:%02d:%02dZ', $at[5] + 1900, $at[4] + 1, @at[3, 2, 1, 0]),
		disks       => \@packed,
	);
	complete($job->{place}, $final, \%is);
	report($job, state => 'done', backup => \%is, stopped => $was->{stopped}, ended => $job->{ended});
	return;
}

# Unpacks a backup beside the images that it is for; the next request renames them.
# With "discard" it is only a test.
sub restore ($job) {
	my $is    = json_of(backup_of(@{$job}{qw(place of from)}) . '/backup.json') // fail("there is no backup $job->{from}");
	my @disks = @{$is->{disks}};
	my @to    = @{$job->{to}};
	fail("it has @{[scalar @disks]} disk(s), and @{[scalar @to]} should be restored") if @disks != @to;
	$job->{clean} = sub { unlink @to };
	my ($data, $packed) = (0, 0);
	for my $disk (@disks) { $data += $disk->{data} // $disk->{size}; $packed += $disk->{packed} }
	unlink @to;
	room_for($job, $to[0] =~ s{/[^/]+\z}{}xmsr, $data);
	my $count = counter($job, $job->{discard} ? 'is unpacked for a test' : 'is unpacked', $packed);
	for my $number (0 .. $#disks) {
		my $disk = $disks[$number];
		my $from = backup_of(@{$job}{qw(place of from)}) . q{/} . checked($disk->{name}, $FILE);
		unpack_image($from, $to[$number], $disk, $count);
		next if eval { check_image($to[$number], @{$disk}{qw(format disk)}); 1 };
		fail(failure()->{text}, damaged => 1);
	}
	sync_directory($to[0]);
	unlink @to if $job->{discard};
	report($job, state => 'done', backup => $is);
	return;
}

my %JOB = (take => \&take, restore => \&restore);

sub begin ($request) {
	my ($vm, $until) = (checked($request->{vm}, $VM), now() + $ACTS_FOR);
	my $lock;
	while (!($lock = lock_job($vm))) {
		return {busy => json_of(of_job($vm, 'status')) // {}} if now() >= $until;
		select undef, undef, undef, 0.1;
	}
	my $was = let_go($vm) // {};
	own_directory($_) for $request->{place}, "$request->{place}/$vm";
	clear_partial("$request->{place}/$vm");
	start_job($request, sub { $JOB{$request->{do}}->($request) });
	return {stopped => $was->{stopped}};
}

# Adds to the record of a backup, such as when it was tested.
sub amend ($request) {
	my $path = backup_of(@{$request}{qw(place vm id)}) . '/backup.json';
	my $is = json_of($path) // fail("there is no backup $request->{id}");
	replace_file($path, $JSON->encode({%{$is}, %{$request->{with}}}));
	write_index($request->{place});
	return {};
}

sub drop ($request) {
	for my $id (@{$request->{ids}}) {
		my $path = backup_of(@{$request}{qw(place vm)}, $id);
		next if !-e "$path/backup.json";
		rename $path, "$path.partial" or fail("$path: $!");
		sync_directory($path);
		write_index($request->{place});
		remove_tree("$path.partial");
	}
	return {};
}

# Returns a piece of a backup's file, which is sent before the answer.
sub send_piece ($request) {
	my $path = backup_of(@{$request}{qw(place vm id)}) . q{/} . checked($request->{file}, $FILE);
	my $in = open_image($path);
	sysseek $in, $request->{offset}, 0 or fail("$path: $!");
	sysread($in, my $piece, $request->{length}) // fail("$path: $!");
	return {blob => \$piece};
}

# Takes a piece of a file; the first piece of a backup clears what was left of others.
sub receive ($request, $blobs) {
	my ($vm, $id) = (checked($request->{vm}, $VM), checked($request->{id}, $ID));
	my $directory = "$request->{place}/$vm";
	own_directory($_) for $request->{place}, $directory;
	if ($request->{first}) {
		clear_partial($directory);
		room_for($request, $directory, $request->{total});
		mkdir "$directory/$id.partial", 0700 or fail("$directory/$id.partial: $!");
	}
	my $path = "$directory/$id.partial/" . checked($request->{file}, $FILE);
	sysopen my $out, $path, O_WRONLY | O_CREAT | O_NOFOLLOW, 0600 or fail("$path: $!");
	fail("$path does not end where this piece begins") if -s $out != $request->{offset};
	my $piece = substr $blobs, $request->{blob}[0], $request->{blob}[1];
	write_piece($out, $request->{offset}, $piece);
	finish($out, $path, $request->{offset} + length $piece);
	return {};
}

# Completes a backup that was received, if its files are what they should be.
sub adopt ($request) {
	my $is   = $request->{backup};
	my $path = backup_of($request->{place}, @{$is}{qw(vm id)});
	for my $disk (@{$is->{disks}}) {
		my $file = "$path.partial/" . checked($disk->{name}, $FILE);
		my $sum = Digest::SHA->new(256);
		content_of($file, sub ($piece) { $sum->add($piece); beat() });
		fail("$file is damaged: it is not what its record says", damaged => 1)
		    if $sum->hexdigest ne $disk->{packed_sha256};
	}
	complete($request->{place}, $path, $is);
	return {};
}

# Notes the newest backup of a VM where a look at its server shows it.
sub note ($request) {
	write_common($NOTE, sub { return {%{json_of($NOTE) // {}}, $request->{vm} => $request->{newest}} });
	return {};
}

my %DOES = (
	take    => \&begin,
	restore => \&begin,
	watch   => sub ($request) { watch_job(@{$request}{qw(vm seen seconds)}) },
	free    => sub ($request) { let_all_go() },
	list    => sub ($request) { {backups => [kept($request->{place})]} },
	amend   => \&amend,
	drop    => \&drop,
	send    => \&send_piece,
	receive => \&receive,
	adopt   => \&adopt,
	note    => \&note,
);

sub backup ($request, $blobs) {
	confine($request);
	return $request->{do} eq 'receive' ? receive($request, $blobs) : $DOES{$request->{do}}->($request);
}

$VERB{backup} = \&backup;
