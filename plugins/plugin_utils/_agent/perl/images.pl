# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Images of disks: copied with their holes, packed in gzip(1)'s format, unpacked
# again, and checked whether a VM could start from them. The last argument, $each,
# is called with the number of bytes of each piece that was read. sparse.pl opens
# and writes images.

use v5.36;
use Compress::Raw::Zlib qw(WANT_GZIP Z_OK Z_STREAM_END Z_BUF_ERROR);
use Time::HiRes ();

my $STRETCH = 16 * $PIECE;
my $NOTHING = $ZEROS x 16;
# The bits of a table's entry that give the place of a cluster.
my $PLACE = (1 << 56) - (1 << 9);

sub new_image ($path) {
	sysopen my $out, $path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600 or fail("$path: $!");
	return $out;
}

# The state of an image, which differs as soon as anybody writes to it.
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

# Calls $take with the pieces of a stretch that are not all zeros, and where each begins
# in the image. They are cut at the same places however the image comes in stretches,
# so that those that are counted are those that are written.
sub each_data ($stretch, $offset, $take) {
	return if $stretch eq $NOTHING;
	my $at = 0;
	while ($at < length $stretch) {
		my $piece = substr $stretch, $at, $PIECE - ($offset + $at) % $PIECE;
		$take->($offset + $at, $piece) if $piece ne substr $ZEROS, 0, length $piece;
		$at += length $piece;
	}
	return;
}

# Writes a stretch without the pieces that are all zeros; returns its end.
sub put_sparse ($out, $offset, $stretch) {
	each_data($stretch, $offset, sub ($at, $piece) { write_piece($out, $at, $piece) });
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

# Packs an image; returns size and SHA-256 of both files, and how many bytes of the
# image will not be in holes when it is unpacked.
sub pack_image ($from, $to, $each) {
	my ($in, $out) = (open_image($from), new_image($to));
	my ($sum, $packed_sum) = map { Digest::SHA->new(256) } 1 .. 2;
	my ($deflate, $status) = Compress::Raw::Zlib::Deflate->new(
		-WindowBits => WANT_GZIP,
		-Level      => 3,
		-Bufsize    => $STRETCH,
	);
	fail("$to: cannot be packed: $status") if !$deflate;
	my ($size, $held, $packed) = (0, 0, 0);
	my $write = sub ($data) {
		$packed_sum->add($data);
		write_piece($out, $packed, $data);
		$packed += length $data;
	};
	each_piece($in, $from, sub ($piece) {
		$sum->add($piece);
		each_data($piece, $size, sub ($at, $data) { $held += length $data });
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
		data          => $held,
		sha256        => $sum->hexdigest,
		packed        => $packed,
		packed_sha256 => $packed_sum->hexdigest,
	};
}

# Unpacks a file if it has the sizes and checksums of $want. $each counts bytes of
# the packed file.
sub unpack_image ($from, $to, $want, $each) {
	my ($in, $out) = (open_image($from), new_image($to));
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
			$size = put_sparse($out, $size, $data);
			$ended = $status == Z_STREAM_END;
			last if !length $piece && !length $data;
		}
	});
	$damaged->('its size is not what its index says')
	    if !$ended || $packed != $want->{packed} || $size != $want->{size};
	$damaged->('its checksum is not what its index says')
	    if $packed_sum->hexdigest ne $want->{packed_sha256} || $sum->hexdigest ne $want->{sha256};
	finish($out, $to, $size);
	return;
}

# The numbers of 64 bits at a place of a file.
sub table_at ($in, $path, $place, $count) {
	sysseek $in, $place, 0 or fail("$path: $!");
	my $size = sysread($in, my $data, 8 * $count) // 0;
	fail("$path: a table is incomplete") if $size != 8 * $count;
	return unpack 'Q>*', $data;
}

# What the header of a qcow2 image says that vmd(8) could start from, as in
# usr.sbin/vmd/vioqcow2.c: the size of its disk and of its clusters, and where its
# first table is. Fails for any other.
sub qcow2_header ($in, $path) {
	my $size = sysread($in, my $header, 104) // fail("$path: $!");
	my ($magic, $version, $based, $bits, $disk, undef, $count, $place) = unpack 'a4 N x8 N N Q> N N Q>', $header;
	fail("$path is not a qcow2 image") if $size < 48 || $magic ne "QFI\xfb" || $version < 2 || $version > 3;
	fail("$path is based on another image, so it is incomplete without it") if $based;
	fail("$path: the size of its clusters is not valid") if $bits < 9 || $bits > 21;
	fail("$path: its first table is incomplete")
	    if $count << (2 * $bits - 3) < $disk || $place + 8 * $count > -s $in;
	return ($disk, $bits, $count, $place);
}

# The size of the disk that an image is, by its header alone, which does not change
# while a VM runs. Fails for an image that could not be a backup.
sub disk_of ($path, $format) {
	my $in = open_image($path);
	return -s $in if $format eq 'raw';
	my ($disk) = qcow2_header($in, $path);
	return $disk;
}

# Fails for an image that vmd(8) could not start from. A raw image has no format of
# its own.
sub check_image ($path, $format, $disk) {
	my $in   = open_image($path);
	my $size = -s $in;
	my ($has, $bits, $count, $place) = $format eq 'raw' ? $size : qcow2_header($in, $path);
	fail("$path: its disk has $has bytes instead of $disk") if $has != $disk;
	return if $format eq 'raw';
	for my $table (map { $_ & $PLACE } table_at($in, $path, $place, $count)) {
		next if !$table;
		my @data = map { $_ & $PLACE } table_at($in, $path, $table, 1 << $bits - 3);
		fail("$path: a table points beyond its end") if grep { $_ >= $size } @data;
	}
	return;
}
