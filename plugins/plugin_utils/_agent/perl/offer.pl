# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "offer" lets the key of another server read some images, by sshd(8) and send.pl;
# "withdraw" ends that. A process that outlives this one ends it too, once the key
# has not been used for some time.

use v5.36;

# Replaces the line of an account's keys that ends with a mark, or removes it.
sub set_key ($request, $line) {
	my $path = $request->{keys};
	my $was  = look($path);
	fail("$path is not a regular file") if $was && $was->{type} ne 'file';
	my $text = $was ? slurp($path) : q{};
	my $new  = $text =~ s/^[^\n]*[ ]\Q$request->{mark}\E(?:\n|\z)//gxmsr;
	if (defined $line) { $new .= (length $new && $new !~ /\n\z/xms ? "\n" : q{}) . "$line $request->{mark}\n" }
	return if $new eq $text;
	unlink "$path.puffy.vmm";
	write_file("$path.puffy.vmm", $new, %{$was // {mode => '0600', owner => $request->{owner}, group => $request->{group}}});
	rename "$path.puffy.vmm", $path or fail("$path: $!");
	sync_directory($path);
	return;
}

sub end_offer ($request) {
	set_key($request, undef);
	remove_tree($request->{directory});
	return;
}

# Waits without the connection; whoever removes the directory ends this.
sub guard_offer ($request, $lock) {
	close $lock or return;
	local @SIG{qw(HUP INT TERM)} = ('DEFAULT') x 3;
	my ($used, $inode) = ("$request->{directory}/used", (stat "$request->{directory}/used")[1] // 0);
	my ($time, $until) = (0, now() + $request->{idle});
	while (now() < $until) {
		select undef, undef, undef, 1;
		my @is = stat $used;
		return if !@is || $is[1] != $inode;
		($time, $until) = ($is[9], now() + $request->{idle}) if $is[9] != $time;
	}
	$lock = lock_server($request);
	end_offer($request);
	return;
}

sub offer ($request, $blobs) {
	confine($request);
	my $lock = lock_server($request);
	end_offer($request);
	my $place = $request->{directory};
	mkdir $place, 0700 or fail("$place: $!");
	write_file("$place/send",   $blobs);
	write_file("$place/images", $JSON->encode($request->{images}));
	write_file("$place/used",   q{});
	apart(sub { guard_offer($request, $lock) });
	set_key($request, $request->{line});
	return {offered => 1};
}

sub withdraw ($request, @) {
	confine($request);
	my $lock = lock_server($request);
	end_offer($request);
	return {withdrawn => 1};
}

$VERB{offer}    = \&offer;
$VERB{withdraw} = \&withdraw;
