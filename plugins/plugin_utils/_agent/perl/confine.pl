# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# pledge(2) and unveil(2) limit what this program can do and see on the server.

use v5.36;

# Where a path leads by the links on its way, and where it is itself if it is a link.
# Following a link, the kernel forgets what was unveiled before it (vfs_lookup.c).
sub places ($path) {
	my ($at, $links, @places) = (q{}, 0);
	my @rest = grep { length } split m{/}xms, $path;
	while (defined(my $name = shift @rest)) {
		my $to = readlink "$at/$name";
		if ($name eq q{..}) { $at =~ s{/[^/]+\z}{}xms }
		elsif (!defined $to || ++$links > 32) { $at .= $name eq q{.} ? q{} : "/$name" }
		else {
			push @places, $at if !@rest;
			$at = q{} if $to =~ m{\A/}xms;
			unshift @rest, grep { length } split m{/}xms, $to;
		}
	}
	return ($at, @places);
}

# Confines this program, where OpenBSD can do that, to what the request names and
# what a journal that must be put back names.
sub confine ($request) {
	return if !eval { require OpenBSD::Pledge; require OpenBSD::Unveil; 1 };
	my $changes = $request->{verb} ne 'probe';
	my @asks    = values %{$request->{asks} // {}};
	my @all     = (@{$request->{transactions} // []}, $changes ? journal() : ());
	my @steps   = map { @{$_->{steps} // []} } @all;
	my @files   = @{$request->{files} // []};
	my @backs   = map { @{$_->{undo} // []} } @steps;
	my @runs    = (@steps, @files, @backs, map({ $_->{unless} // () } @backs), map { $_->{send} // () } @steps);
	my @paths   = ("$STATE/lock", map { (@{$_->{open} // []}, @{$_->{rosters} // []}) } @asks);
	push @runs,  {argv => $CHMOD} if @steps;
	push @runs,  {argv => $UNAME}, map { @{$_->{run} // []} } @asks;
	push @paths, map { $_->{path} } map { map { @{$_ // []} } @{$_}{qw(paths list log)} } @asks;
	push @paths, map { @{$_}{qw(path from cwd)} } @steps, @files;
	push @paths, map { (home_of($_->{user}), $_->{like}) } grep { defined } map { $_->{unused} } @backs;
	# What is on record is compared with what is there (verify.pl).
	push @paths, keys %{json_of("$STATE/verified") // {}} if grep { $_->{do} eq 'verified' } @steps;
	push @paths, '/etc/rc.firsttime' if grep { $_->{confirm} } @all;

	my %sight = map { $_ => 'r' } grep { -d } @INC;
	@sight{'/usr/libexec/ld.so', '/dev/null'} = ('r', 'rw');
	$sight{$_->[0]} = 'rx' for grep { defined } map { @{$_}{qw(argv ask explain raw)} } @runs;
	# unveil(2) takes 128 paths, so the top directory stands for all below it. What is made later in
	# a directory that does not exist yet could not be seen, so its parent stands for that, and so
	# it does for a file, which is replaced by another one from beside it.
	for my $place (map { places($_) } grep { defined } @paths) {
		my ($top) = $place =~ m{\A(/var/[^/]+|/[^/]+|)}xms;
		$top =~ s{/[^/]+\z}{}xms while length $top && !($changes ? -d $top : -e $top);
		$sight{$top || q{/}} = $changes ? 'rwc' : 'r';
	}
	for my $path (sort keys %sight) {
		OpenBSD::Unveil::unveil($path, $sight{$path}) or $!{ENOENT} or fail("unveil $path: $!");
	}
	OpenBSD::Unveil::unveil() or fail("unveil: $!");
	OpenBSD::Pledge::pledge(qw(rpath getpw proc exec),
		$changes ? qw(wpath cpath fattr chown flock) : ())
	    or fail("pledge: $!");
	return;
}
