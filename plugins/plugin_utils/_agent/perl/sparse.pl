# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Disk images, read and written in sections. Pieces that are all zeros, as holes
# read, are neither passed on nor written, so that a sparse image stays sparse. The
# SHA-256 of an image is carried from section to section as text, by whoever asks
# for the next one: nothing here remembers anything.

use v5.36;

our $PIECE   = 1 << 16;            # bytes that are compared with zeros
our $SECTION = 1 << 23;            # bytes between two signs of life
our $ZEROS   = "\0" x $PIECE;

sub open_image ($path) {
	sysopen my $in, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or fail("$path: $!");
	fail("$path is not a regular file") if !-f $in;
	return $in;
}

# The checksum so far, as sum_of() gave it; undef for a new one.
sub sum_from ($state) {
	my $sum = Digest::SHA->new(256);
	return $sum if !defined $state;
	my $known = $state =~ /\Aalg:256\n/xms ? $sum->putstate($state) : undef;
	return $known // fail('the checksum so far cannot be read');
}

# The state from which a checksum continues, or the checksum at the end of the image.
sub sum_of ($sum, $ended) {
	return $ended ? (sha256 => $sum->clone->hexdigest) : (state => $sum->getstate);
}

# Passes what is not zeros of a section to $take, a piece with its offset at a time,
# and adds all to a checksum. Returns where the section ended, which is earlier at
# the end of the image.
sub read_section ($in, $offset, $length, $sum, $take) {
	my $end = $offset + $length;
	sysseek $in, $offset, 0 or fail("an image cannot be read: $!");
	while ($offset < $end) {
		my $most = $end - $offset < $PIECE ? $end - $offset : $PIECE;
		my $size = sysread $in, (my $piece), $most;
		fail("an image cannot be read: $!") if !defined $size;
		last if !$size;
		$sum->add($piece);
		$take->($offset, $piece) if $piece ne ($size == $PIECE ? $ZEROS : substr $ZEROS, 0, $size);
		$offset += $size;
	}
	return $offset;
}

# Opens an image to write to: new, or with what it had up to an offset.
sub open_new_image ($path, $offset) {
	sysopen my $out, $path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600 or fail("$path: $!");
	fail("$path is not a regular file") if !-f $out;
	# What is after that was not recorded, and zeros are not written over it.
	truncate $out, $offset or fail("$path: $!");
	return $out;
}

sub write_piece ($out, $offset, $piece) {
	sysseek $out, $offset, 0 or fail("an image cannot be written: $!");
	while (length $piece) {
		my $put = syswrite($out, $piece) // fail("an image cannot be written: $!", full => $!{ENOSPC} || $!{EDQUOT} ? 1 : 0);
		substr $piece, 0, $put, q{};
	}
	return;
}

# Makes durable what was written up to an offset, which may be in a hole.
sub flush_image ($out, $offset) {
	truncate $out, $offset or fail("an image cannot be written: $!");
	$out->sync or fail("an image cannot be written: $!", full => $!{ENOSPC} || $!{EDQUOT} ? 1 : 0);
	return;
}
