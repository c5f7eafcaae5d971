# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Disk images, read and written in sections. Pieces that are zeros alone, as holes
# read, are neither handed on nor written, so that a sparse image stays one. A
# SHA-256 over all of an image is carried from section to section as text, by
# whoever comes back for the next one: nothing here remembers anything.

use v5.36;

our $PIECE   = 1 << 16;            # bytes that are looked at for zeros
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

# What continues a checksum, and the checksum itself at the end of the image.
sub sum_of ($sum, $ended) {
	return $ended ? (sha256 => $sum->clone->hexdigest) : (state => $sum->getstate);
}

# Gives what is not zeros of a section to $take, a piece with its offset at a time,
# and adds all to a checksum. Returns where the section ended: earlier at the end
# of the image.
sub read_section ($in, $offset, $length, $sum, $take) {
	my $end = $offset + $length;
	sysseek $in, $offset, 0 or fail("an image cannot be read: $!");
	while ($offset < $end) {
		my $want = $end - $offset < $PIECE ? $end - $offset : $PIECE;
		my $got  = sysread $in, (my $piece), $want;
		fail("an image cannot be read: $!") if !defined $got;
		last if !$got;
		$sum->add($piece);
		$take->($offset, $piece) if $piece ne ($got == $PIECE ? $ZEROS : substr $ZEROS, 0, $got);
		$offset += $got;
	}
	return $offset;
}

# An image that is being written: new, or with what it had up to an offset.
sub open_new_image ($path, $offset) {
	sysopen my $out, $path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600 or fail("$path: $!");
	fail("$path is not a regular file") if !-f $out;
	# Behind it may be what nobody recorded, and zeros are not written.
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

# Makes durable what was written up to here, which may end with a hole.
sub flush_image ($out, $offset) {
	truncate $out, $offset or fail("an image cannot be written: $!");
	$out->sync or fail("an image cannot be written: $!", full => $!{ENOSPC} || $!{EDQUOT} ? 1 : 0);
	return;
}
