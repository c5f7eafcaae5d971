# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The server's side of puffy.vmm. It comes on standard input ("perl -") with
# one request behind __END__, answers with one JSON object on standard output
# and leaves nothing of itself on the server.
#
# Its verbs: "probe" looks and changes nothing. "apply" carries out transactions
# one after the other, each of them whole or not at all. One that asks for it is
# put back after some seconds unless "confirm" comes before. "fetch" continues
# downloads. Each has a part that adds it to %VERB; the parts that it needs,
# this one first, come as one program (client.py, where the requests are
# described as well).
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
our $UNAME   = ['/usr/bin/uname', '-sr'];
our %VERB;                                  # what does what a request asks for
our $stop    = q{};                         # name of a signal that came in
our $undoing = 0;                           # the way back is not interrupted
our @UNCHANGED = qw(size mtime ctime inode);
our $OF_FILES  = qr/\A(?:commit|remove|attributes)\z/xms;    # steps that change a file
my $LIMIT    = 1 << 20;                     # bytes that are read of somebody else's file

local $ENV{PATH} = '/usr/bin:/bin:/usr/sbin:/sbin';
local $| = 1;
umask 077;
chdir '/' or die "chdir /: $!\n";

sub fail ($text, %more) { die {text => $text, %more} }

# A line to the controller while work goes on: it keeps the connection from
# looking dead, and a controller that went away is noticed here.
sub beat () {
	return if $undoing;
	fail("interrupted by SIG$stop") if $stop;
	print "\n" or fail('the connection to the controller was lost');
	return;
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

# Gives the content of a regular file to $take, a piece at a time; returns whether
# that was all. What others can write may grow meanwhile: they get $LIMIT bytes of
# our time. Of a file of our own it is what there was when it was opened.
sub content_of ($path, $take) {
	sysopen my $in, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or fail("$path: $!");
	my @is = stat $in;
	fail("$path is not a regular file") if !S_ISREG($is[2]);
	my $foreign = $is[4] != $> || $is[2] & (S_IWGRP | S_IWOTH);
	my $rest = $foreign ? $LIMIT + 1 : $is[7];
	while ($rest > 0) {
		my $size = sysread $in, my $piece, $rest < 65_536 ? $rest : 65_536;
		fail("$path: $!") if !defined $size;
		last if !$size;
		$take->($piece);
		$rest -= $size;
	}
	close $in or fail("$path: $!");
	return $rest > 0 || !$foreign;
}

sub slurp ($path) {
	my $text = q{};
	content_of($path, sub ($piece) { $text .= $piece }) or fail("$path is larger than $LIMIT bytes");
	return $text;
}

# Whether nobody has written a file since it was like that.
sub unchanged ($known, $is) {
	return ref $known eq 'HASH' && $is && !grep { ($known->{$_} // q{}) ne $is->{$_} } @UNCHANGED;
}

# What is at a path: undef for nothing, else what lstat(2) says of it and, unless
# $hash is 0, the SHA-256 of a regular file; of none that is too large and not
# ours. One that is as it was when $known was recorded is not read again.
sub look ($path, $hash = 1, $known = undef) {
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
		mtime  => $stat[9],
		ctime  => $stat[10],
		inode  => $stat[1],
	);
	if ($hash && $is{type} eq 'file') {
		if (unchanged($known, \%is)) { @is{qw(sha256 verified)} = ($known->{sha256}, 1) }
		else {
			my $sum = Digest::SHA->new(256);
			$is{sha256} = $sum->hexdigest if content_of($path, sub ($piece) { $sum->add($piece) });
		}
	}
	return \%is;
}

sub names_in ($path) {
	opendir my $dir, $path or return;
	my @names = sort grep { $_ ne q{.} && $_ ne q{..} } readdir $dir;
	closedir $dir;
	return \@names;
}

# What a program reads: some lines at most, which a pipe holds.
sub input ($text) {
	pipe my $in_r, my $in_w or fail("pipe: $!");
	syswrite $in_w, $text // q{};
	close $in_w or fail("pipe: $!");
	return $in_r;
}

# Whether a program that is "watched" may continue: it ends with the connection,
# unless it "outlives" it.
sub goes_on ($how) { return eval { beat(); 1 } || $how->{outlives} }

# Runs a program without a shell; an answer always comes within the time, which
# is counted by alarm(3), since the clock may be set meanwhile.
sub run ($argv, %how) {
	my $limit = $how{timeout} // 60;
	my $in    = input($how{input});
	pipe my $out_r, my $out_w or fail("pipe: $!");
	pipe my $err_r, my $err_w or fail("pipe: $!");
	my $pid = fork // fail("fork: $!");
	if (!$pid) {
		setpgrp 0, 0;
		# Ours is for our own files: rcctl(8), say, leaves some that everybody reads.
		umask 022;
		local @SIG{qw(HUP INT TERM PIPE)} = ('DEFAULT') x 4;
		if (   (!$how{cwd} || chdir $how{cwd})
			&& open(STDIN,  '<&', $in)
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
	my ($done, $status, $timed_out, $seconds, $beats) = (0, 0, 0, 0, 0);
	local $SIG{ALRM} = sub { $seconds++; alarm 1 };
	alarm 1;
	while (1) {
		if ($how{watched} && $seconds > $beats) {
			$beats = $seconds;
			if (!goes_on(\%how)) {
				my $error = $@;
				alarm 0;
				kill 'KILL', -$pid;
				waitpid $pid, 0;
				die $error;
			}
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
		if (!$done && $seconds > $limit) {
			$timed_out = 1;
			kill 'TERM', -$pid;
			select undef, undef, undef, 0.5;
			kill 'KILL', -$pid;
			waitpid $pid, 0;
			last;
		}
		select undef, undef, undef, 0.005 if !%from;
	}
	alarm 0;
	return {
		rc => $timed_out ? 124 : $status & 127 ? 128 + ($status & 127) : $status >> 8,
		stdout => $text{out},
		stderr => $text{err},
	};
}

# The accounts that a question names, and those that files of the server list.
sub users_of ($ask) {
	my @listed = map { -f && !-l ? split q{ }, slurp($_) : () } @{$ask->{rosters} // []};
	my %users  = map { $_ => 1 } @listed, @{$ask->{users} // []};
	return keys %users;
}

# The numbers of the generations that are kept, the newest last: old files of
# transactions that were carried out, each with its journal.
sub generations () {
	my @numbers = sort { $a <=> $b } grep { /\A[1-9]\d*\z/xms } @{names_in($STATE) // []};
	return @numbers;
}

# The line of a journal that says whose it is.
sub head_of ($path) {
	open my $in, '<', $path or return {};
	my $head = eval { $JSON->decode(scalar <$in>) } // {};
	close $in or return {};
	return $head;
}

# The journal of a transaction that is not finished, {} if there is none: a line
# that says whose it is, and a line with its steps.
sub journal () {
	return {} if !-e "$PENDING/journal";
	my ($head, $steps) = split /\n/xms, slurp("$PENDING/journal");
	return {%{$JSON->decode($head)}, steps => $JSON->decode($steps)};
}
