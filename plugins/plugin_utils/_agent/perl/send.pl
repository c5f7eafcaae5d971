# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Sends images to another server: sshd(8) runs this file, and nothing else, for
# the key of one transfer. A file beside it names the images that may be read, and
# the time of another one shows when the key was used. Requests are lines of JSON;
# an answer is pieces, each "D", an offset and a length, and at last "E" and JSON.

use v5.36;

my ($directory) = $0 =~ m{\A(.*)/}xms;
my @images = @{$JSON->decode(slurp("$directory/images"))};
my $used   = "$directory/used";

# Only what is named can be read, whatever a request says.
if (eval { require OpenBSD::Pledge; require OpenBSD::Unveil; 1 }) {
	OpenBSD::Unveil::unveil($_, 'r') or fail("unveil $_: $!") for @images, grep { -d } @INC;
	OpenBSD::Unveil::unveil($used, 'rwc') or fail("unveil: $!");
	OpenBSD::Unveil::unveil() or fail("unveil: $!");
	OpenBSD::Pledge::pledge(qw(rpath wpath fattr getpw)) or fail("pledge: $!");
}

sub put ($bytes) {
	while (length $bytes) {
		my $put = syswrite(STDOUT, $bytes) // exit 1;
		substr $bytes, 0, $put, q{};
	}
	return;
}

sub whole ($value, $most) {
	fail('a request is not valid')
	    if !defined $value || $value !~ /\A\d{1,16}\z/xms || $value > $most;
	return $value;
}

sub section ($ask) {
	my $in     = open_image($images[whole($ask->{image}, $#images)]);
	my $sum    = sum_from($ask->{state});
	my $size   = -s $in || 0;
	my $offset = whole($ask->{offset}, $size);
	my $end = read_section($in, $offset, whole($ask->{length}, 1 << 30), $sum, sub ($at, $piece) {
		put(pack('a Q> N', 'D', $at, length $piece) . $piece);
	});
	return {offset => $end, sum_of($sum, $end >= $size)};
}

binmode STDOUT;
while (my $line = readline STDIN) {
	utime undef, undef, $used;
	my $answer = eval {
		my $ask = $JSON->decode($line);
		defined $ask->{image} ? section($ask) : {images => [map { look($_, 0) // {} } @images]};
	} // {failed => failure()->{text}};
	my $text = $JSON->encode($answer);
	put(pack('a Q> N', 'E', 0, length $text) . $text);
}
