# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Images of disks: copied with their holes, packed by gzip(1)'s format, unpacked
# again, and looked at whether a VM could start from them. Whoever calls gives
# what is called with each piece: the number of bytes that were read of it. What
# an image is opened and written with is in sparse.pl.

use v5.36;
use Compress::Raw::Zlib qw(WANT_GZIP Z_OK Z_STREAM_END Z_BUF_ERROR);
use Time::HiRes ();

my $STRETCH = 16 * $PIECE;
my $NOTHING = $ZEROS x 16;
# The bits of an entry of a table that say where a cluster is.
my $PLACE = (1 << 56) - (1 << 9);

sub new_image ($path) {
	sysopen my $out, $path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600 or fail("$path: $!");
	return $out;
}

# How an image is now: what differs as soon as anybody writes to it.
sub stamp ($path) {
	my @is = Time::HiRes::stat($path) or fail("$path: $!");
	return join q{ }, @is[0, 1, 7, 9, 10];
}

sub each_piece ($in, $path, $take) {
	while (1) {
		my $size = sysread($in, my $piece, $STRETCH);
		fail("$path: $!") if !defined $size;
		return if !$size;
		$take->($piece);
	}
	return;
}

# Writes a stretch, without the pieces that are zeros alone; returns its end.
sub put_sparse ($out, $offset, $stretch) {
	return $offset + length $stretch if $stretch eq $NOTHING;
	for (my $at = 0; $at < length $stretch; $at += $PIECE) {
		my $piece = substr $stretch, $at, $PIECE;
		write_piece($out, $offset + $at, $piece) if $piece ne substr $ZEROS, 0, length $piece;
	}
	return $offset + length $stretch;
}

sub finish ($out, $path, $size) {
	flush_image($out, $size);
	close $out or fail("$path: $!");
	return;
}

sub copy_image ($from, $to, $each) {
	my ($in, $out, $size) = (open_image($from), new_image($to), 0);
	each_piece($in, $from, sub ($piece) {
		$size = put_sparse($out, $size, $piece);
		$each->(length $piece);
	});
	finish($out, $to, $size);
	return;
}

# Size and SHA-256 of an image, and of the file that it was packed into.
sub pack_image ($from, $to, $each) {
	my ($in, $out) = (open_image($from), new_image($to));
	my ($sum, $packed_sum) = map { Digest::SHA->new(256) } 1 .. 2;
	my ($deflate, $status) = Compress::Raw::Zlib::Deflate->new(
		-WindowBits => WANT_GZIP,
		-Level      => 3,
		-Bufsize    => $STRETCH,
	);
	fail("$to: cannot be packed: $status") if !$deflate;
	my ($size, $packed) = (0, 0);
	my $write = sub ($data) {
		$packed_sum->add($data);
		write_piece($out, $packed, $data);
		$packed += length $data;
	};
	each_piece($in, $from, sub ($piece) {
		$sum->add($piece);
		$size += length $piece;
		$deflate->deflate($piece, my $data) == Z_OK or fail("$to: cannot be packed");
		$write->($data);
		$each->(length $piece);
	});
	$deflate->flush(my $rest) == Z_OK or fail("$to: cannot be packed");
	$write->($rest);
	finish($out, $to, $packed);
	return {
		size          => $size,
		sha256        => $sum->hexdigest,
		packed        => $packed,
		packed_sha256 => $packed_sum->hexdigest,
	};
}

# Unpacks what has the sizes and checksums of $want, or fails; with $to undef it
# only looks whether it has. It counts bytes of the packed file.
sub unpack_image ($from, $to, $want, $each) {
	my ($in, $out) = (open_image($from), defined $to ? new_image($to) : undef);
	my ($sum, $packed_sum) = map { Digest::SHA->new(256) } 1 .. 2;
	my $inflate = Compress::Raw::Zlib::Inflate->new(
		-WindowBits  => WANT_GZIP,
		-LimitOutput => 1,
		-Bufsize     => $STRETCH,
	);
	my ($size, $packed, $ended) = (0, 0, 0);
	my $damaged = sub ($what) { fail("$from is damaged: $what", damaged => 1) };
	each_piece($in, $from, sub ($piece) {
		$packed_sum->add($piece);
		$packed += length $piece;
		$each->(length $piece);
		while (!$ended) {
			my $status = $inflate->inflate($piece, my $data);
			$damaged->('it cannot be unpacked') if !grep { $status == $_ } Z_OK, Z_STREAM_END, Z_BUF_ERROR;
			$damaged->('it is larger than its index says') if $size + length $data > $want->{size};
			$sum->add($data);
			put_sparse($out, $size, $data) if $out;
			$size += length $data;
			$ended = $status == Z_STREAM_END;
			last if !length $piece && !length $data;
		}
	});
	$damaged->('its size is not what its index says')
	    if !$ended || $packed != $want->{packed} || $size != $want->{size};
	$damaged->('its checksum is not what its index says')
	    if $packed_sum->hexdigest ne $want->{packed_sha256} || $sum->hexdigest ne $want->{sha256};
	finish($out, $to, $size) if $out;
	return;
}

# Numbers of 64 bits at a place of a file.
sub table_at ($in, $path, $place, $count) {
	sysseek $in, $place, 0 or fail("$path: $!");
	my $got = sysread($in, my $data, 8 * $count);
	fail("$path: a table is not whole") if ($got // 0) != 8 * $count;
	return unpack 'Q>*', $data;
}

# Fails for an image that vmd(8) could not start from, by its format: the header of
# a raw one is its guest's. Tables of qcow2 as usr.sbin/vmd/vioqcow2.c reads them.
sub check_image ($path, $format, $disk) {
	my $in   = open_image($path);
	my $size = -s $in;
	if ($format eq 'raw') {
		fail("$path: its size is $size bytes, and its disk has $disk") if $size != $disk;
		return;
	}
	sysread($in, my $header, 104) // fail("$path: $!");
	my ($magic, $version, $based, $bits, $has, undef, $count, $place) = unpack 'a4 N x8 N N Q> N N Q>', $header;
	fail("$path is not a qcow2 image") if $magic ne "QFI\xfb" || $version < 2 || $version > 3;
	fail("$path is based on another image, so it is not whole by itself") if $based;
	fail("$path: its disk has $has bytes, and not $disk") if $has != $disk;
	fail("$path: its clusters have no valid size") if $bits < 9 || $bits > 21;
	fail("$path: its first table is not whole")
	    if $count << (2 * $bits - 3) < $disk || $place + 8 * $count > $size;
	for my $table (map { $_ & $PLACE } table_at($in, $path, $place, $count)) {
		next if !$table;
		my @data = map { $_ & $PLACE } table_at($in, $path, $table, 1 << $bits - 3);
		fail("$path: a table names what is behind its end") if grep { $_ >= $size } @data;
	}
	return;
}
