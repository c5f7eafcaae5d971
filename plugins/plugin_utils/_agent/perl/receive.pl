# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "receive" fetches images from another server for some seconds, by ssh(1) and
# send.pl there; the next request continues. Its progress is kept on this server's
# disk, with what the images were then. It holds a lock of its own.

use v5.36;

my $SILENCE = 60;         # seconds without a byte
my $RECORD  = 1 << 26;    # bytes after which the progress is noted

# Starts ssh(1) with pipes to it.
sub call_peer ($argv) {
	my ($in, $to) = piped();
	my ($pid, $from) = listen_to($argv, $in);
	close $in or fail("pipe: $!");
	binmode $_ for $to, $from->{out};
	return {pid => $pid, to => $to, from => $from->{out}, errors => $from->{err}, read => q{}};
}

# Ends ssh(1), and returns its error output.
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
		sysread $peer->{from}, $peer->{read}, 262_144, length $peer->{read} or fail('the connection ended');
		$until = now() + $SILENCE;
	}
	return substr $peer->{read}, 0, $count, q{};
}

# Returns what the other server answers; the pieces before that are passed to $take.
sub ask_peer ($peer, $ask, $take) {
	# A server that has hung up may have said why before.
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

# The progress that was noted, if the images are as they were then.
sub progress_of ($path, $files, $images) {
	my $noted = json_of($path);
	my $same  = $noted && @{$noted->{images}} == @{$images};
	for my $n ($same ? 0 .. $#{$images} : ()) {
		my $done = $noted->{files}[$n];
		$same &&= unchanged($noted->{images}[$n], $images->[$n]) && (!$done->{offset} || (-s $files->[$n]{path} // 0) >= $done->{offset});
	}
	return $noted if $same;
	unlink map { $_->{path} } @{$files};
	return {path => $path, images => $images, files => [map { {offset => 0} } @{$files}]};
}

# Fetches an image until it is complete or the time is up, at least one section.
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
	my $error = failure();
	my $said  = dismiss($peer);
	if (!$ok) {
		# Without room they are useless, and the VMs of this server need the space.
		unlink $place, map { $_->{path} } @{$files} if $error->{full};
		fail($error->{text}, stderr => $said, full => $error->{full} // 0);
	}
	return {progress => $progress};
}

$VERB{receive} = \&receive;
