# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "digest" reads images for some seconds for their SHA-256; the next request, with
# what this one answered, continues.

use v5.36;

sub digest ($request, @) {
	confine($request);
	my $until = now() + $request->{seconds};
	my @answers;
	for my $file (@{$request->{files}}) {
		my ($path, $offset) = ($file->{path}, $file->{offset} // 0);
		my $in   = open_image($path);
		my $size = -s $in || 0;
		my $sum  = sum_from($file->{state});
		while ($offset < $size) {
			beat();
			$offset = read_section($in, $offset, $SECTION, $sum, sub { });
			last if now() >= $until;
		}
		my $ended = $offset >= $size;
		push @answers, {path => $path, size => $size, offset => $offset, sum_of($sum, $ended)};
		last if !$ended || now() >= $until;
	}
	return {files => \@answers};
}

$VERB{digest} = \&digest;
