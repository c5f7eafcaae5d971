# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Searches logs on the server, so that what others write into them stays there.

use v5.36;

my $MOST   = 1 << 26;    # bytes that are read of one log
my $ANSWER = 1 << 17;    # bytes of lines in an answer
my $PIECE  = 1 << 16;    # bytes, more than any line has

# The lines of a log from an offset on that have one of some strings in them, each
# with its own offset; undef where there is no log. What one answer cannot hold
# follows in the next, from "offset" on. A log with another inode, or that is
# shorter than before, is another file and read from its beginning: newsyslog(8)
# has rotated it.
sub search ($ask) {
	sysopen my $in, $ask->{path}, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return;
	return if !-f $in;
	my ($inode, $size) = (stat _)[1, 7];
	my $other = $ask->{offset} > $size || ($ask->{inode} // $inode) != $inode;
	my $offset = $other ? 0 : $ask->{offset};
	my @match = @{$ask->{match}};
	my ($begin, $length, $text, @lines) = ($offset, 0, q{});
	sysseek $in, $offset, 0 or return;
	while ($length < $ANSWER && $offset - $begin < $MOST && sysread $in, $text, $PIECE, length $text) {
		my $whole = 1 + rindex $text, "\n";
		# A log has no line that long.
		$whole = length $text if !$whole && length $text >= $PIECE;
		for my $line ((substr $text, 0, $whole, q{}) =~ /[^\n]*\n?/gxms) {
			if (grep { index($line, $_) >= 0 } @match) {
				push @lines, [$offset, $line =~ s/\n\z//rxms];
				$length += length $line;
			}
			$offset += length $line;
		}
	}
	return {
		inode  => $inode,
		offset => $offset,
		other  => $other ? JSON::PP::true() : JSON::PP::false(),
		lines  => \@lines,
	};
}

sub logs ($asks) {
	return {map { $_->{path} => scalar search($_) } @{$asks}};
}
