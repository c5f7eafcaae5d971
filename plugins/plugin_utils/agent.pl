#!/usr/bin/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The server's side of puffy.vmm. It comes on standard input ("perl -") with
# one request behind __END__, answers with one JSON object on standard output
# and leaves nothing of itself on the server.
#
# A request is a line "HEADER TOTAL SHA256", HEADER bytes of JSON, then the
# contents of files; TOTAL counts both and SHA256 is theirs. A request that
# did not arrive whole changes nothing.  All strings are bytes: a character
# of the JSON is one byte of a path, an argument or an output.
#
# Verbs: "probe" looks and changes nothing, "apply" carries out a list of
# steps as one transaction: all of them, or the way back. An apply that asks
# for it is put back after some seconds unless "confirm" comes before.

use v5.36;
use Digest::SHA ();
use Fcntl qw(:DEFAULT :flock :mode);
use IO::Handle ();
use JSON::PP   ();
use MIME::Base64 qw(encode_base64);

my $STATE   = '/var/backups/puffy.vmm';    # lock, journal, old files
my $PENDING = "$STATE/pending";            # a transaction under way
my $LIMIT   = 1 << 20;                     # bytes that are read of a user's file
my $JSON    = JSON::PP->new->ascii->canonical;
my $stop    = q{};                         # name of a signal that came in
our $LOCK;                                 # held while something changes
our $undoing = 0;                          # the way back is not interrupted

local $SIG{PIPE} = 'IGNORE';
local @SIG{qw(HUP INT TERM)} = (sub ($name) { $stop = $name }) x 3;
local $ENV{PATH} = '/usr/bin:/bin:/usr/sbin:/sbin';
local $| = 1;
umask 077;
chdir '/' or fail("chdir /: $!");

sub fail ($text, %more) { die {text => $text, %more} }

# A line to the controller while work goes on: it keeps the connection from
# looking dead, and a controller that went away is noticed here.
sub beat () {
	return if $undoing;
	fail("interrupted by SIG$stop") if $stop;
	print "\n" or fail('the connection to the controller was lost');
	return;
}

sub request () {
	my ($header, $total, $sum) = (<main::DATA> // q{}) =~ /\A(\d+) [ ] (\d+) [ ] ([0-9a-f]{64})\n\z/xms;
	my $data = q{};
	1 while $total
	    && length $data < $total
	    && read main::DATA, $data, $total - length $data, length $data;
	fail('the request did not arrive whole; nothing was changed')
	    if !$sum || Digest::SHA::sha256_hex($data) ne $sum;
	return ($JSON->decode(substr $data, 0, $header), substr $data, $header);
}

# Files in the home of a user are touched with that user's rights, so that no
# link that the user planted leads to a file of somebody else.
sub as_user ($user, $code) {
	return $code->() if !defined $user;
	my ($uid, $gid) = (getpwnam $user)[2, 3];
	fail("there is no user $user") if !defined $uid;
	my $groups = $);
	my $result;
	$) = "$gid $gid";
	$> = $uid;
	my $ok    = $> == $uid && eval { $result = $code->(); 1 };
	my $error = $@ || {text => "cannot act as user $user: $!"};
	$> = 0;
	$) = $groups;
	die $error if !$ok;
	return $result;
}

sub type_of ($mode) {
	return
	      S_ISREG($mode) ? 'file'
	    : S_ISDIR($mode) ? 'directory'
	    : S_ISLNK($mode) ? 'link'
	    : S_ISCHR($mode) ? 'character device'
	    :                  'other';
}

sub name_of ($id, $lookup) {
	state %seen;
	return $seen{"$lookup $id"} //= ($lookup eq 'user' ? getpwuid $id : getgrgid $id) // "$id";
}

sub id_of ($name, $lookup) {
	my $id = $lookup eq 'user' ? getpwnam $name : getgrnam $name;
	return $id // ($name =~ /\A\d+\z/xms ? $name : fail("there is no $lookup $name"));
}

sub slurp ($path) {
	sysopen my $in, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or fail("$path: $!");
	my $text = do { local $/ = $> ? \$LIMIT : undef; <$in> } // q{};
	fail("$path: it is too large") if !eof $in;
	close $in or fail("$path: $!");
	return $text;
}

# What is at a path: undef for nothing, else its type, mode, owner, group,
# size, and the SHA-256 of a regular file. A user may make a file of any size.
sub look ($path, $hash = 1) {
	my @stat = lstat $path;
	if (!@stat) {
		return if $!{ENOENT} || $!{ENOTDIR};
		fail("$path: $!");
	}
	my %is = (
		type   => type_of($stat[2]),
		mode   => sprintf('%04o', S_IMODE($stat[2])),
		owner  => name_of($stat[4], 'user'),
		group  => name_of($stat[5], 'group'),
		size   => $stat[7],
		blocks => $stat[12],
	);
	if ($hash && $is{type} eq 'file' && (!$> || $is{size} <= $LIMIT)) {
		sysopen my $in, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or fail("$path: $!");
		$is{sha256} = Digest::SHA->new(256)->addfile($in)->hexdigest;
		close $in or fail("$path: $!");
	}
	return \%is;
}

# Runs a program without a shell; an answer always comes within the time.
sub run ($argv, %how) {
	my $limit = $how{timeout} // 60;
	pipe my $out_r, my $out_w or fail("pipe: $!");
	pipe my $err_r, my $err_w or fail("pipe: $!");
	my $pid = fork // fail("fork: $!");
	if (!$pid) {
		setpgrp 0, 0;
		# Ours is for our own files: rcctl(8), say, leaves some that everybody reads.
		umask 022;
		local @SIG{qw(HUP INT TERM PIPE)} = ('DEFAULT') x 4;
		if (   (!$how{cwd} || chdir $how{cwd})
			&& open(STDIN,  '<',  '/dev/null')
			&& open(STDOUT, '>&', $out_w)
			&& open(STDERR, '>&', $err_w))
		{
			exec {$argv->[0]} @{$argv} or print {*STDERR} "$argv->[0]: $!\n";
		}
		kill 'KILL', $$;
	}
	close $out_w or fail("pipe: $!");
	close $err_w or fail("pipe: $!");
	my %text  = (out => q{}, err => q{});
	my %from  = (out => $out_r, err => $err_r);
	my $until = time + $limit;
	my ($done, $status, $timed_out, $next) = (0, 0, 0, time);
	while (1) {
		if ($how{watched} && time > $next) {
			$next = time + 1;
			if (!eval { beat(); 1 }) { my $error = $@; kill 'KILL', -$pid; waitpid $pid, 0; die $error }
		}
		my $bits = q{};
		vec($bits, fileno $_, 1) = 1 for values %from;
		my $ready = select $bits, undef, undef, $done ? 0 : 0.05;
		for my $name ($ready > 0 ? sort keys %from : ()) {
			next if !vec $bits, fileno $from{$name}, 1;
			my $got = sysread $from{$name}, my $chunk, 65_536;
			if   ($got) { $text{$name} .= $chunk if length $text{$name} < 262_144 }
			else        { delete $from{$name} }
		}
		last if $done && $ready <= 0;
		last if $done && !%from;
		if (!$done && waitpid($pid, 1) == $pid) { ($done, $status) = (1, $?) }
		if (!$done && time > $until) {
			$timed_out = 1;
			kill 'TERM', -$pid;
			select undef, undef, undef, 0.5;
			kill 'KILL', -$pid;
			waitpid $pid, 0;
			last;
		}
		select undef, undef, undef, 0.005 if !%from;
	}
	return {
		rc => $timed_out ? 124 : $status & 127 ? 128 + ($status & 127) : $status >> 8,
		stdout => $text{out},
		stderr => $text{err},
	};
}

sub names_in ($path) {
	opendir my $dir, $path or return;
	my @names = sort grep { $_ ne q{.} && $_ ne q{..} } readdir $dir;
	closedir $dir;
	return \@names;
}

sub named ($name, $pattern) { return defined $pattern && $name =~ /$pattern/xms }

# The accounts that a request names, and those that files of the server list.
sub users_of ($request) {
	my @listed = map { -f && !-l ? split q{ }, slurp($_) : () } @{$request->{rosters} // []};
	my %users  = map { $_ => 1 } @listed, @{$request->{users} // []};
	return keys %users;
}

sub probe ($request, @) {
	my %answer = (paths => {}, read => {}, list => {}, open => {}, run => {}, users => {}, groups => {});
	for my $ask (@{$request->{paths} // []}) {
		$answer{paths}{$ask->{path}} = as_user(
			$ask->{as},
			sub {
				my $is = look($ask->{path}, $ask->{hash} // 1);
				$answer{read}{$ask->{path}} = encode_base64(slurp($ask->{path}), q{})
				    if $ask->{read} && $is && $is->{type} eq 'file';
				return $is;
			}
		);
	}
	for my $ask (@{$request->{list} // []}) {
		my $path = $ask->{path};
		$answer{list}{$path} = names_in($path) // next;
		for my $sub (map { "$path/$_" } grep { named($_, $ask->{within}) } @{$answer{list}{$path}}) {
			$answer{paths}{$sub} = look($sub) // next;
			next if $answer{paths}{$sub}{type} ne 'directory';
			$answer{list}{$sub} = names_in($sub) // next;
			$answer{paths}{"$sub/$_"} = look("$sub/$_") for @{$answer{list}{$sub}};
		}
	}
	# Of a device that nothing stands behind only opening tells.
	for my $path (@{$request->{open} // []}) {
		my $opened = sysopen my $device, $path, O_RDONLY | O_NONBLOCK;
		$answer{open}{$path} = $opened ? q{} : "$!";
		close $device if $opened;
	}
	my @users = users_of($request);
	my %member;
	if (@users) {
		while (my @group = getgrent) { push @{$member{$_}}, $group[0] for split q{ }, $group[3] }
	}
	for my $name (@users) {
		my @is = getpwnam $name or next;
		my ($home, $shell) = @is[7, 8];
		my %keys;
		for my $file (qw(.ssh .ssh/authorized_keys)) {
			# What a user hides even from itself must not hide all the rest.
			$keys{$file} = as_user(
				$name,
				sub {
					my $is;
					eval { $is = look("$home/$file"); 1 } or $is = {type => 'file that cannot be read'};
					return $is;
				}
			);
		}
		$answer{users}{$name} = {
			home   => $home,
			shell  => $shell,
			group  => name_of($is[3], 'group'),
			groups => $member{$name} // [],
			files  => \%keys,
		};
	}
	for my $name (@{$request->{groups} // []}) {
		my @is = getgrnam $name or next;
		$answer{groups}{$name} = $is[3];
	}
	for my $ask (@{$request->{run} // []}) {
		$answer{run}{$ask->{name}} = run($ask->{argv}, %{$ask});
	}
	$answer{applied}    = -e "$STATE/applied"  ? slurp("$STATE/applied") : undef;
	$answer{unfinished} = -e "$PENDING/journal" ? JSON::PP::true() : JSON::PP::false();
	return \%answer;
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

# rename(2) would replace what is there.
sub move ($from, $to) {
	link $from, $to or fail("$to: $!");
	unlink $from or fail("$from: $!");
	return;
}

sub remove_tree ($path) {
	if (-d $path && !-l $path) {
		opendir my $dir, $path or return;
		my @names = grep { $_ ne q{.} && $_ ne q{..} } readdir $dir;
		closedir $dir;
		remove_tree("$path/$_") for @names;
		rmdir $path;
	}
	else { unlink $path }
	return;
}

# The journal says, before anything is changed, how each thing was and how it
# will be; the way back needs nothing else, also after a crash.
sub write_journal ($request) {
	remove_tree($PENDING);
	mkdir $PENDING, 0700 or fail("$PENDING: $!");
	my ($number, @entries) = (0);
	for my $step (@{$request->{steps}}) {
		my %entry = %{$step};
		if ($step->{do} =~ /\A(?:commit|remove|attributes|directory|rmdir)\z/xms && !$step->{late}) {
			$entry{was} = as_user($step->{as}, sub { look($step->{path}) });
			if ($step->{do} =~ /\A(?:commit|remove)\z/xms && $entry{was}) {
				my $old = as_user($step->{as}, sub { slurp($step->{path}) });
				fail("$step->{path}: it changes while it is read; run again")
				    if Digest::SHA::sha256_hex($old) ne $entry{was}{sha256};
				$entry{old} = "$PENDING/" . $number++;
				write_file($entry{old}, $old);
			}
		}
		push @entries, \%entry;
	}
	my %journal = (id => $request->{id}, by => $request->{by}, steps => \@entries);
	write_file("$PENDING/new", $JSON->encode(\%journal));
	rename "$PENDING/new", "$PENDING/journal" or fail("$PENDING/journal: $!");
	sync_directory("$PENDING/journal");
	return \@entries;
}

sub same ($is, $before) {
	return !!grep { defined $_ ? $is && ($is->{sha256} // q{}) eq $_ : !$is } @{$before};
}

# Steps that cannot be recognised by their traces are noted before they run.
sub note_begun ($step) {
	open my $out, '>>', "$PENDING/begun" or fail("$PENDING/begun: $!");
	my $ok = (print {$out} "$step->{n}\n") && $out->flush && $out->sync;
	fail("$PENDING/begun: $!") if !$ok;
	close $out or fail("$PENDING/begun: $!");
	return;
}

sub guard ($step) {
	my $is = as_user($step->{as}, sub { look($step->{path}) });
	fail("$step->{path} is no regular file any more") if $is && $is->{type} ne 'file';
	fail("$step->{path} was changed by somebody else while this run was planning; run again")
	    if $step->{before} && !same($is, $step->{before});
	return;
}

sub staged ($step, $id) {
	my ($directory, $name) = $step->{path} =~ m{\A(.*)/([^/]+)\z}xms;
	return "$directory/.$name.$id";
}

sub check_run ($step, $result) {
	my $ok = $step->{ok} // [0];
	my $text = $result->{rc} == 124 ? 'did not end in time' : "exit status $result->{rc}";
	fail($text, %{$result}) if @{$ok} && !grep { $_ == $result->{rc} } @{$ok};
	return;
}

sub wait_for ($step) {
	my $until = time + ($step->{seconds} // 10);
	my $settle = $step->{settle} // 0;
	my $good;
	while (1) {
		beat();
		my $result = run($step->{argv}, %{$step});
		my $ok     = $step->{ok} // [0];
		my @lacking = grep { $result->{stdout} !~ /$_/xms } @{$step->{match} // []};
		if ((!@{$ok} || grep { $_ == $result->{rc} } @{$ok}) && !@lacking) {
			$good //= time;
			return if time - $good >= $settle;
		}
		else {
			undef $good;
			fail('it did not come to pass in time', %{$result}) if time >= $until;
		}
		select undef, undef, undef, 0.25;
	}
	return;
}

# Keeps the end of what a program prints in a file, in a process that goes on
# when this one has ended: until the program ends, or the file is removed.
sub keep_output ($step) {
	my ($path, $limit) = @{$step}{qw(path limit)};
	write_file($path, q{});
	my $pid = fork // fail("fork: $!");
	return if $pid;
	# The lock is the kernel's as long as any process has it open.
	close $LOCK or exit 1;
	for my $handle (*STDIN, *STDOUT, *STDERR) { open $handle, '+<', '/dev/null' or exit 1 }
	setpgrp 0, 0;
	local @SIG{qw(HUP INT TERM)} = ('DEFAULT') x 3;
	# Its standard input never comes to an end, and never says anything.
	pipe my $in_r,  my $in_w  or exit 1;
	pipe my $out_r, my $out_w or exit 1;
	my $program = fork // exit 1;
	if (!$program) {
		open STDIN,  '<&', $in_r  or exit 1;
		open STDOUT, '>&', $out_w or exit 1;
		exec {$step->{argv}[0]} @{$step->{argv}} or exit 1;
	}
	close $out_w or exit 1;
	my ($end, $size) = (q{}, 0);
	while (-e $path) {
		vec(my $bits = q{}, fileno $out_r, 1) = 1;
		next if 1 > select $bits, undef, undef, 1;
		last if !sysread $out_r, my $chunk, 4096;
		$end .= $chunk;
		$end = substr $end, -$limit if length $end > $limit;
		my $anew = $size > $limit;
		sysopen my $out, $path, O_WRONLY | O_NOFOLLOW | ($anew ? O_TRUNC : O_APPEND) or last;
		$size = ($anew ? 0 : $size) + (syswrite($out, $anew ? $end : $chunk) // 0);
		close $out or last;
	}
	kill 'TERM', $program;
	exit 0;
}

my %DO = (
	directory => sub ($step, $blobs, $request) {
		my $path = $step->{path};
		as_user(
			$step->{as},
			sub {
				mkdir $path, 0700 or $!{EEXIST} or fail("$path: $!");
				my $is = look($path);
				fail("$path is no directory") if $is->{type} ne 'directory';
				attributes($path, %{$step});
			}
		);
	},
	stage => sub ($step, $blobs, $request) {
		guard($step);
		my $content = substr ${$blobs}, $step->{blob}[0], $step->{blob}[1];
		as_user($step->{as}, sub { write_file(staged($step, $request->{id}), $content, %{$step}) });
	},
	commit => sub ($step, $blobs, $request) {
		guard($step);
		as_user(
			$step->{as},
			sub {
				rename staged($step, $request->{id}), $step->{path} or fail("$step->{path}: $!");
				sync_directory($step->{path});
			}
		);
	},
	remove => sub ($step, $blobs, $request) {
		guard($step);
		unlink $step->{path} or fail("$step->{path}: $!");
	},
	# rmdir(2) takes no link, no file, and no directory in which something is left.
	rmdir => sub ($step, $blobs, $request) {
		rmdir $step->{path} or fail("$step->{path}: $!");
		sync_directory($step->{path});
	},
	attributes => sub ($step, $blobs, $request) {
		as_user($step->{as}, sub { attributes($step->{path}, %{$step}) });
	},
	rename => sub ($step, $blobs, $request) { move($step->{from}, $step->{path}) },
	run => sub ($step, $blobs, $request) {
		my @argv = map { ref ? staged($_, $request->{id}) : $_ } @{$step->{argv}};
		$request->{said} = run(\@argv, %{$step});
		check_run($step, $request->{said});
	},
	record => sub ($step, $blobs, $request) { keep_output($step) },
	wait   => sub ($step, $blobs, $request) { wait_for($step) },
	expect => sub ($step, $blobs, $request) {
		my $is = look($step->{path}, 0);
		fail($step->{lacking} // "$step->{path} was not made", %{$request->{said} // {}})
		    if !$is || $is->{type} ne $step->{type};
	},
);

sub undo_run ($step, $id) {
	for my $back (@{$step->{undo} // []}) {
		my $unless = $back->{unless};
		next if $unless && run($unless->{argv})->{stdout} =~ /$unless->{match}/xms;
		check_run($back, run($back->{argv}, %{$back}));
	}
	return;
}

sub undo_stage ($step, $id) {
	my $staged = staged($step, $id);
	as_user($step->{as}, sub { unlink $staged or $!{ENOENT} or fail("$staged: $!") });
	return;
}

sub undo_rename ($step, $id) {
	my $path = $step->{path};
	my ($from, $to) = map { join q{ }, (lstat)[0, 1] } $step->{from}, $path;
	# Since a crash somebody may have used the file under its new name.
	if    ($from && $from eq $to) { unlink $step->{keep} ? $step->{from} : $path }
	elsif (!$from && $to && !$step->{keep}) { move($path, $step->{from}) }
	return;
}

sub undo_rmdir ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	return if look($path) || !$was;
	mkdir $path, 0700 or fail("$path: $!");
	attributes($path, %{$was});
	sync_directory($path);
	return;
}

sub undo_directory ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	as_user(
		$step->{as},
		sub {
			if   ($was) { attributes($path, %{$was}) }
			else        { rmdir $path or $!{ENOENT} or fail("$path: $!") }
			sync_directory($path);
		}
	);
	return;
}

sub undo_file ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	my $content = $step->{old} ? slurp($step->{old}) : undef;
	as_user(
		$step->{as},
		sub {
			my $is = look($path);
			if    (same($is, [$was ? $was->{sha256} : undef])) { return }
			elsif (!same($is, [$step->{sha256}])) { fail('it was changed by somebody else; left as it is') }
			elsif (!$was) { unlink $path or $!{ENOENT} or fail("$path: $!") }
			else {
				my $new = staged($step, $id);
				unlink $new;
				write_file($new, $content, %{$was});
				rename $new, $path or fail("$path: $!");
			}
			sync_directory($path);
		}
	);
	return;
}

my %UNDO = (
	run        => \&undo_run,
	stage      => \&undo_stage,
	rename     => \&undo_rename,
	rmdir      => \&undo_rmdir,
	directory  => \&undo_directory,
	attributes => \&undo_directory,
	commit     => \&undo_file,
	remove     => \&undo_file,
);

# Puts one step back; what is already as it was is left alone.
sub undo ($step, $id) {
	# With an account that was never made there is nothing of it.
	return if $step->{as} && $step->{do} ne 'run' && !defined getpwnam $step->{as};
	my $undo = $UNDO{$step->{do}} or return;
	$undo->($step, $id);
	return;
}

# Steps come last first.
sub way_back ($steps, $id) {
	local $undoing = 1;
	my @problems;
	# Files first, then programs: a daemon restarts with its old files. A directory that was made
	# goes last, when the programs have taken back what they put into it.
	my @phases = ([], [], []);
	for my $step (@{$steps}) {
		my $made = $step->{do} eq 'directory' && !$step->{was};
		push @{$phases[$step->{do} eq 'run' ? 1 : $made ? 2 : 0]}, $step;
	}
	for my $step (map { @{$_} } @phases) {
		next if eval { undo($step, $id); 1 };
		my $error = ref $@ ? $@ : {text => "$@"};
		push @problems, join ': ', $step->{title} // $step->{path} // $step->{do},
		    $error->{text}, grep { length } $error->{stderr} // q{};
	}
	remove_tree($PENDING) if !@problems;
	return \@problems;
}

# A run that was killed in the middle left its journal: back to before it.
sub recover () {
	return if !-e "$PENDING/journal";
	my $journal = $JSON->decode(slurp("$PENDING/journal"));
	my %begun   = -e "$PENDING/begun" ? map { $_ => 1 } split q{ }, slurp("$PENDING/begun") : ();
	my @steps   = grep { $_->{do} ne 'run' || $begun{$_->{n}} } @{$journal->{steps}};
	$_->{keep} = 1 for @steps;
	my $problems = way_back([reverse @steps], $journal->{id});
	fail("an earlier run was cut off and could not be undone: @{$problems}") if @{$problems};
	return $journal->{by};
}

# Tells later probes which change was the last. The change is through by now: a full disk, say, is
# no reason to fail.
sub note_applied ($request) {
	my $done = eval {
		unlink "$STATE/applied.new";
		write_file("$STATE/applied.new", "$request->{id}\n");
		rename "$STATE/applied.new", "$STATE/applied";
	};
	return $done;
}

sub keep_generation ($request, $steps) {
	note_applied($request);
	for my $step (grep { $_->{sensitive} && $_->{old} } @{$steps}) { unlink $step->{old} }
	if (grep { $_->{old} } @{$steps}) {
		rename $PENDING, "$STATE/$request->{id}" or fail("$STATE/$request->{id}: $!");
	}
	else { remove_tree($PENDING) }
	opendir my $dir, $STATE or return;
	my @generations = sort grep { /\A\d{8}T\d{6}/xms } readdir $dir;
	closedir $dir;
	my $keep = $request->{keep} // 10;
	remove_tree("$STATE/" . shift @generations) while @generations > $keep;
	return;
}

# A change that may cut the server off waits for a word from outside. This
# process goes on without the connection, and holds the lock until then.
sub await_confirmation ($request, $steps, $done) {
	write_file("$PENDING/waiting", q{});
	my $pid = fork // fail("fork: $!");
	return if $pid;
	for my $handle (*STDIN, *STDOUT, *STDERR) { open $handle, '+<', '/dev/null' or exit 1 }
	local @SIG{qw(HUP INT TERM)} = ('IGNORE') x 3;
	my $until = time + $request->{confirm};
	while (time < $until && -e "$PENDING/waiting") { select undef, undef, undef, 0.1 }
	# Whoever renames it has decided.
	if   (rename "$PENDING/waiting", "$PENDING/expired") { way_back($done, $request->{id}) }
	else                                                 { keep_generation($request, $steps) }
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

# Fetches files beside their places, for some seconds: what is there already is
# gone on with. A file is "done" once it is whole and its checksum is right.
sub fetch ($request, @) {
	my $lock  = lock_server($request);
	my $until = time + $request->{seconds};
	my @answers;
	for my $file (@{$request->{files}}) {
		push @answers, fetch_one($file, $until - time, $request);
		last if $answers[-1]{state} ne 'done' || time >= $until;
	}
	return {files => \@answers};
}

sub fetch_one ($file, $seconds, $request) {
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
	# What is wrong is of no use, and a full disk needs the room.
	elsif ($state eq 'wrong' || $result->{stderr} =~ /$request->{full}/xms) { unlink $path }
	return {%{$result}, state => $state, size => $size, begun => $begun};
}

sub explain ($step) {
	return q{} if !$step->{explain};
	my $result = eval { run($step->{explain}, timeout => 10) } or return q{};
	return $result->{stdout};
}

sub apply ($request, $blobs) {
	my $lock      = local $LOCK = lock_server($request);
	my $recovered = recover();
	my ($step, @done, $journal);
	my $ok = eval {
		guard($_) for grep { $_->{before} && $_->{do} ne 'attributes' && !$_->{late} } @{$request->{steps}};
		$journal = write_journal($request);
		for my $next (@{$journal}) {
			$step = $next;
			beat();
			note_begun($step) if $step->{do} eq 'run';
			unshift @done, $step if $step->{undo_always} || $step->{do} ne 'run';
			$DO{$step->{do}}->($step, \$blobs, $request);
			unshift @done, $step if !$step->{undo_always} && $step->{do} eq 'run';
		}
		undef $step;
		beat();
		1;
	};
	my $error = $ok ? undef : ref $@ ? $@ : {text => "$@"};
	my %answer = (recovered => $recovered);
	if ($error) {
		$error->{explain} = $step ? explain($step) : q{};
		my $problems = way_back(\@done, $request->{id});
		remove_tree($PENDING) if !@{$problems};
		$answer{failed} = {%{$error}, step => $step ? $step->{n} : undef, undo_problems => $problems};
	}
	elsif ($request->{confirm}) {
		await_confirmation($request, $journal, \@done);
		return \%answer;
	}
	else { keep_generation($request, $journal) }
	truncate $lock, 0;
	close $lock or fail("$STATE/lock: $!");
	return \%answer;
}

# Where OpenBSD can hold this program to what the request names, it is held. A
# journal that waits for its way back names more.
sub confine ($request) {
	return if !eval { require OpenBSD::Pledge; require OpenBSD::Unveil; 1 };
	my $changes = $request->{verb} ne 'probe';
	my $journal = $changes && -e "$PENDING/journal" ? $JSON->decode(slurp("$PENDING/journal")) : {};
	my @steps   = map { @{$_->{steps} // []} } $request, $journal;
	my @files   = @{$request->{files} // []};
	my @backs   = map { @{$_->{undo} // []} } @steps;
	my @runs    = (@steps, @files, @{$request->{run} // []}, @backs,
		map { $_->{unless} // () } @backs);
	my @paths   = ("$STATE/lock", @{$request->{open} // []}, map { $_->{path} } @{$request->{list} // []});
	push @paths, map { @{$_}{qw(path from cwd)} } @steps, @files, @{$request->{paths} // []};
	push @paths, map { (getpwnam $_)[7] } users_of($request);

	my %sight = map { $_ => 'r' } grep { -d } @INC;
	@sight{'/usr/libexec/ld.so', '/dev/null'} = ('r', 'rw');
	$sight{$_->[0]} = 'rx' for grep { defined } map { @{$_}{qw(argv explain)} } @runs;
	# Unveil takes 128 paths: the top directory stands for all below it. What is made later in a
	# directory that is not there yet could not be seen, so its parent stands for that.
	for my $path (grep { defined } @paths) {
		my ($top) = $path =~ m{\A(/var/[^/]+|/[^/]+)}xms;
		next if !$top;
		$top =~ s{/[^/]+\z}{}xms while length $top && !-e $top;
		# A link stands for what it leads to, and is itself in the directory above.
		my @tops = -l $top ? ($top, $top =~ s{/[^/]+\z}{}rxms) : $top;
		$sight{$_ || q{/}} = $changes ? 'rwc' : 'r' for @tops;
	}
	for my $path (sort keys %sight) {
		OpenBSD::Unveil::unveil($path, $sight{$path}) or $!{ENOENT} or fail("unveil $path: $!");
	}
	OpenBSD::Unveil::unveil() or fail("unveil: $!");
	OpenBSD::Pledge::pledge(qw(rpath getpw proc exec id),
		$changes ? qw(wpath cpath fattr chown flock) : ())
	    or fail("pledge: $!");
	return;
}

# Ansible shows with -vvv what comes over the connection: with a key from the
# request, which it does not show, that tells nobody anything.
sub veiled ($text, $key) {
	my ($stream, $block) = (q{}, 0);
	$stream .= Digest::SHA::sha512($key . pack 'N', $block++) while length $stream < length $text;
	return encode_base64($text ^. substr($stream, 0, length $text), q{});
}

my $key;
my %answer = eval {
	my ($request, $blobs) = request();
	$key = $request->{key};
	confine($request);
	my %verb = (probe => \&probe, apply => \&apply, confirm => \&confirm, fetch => \&fetch);
	%{$verb{$request->{verb}}->($request, $blobs)};
};
if ($@) { %answer = (failed => ref $@ ? $@ : {text => "$@"}) }
my $text = $JSON->encode(\%answer);
print defined $key ? veiled($text, $key) : $text, "\n";
