# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The server's side of puffy.vmm. It comes on standard input ("perl -") with
# one request behind __END__, answers with one JSON object on standard output
# and leaves nothing of itself on the server.
#
# Its verbs: "probe" looks and changes nothing, "apply" carries out a list of
# steps as one transaction: all of them, or the way back. An apply that asks
# for it is put back after some seconds unless "confirm" comes before. "fetch"
# goes on with downloads. Each has a part that adds it to %VERB; the parts that
# it needs, this one first and main.pl last, come as one program (_agent.py).
#
# This part: how anything is looked at or run. All strings are bytes: a
# character of the JSON is one byte of a path, an argument or an output.

use v5.36;
use Digest::SHA ();
use Fcntl qw(:DEFAULT :flock :mode);
use JSON::PP     ();
use MIME::Base64 qw(encode_base64);

our $STATE   = '/var/backups/puffy.vmm';    # lock, journal, old files
our $PENDING = "$STATE/pending";            # a transaction under way
our $JSON    = JSON::PP->new->ascii->canonical;
our %VERB;                                  # what does what a request asks for
our $stop    = q{};                         # name of a signal that came in
our $undoing = 0;                           # the way back is not interrupted
my $LIMIT    = 1 << 20;                     # bytes that are read of a user's file

sub fail ($text, %more) { die {text => $text, %more} }

# A line to the controller while work goes on: it keeps the connection from
# looking dead, and a controller that went away is noticed here.
sub beat () {
	return if $undoing;
	fail("interrupted by SIG$stop") if $stop;
	print "\n" or fail('the connection to the controller was lost');
	return;
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

sub names_in ($path) {
	opendir my $dir, $path or return;
	my @names = sort grep { $_ ne q{.} && $_ ne q{..} } readdir $dir;
	closedir $dir;
	return \@names;
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

# The accounts that a request names, and those that files of the server list.
sub users_of ($request) {
	my @listed = map { -f && !-l ? split q{ }, slurp($_) : () } @{$request->{rosters} // []};
	my %users  = map { $_ => 1 } @listed, @{$request->{users} // []};
	return keys %users;
}
