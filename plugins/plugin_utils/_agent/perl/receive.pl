# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "receive" fetches images from another server for some seconds, by ssh(1) and
# send.pl there; who asks again continues. How far it came is on this server's
# disk, after what it is about. It holds a lock of its own.

use v5.36;

my $SILENCE = 60;         # seconds without a byte
my $RECORD  = 1 << 26;    # bytes after which it is noted how far it came

# ssh(1) with pipes to it.
sub call_peer ($argv) {
	pipe my $in_r,  my $in_w  or fail("pipe: $!");
	pipe my $out_r, my $out_w or fail("pipe: $!");
	pipe my $err_r, my $err_w or fail("pipe: $!");
	my $pid = fork // fail("fork: $!");
	if (!$pid) {
		setpgrp 0, 0;
		local @SIG{qw(HUP INT TERM PIPE)} = ('DEFAULT') x 4;
		if (open(STDIN, '<&', $in_r) && open(STDOUT, '>&', $out_w) && open STDERR, '>&', $err_w) {
			close $_ for $in_w, $out_r, $err_r;
			exec {$argv->[0]} @{$argv} or print {*STDERR} "$argv->[0]: $!\n";
		}
		kill 'KILL', $$;
	}
	close $_ or fail("pipe: $!") for $in_r, $out_w, $err_w;
	binmode $_ for $in_w, $out_r;
	return {pid => $pid, to => $in_w, from => $out_r, errors => $err_r, read => q{}};
}

# Ends ssh(1), and returns what it said.
sub dismiss ($peer) {
	close $peer->{to};
	kill 'TERM', -$peer->{pid};
	waitpid $peer->{pid}, 0;
	my $said = q{};
	sysread $peer->{errors}, $said, 65_536;
	return $said;
}

sub read_bytes ($peer, $count) {
	my $until = now() + $SILENCE;
	while (length $peer->{read} < $count) {
		vec(my $bits = q{}, fileno $peer->{from}, 1) = 1;
		if (1 > select $bits, undef, undef, 1) {
			beat();
			fail("nothing came for $SILENCE seconds") if now() >= $until;
			next;
		}
		my $got = sysread $peer->{from}, $peer->{read}, 262_144, length $peer->{read};
		fail('the connection ended') if !$got;
		$until = now() + $SILENCE;
	}
	return substr $peer->{read}, 0, $count, q{};
}

# What the other server answers, with what comes before given to $take.
sub ask_peer ($peer, $ask, $take) {
	# One that has ended may have said why before.
	syswrite $peer->{to}, $JSON->encode($ask) . "\n";
	while (1) {
		my ($kind, $offset, $length) = unpack 'a Q> N', read_bytes($peer, 13);
		fail('what came is not from send.pl') if $kind !~ /\A[DE]\z/xms || $length > 1 << 20;
		my $bytes = read_bytes($peer, $length);
		if ($kind eq 'D') { $take->($offset, $bytes); next }
		my $answer = $JSON->decode($bytes);
		fail("the other server: $answer->{failed}") if defined $answer->{failed};
		return $answer;
	}
	return;
}

# What was noted, if the images are as they were then.
sub progress_of ($path, $files, $images) {
	my $noted = -e $path ? eval { $JSON->decode(slurp($path)) } : undef;
	my $same  = ref $noted eq 'HASH' && @{$noted->{images}} == @{$images};
	for my $n ($same ? 0 .. $#{$images} : ()) {
		my $done = $noted->{files}[$n];
		$same &&= unchanged($noted->{images}[$n], $images->[$n]) && (!$done->{offset} || (-s $files->[$n]{path} // 0) >= $done->{offset});
	}
	return $noted if $same;
	unlink map { $_->{path} } @{$files};
	return {path => $path, images => $images, files => [map { {offset => 0} } @{$files}]};
}

# Fetches an image until it is whole or the time is over, and one section at least.
sub receive_image ($peer, $path, $until, $progress, $n) {
	my $done  = $progress->{files}[$n];
	my $out   = open_new_image($path, $done->{offset});
	my $noted = $done->{offset};
	my $section = sub {
		return ask_peer($peer, {image => $n, length => $SECTION, map { $_ => $done->{$_} } qw(offset state)},
			sub ($at, $piece) { write_piece($out, $at, $piece) });
	};
	while (!$done->{sha256}) {
		beat();
		%{$done} = %{$section->()};
		my $over = now() >= $until;
		next if !$done->{sha256} && $done->{offset} - $noted < $RECORD && !$over;
		flush_image($out, $noted = $done->{offset});
		replace_file($progress->{path}, $JSON->encode($progress));
		last if $over;
	}
	close $out or fail("$path: $!");
	return;
}

sub receive ($request, @) {
	confine($request);
	my $lock = lock_server($request);
	my ($files, $place) = @{$request}{qw(files progress)};
	my $peer = call_peer($request->{argv});
	my $progress;
	my $ok = eval {
		my $images = ask_peer($peer, {}, sub { })->{images};
		fail('the other server has another number of images') if @{$images} != @{$files};
		return 1 if !$request->{seconds};
		my $until = now() + $request->{seconds};
		$progress = progress_of($place, $files, $images);
		replace_file($progress->{path}, $JSON->encode($progress));
		for my $n (0 .. $#{$files}) {
			my $done = $progress->{files}[$n];
			receive_image($peer, $files->[$n]{path}, $until, $progress, $n);
			last if !$done->{sha256} || now() >= $until;
		}
		1;
	};
	my $error = ref $@ ? $@ : {text => "$@"};
	my $said  = dismiss($peer);
	if (!$ok) {
		# What has no room is of no use, and the VMs of this server need what there is.
		unlink $place, map { $_->{path} } @{$files} if $error->{full};
		fail($error->{text}, stderr => $said, full => $error->{full} // 0);
	}
	return {progress => $progress};
}

$VERB{receive} = \&receive;
