# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# One request, one answer.
#
# A request is a line "HEADER TOTAL SHA256", HEADER bytes of JSON, then the
# contents of files; TOTAL counts both and SHA256 is theirs. A request that
# arrived incomplete changes nothing.

use v5.36;

sub request () {
	my ($header, $total, $sum) = (<main::DATA> // q{}) =~ /\A(\d+) [ ] (\d+) [ ] ([0-9a-f]{64})\n\z/xms;
	my $data = q{};
	1 while $total
	    && length $data < $total
	    && read main::DATA, $data, $total - length $data, length $data;
	fail('the request arrived incomplete; nothing was changed')
	    if !$sum || Digest::SHA::sha256_hex($data) ne $sum;
	return ($JSON->decode(substr $data, 0, $header), substr $data, $header);
}

# Ansible shows with -vvv what comes over the connection; it does not show the
# request, whose key hides the answer. A piece of a file is sent on a line of its
# own before the answer.
sub veiled ($text, $key) {
	my ($stream, $block) = (q{}, 0);
	$stream .= Digest::SHA::sha512($key . pack 'N', $block++) while length $stream < length $text;
	return encode_base64($text ^. substr($stream, 0, length $text), q{});
}

local $SIG{PIPE} = 'IGNORE';
local @SIG{qw(HUP INT TERM)} = (sub ($name) { $stop = $name }) x 3;

my $key;
my %answer = eval {
	my ($request, $blobs) = request();
	$key = $request->{key};
	%{$VERB{$request->{verb}}->($request, $blobs)};
};
if ($@) { %answer = (failed => failure()) }
my $blob = $answer{blob};
if ($blob) {
	print veiled(${$blob}, "$key blob"), "\n";
	$answer{blob} = 1;
}
my $text = $JSON->encode(\%answer);
print defined $key ? veiled($text, $key) : $text, "\n";
