# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Records what was verified, for verified.pl.

use v5.36;

# Times are in seconds: a file that changes again within the second of its last
# change shows no difference, so it is not recorded.
sub as_verified ($path, $sha256, $known) {
	my $until = now() + 3;
	select undef, undef, undef, 0.25 while ((lstat $path)[10] // 0) >= time && now() < $until;
	my $began = time;
	my $is    = ours($path, sub { S_ISREG(shift) }) ? look($path, 1, $known) : undef;
	return if !$is || ($is->{sha256} // q{}) ne $sha256 || $is->{ctime} >= $began;
	return {map { $_ => $is->{$_} } @UNCHANGED, 'sha256'};
}

# Records files that have the SHA-256 that they should, and keeps the records of
# others that are unchanged. Without room for that, all is read again next time.
sub record_verified ($step) {
	my ($known, %new) = (verified());
	for my $path (sort keys %{$step->{files}}) {
		beat();
		$new{$path} = as_verified($path, $step->{files}{$path}, $known->{$path}) // next;
	}
	for my $path (grep { !$step->{files}{$_} } keys %{$known}) {
		$new{$path} = $known->{$path} if unchanged($known->{$path}, scalar look($path, 0));
	}
	eval { replace_file($RECORD, $JSON->encode(\%new)); 1 } or unlink "$RECORD.new";
	return;
}
