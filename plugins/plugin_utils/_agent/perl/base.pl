# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The server's side of puffy.vmm. It arrives on standard input ("perl -") with
# one request after __END__, answers with one JSON object on standard output
# and leaves nothing of itself on the server.
#
# Each verb has a part that adds it to %VERB; the parts that it needs, this one
# first, are sent as one program (see client.py, which describes the requests).
#
# This part: how the server is looked at, and how programs are run. All strings
# are bytes: a character of the JSON is one byte of a path, an argument or an
# output.

use v5.36;
use Digest::SHA ();
use Fcntl qw(:DEFAULT :flock :mode);
use JSON::PP     ();
use MIME::Base64 qw(encode_base64);

our $STATE   = '/var/backups/puffy.vmm';    # lock, journal, old files
our $PENDING = "$STATE/pending";            # a transaction under way
our $JSON    = JSON::PP->new->ascii->canonical;
our $UNAME   = ['/usr/bin/uname', '-sr'];
our $CHMOD   = ['/bin/chmod'];
our %VERB;                                  # the sub for each verb of a request
our $stop    = q{};                         # name of a signal that came in
our $undoing = 0;                           # putting back is not interrupted
our @UNCHANGED = qw(size mtime ctime inode);
our $OF_FILES  = qr/\A(?:commit|remove|attributes)\z/xms;    # steps that change a file
my $LIMIT    = 1 << 20;                     # bytes that are read of somebody else's file
my $OUTPUT   = 1 << 18;                     # bytes that are kept of a program's output

local $ENV{PATH} = '/usr/bin:/bin:/usr/sbin:/sbin';
local $| = 1;
umask 077;
chdir '/' or die "chdir /: $!\n";

sub fail ($text, %more) { die {text => $text, %more} }

# What eval caught, as fail() raises it.
sub failure () { return ref $@ ? $@ : {text => "$@"} }

# Sends a line to the controller while work continues: it keeps the connection
# from looking dead, and a controller that went away is noticed here.
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

# Where an account has its home, or will have it.
sub home_of ($name) { return (getpwnam $name)[7] // "/home/$name" }

sub name_of ($id, $lookup) {
	state %seen;
	return $seen{"$lookup $id"} //= ($lookup eq 'user' ? getpwuid $id : getgrgid $id) // "$id";
}

# Passes the content of a regular file to $take, a piece at a time; returns whether
# that was all. A file that others can write to may grow meanwhile, so only $LIMIT
# bytes of it are read; of our own, as many as it had when it was opened.
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

# The object in a file of JSON; undef where there is none.
sub json_of ($path) {
	my $data = eval { $JSON->decode(slurp($path)) };
	return ref $data eq 'HASH' ? $data : undef;
}

# Whether nobody has written to a file since it was like $known.
sub unchanged ($known, $is) {
	return ref $known eq 'HASH' && $is && !grep { ($known->{$_} // q{}) ne $is->{$_} } @UNCHANGED;
}

# What is at a path: undef for nothing, else what lstat(2) shows and, unless $hash
# is 0, the SHA-256 of a regular file, if that is ours or not too large. A file
# that is as it was when $known was recorded is not read again.
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

# A pipe: where it is read, and where it is written.
sub piped () {
	pipe my $reader, my $writer or fail("pipe: $!");
	return ($reader, $writer);
}

# Starts a program without a shell, in a process group of its own, with these
# handles as its input and outputs; ours close with exec(2).
sub spawn ($argv, $in, $out, $err, $cwd = undef) {
	my $pid = fork // fail("fork: $!");
	return $pid if $pid;
	setpgrp 0, 0;
	# Ours is for our own files: rcctl(8), say, leaves some that everybody reads.
	umask 022;
	local @SIG{qw(HUP INT TERM PIPE)} = ('DEFAULT') x 4;
	if ((!$cwd || chdir $cwd) && open(STDIN, '<&', $in) && open(STDOUT, '>&', $out) && open STDERR, '>&', $err) {
		exec {$argv->[0]} @{$argv} or print {*STDERR} "$argv->[0]: $!\n";
	}
	kill 'KILL', $$;
	return;
}

# Starts a program whose outputs are gathered.
sub listen_to ($argv, $in, $cwd = undef) {
	my ($out_r, $out_w) = piped();
	my ($err_r, $err_w) = piped();
	my $pid = spawn($argv, $in, $out_w, $err_w, $cwd);
	close $_ or fail("pipe: $!") for $out_w, $err_w;
	return ($pid, {out => $out_r, err => $err_r}, {out => q{}, err => q{}});
}

# Waits for output for so many seconds and adds it to $text; an output that has
# ended leaves $from. Returns whether there was any.
sub gather ($from, $text, $seconds) {
	my $bits = q{};
	vec($bits, fileno $_, 1) = 1 for values %{$from};
	return 0 if 1 > select $bits, undef, undef, $seconds;
	for my $name (grep { vec $bits, fileno $from->{$_}, 1 } sort keys %{$from}) {
		if (!sysread $from->{$name}, my $chunk, 65_536) { delete $from->{$name} }
		elsif (length $text->{$name} < $OUTPUT) { $text->{$name} .= $chunk }
	}
	return 1;
}

# Runs a program without a shell; an answer always comes within the time, which
# is counted by alarm(3), since the clock may be set meanwhile. A program that is
# "watched" ends with the connection, unless it "outlives" it.
sub run ($argv, %how) {
	my $limit = $how{timeout} // 60;
	my ($in, $input) = piped();
	# Some lines at most, which a pipe holds.
	syswrite $input, $how{input} // q{};
	close $input or fail("pipe: $!");
	my ($pid, $from, $text) = listen_to($argv, $in, $how{cwd});
	my ($done, $status, $timed_out, $seconds, $beats) = (0, 0, 0, 0, 0);
	local $SIG{ALRM} = sub { $seconds++; alarm 1 };
	alarm 1;
	while (1) {
		if ($how{watched} && $seconds > $beats) {
			$beats = $seconds;
			if (!eval { beat(); 1 } && !$how{outlives}) {
				my $error = $@;
				alarm 0;
				kill 'KILL', -$pid;
				waitpid $pid, 0;
				die $error;
			}
		}
		my $came = gather($from, $text, $done ? 0 : 0.05);
		last if $done && !($came && %{$from});
		if (!$done && waitpid($pid, 1) == $pid) { ($done, $status) = (1, $?) }
		if (!$done && $seconds > $limit) {
			$timed_out = 1;
			kill 'TERM', -$pid;
			select undef, undef, undef, 0.5;
			kill 'KILL', -$pid;
			waitpid $pid, 0;
			last;
		}
		select undef, undef, undef, 0.005 if !%{$from};
	}
	alarm 0;
	return {
		rc => $timed_out ? 124 : $status & 127 ? 128 + ($status & 127) : $status >> 8,
		stdout => $text->{out},
		stderr => $text->{err},
	};
}

# The numbers of the generations, the newest last: old files of transactions that
# were carried out, each with its journal.
sub generations () {
	my @numbers = sort { $a <=> $b } grep { /\A[1-9]\d*\z/xms } @{names_in($STATE) // []};
	return @numbers;
}

# The journal in a directory: a line that says whose it is, and a line with its
# steps.
sub journal_in ($directory) {
	my ($head, $steps) = split /\n/xms, slurp("$directory/journal");
	return {%{$JSON->decode($head)}, steps => $JSON->decode($steps)};
}

# The journal of a transaction that is not finished, {} if there is none.
sub journal () { return -e "$PENDING/journal" ? journal_in($PENDING) : {} }
