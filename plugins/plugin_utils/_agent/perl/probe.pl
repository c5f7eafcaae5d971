# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "probe" looks at paths, directories, devices, accounts and groups, and at what
# programs print. It changes nothing and has no policy. A request has the questions
# of several; what more than one of them asks is looked at once.

use v5.36;

sub named ($name, $pattern) { return defined $pattern && $name =~ /$pattern/xms }

# The first bytes of a regular file.
sub beginning ($path, $size) {
	my $bytes = q{};
	sysopen my $in, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or fail("$path: $!");
	sysread $in, $bytes, $size if -f $in;
	return $bytes;
}

# What is at a path, and its content where a question asks for that.
sub seen ($ask) {
	state %seen;
	state $all;
	my ($path, $hash, $verified) = ($ask->{path}, $ask->{hash} // 1, $ask->{verified} // 0);
	my $known = $verified ? ($all //= verified())->{$path} : undef;
	my $is    = $seen{join "\0", $path, $hash, $verified} //= {is => scalar look($path, $hash, $known)};
	$is->{read} //= encode_base64(slurp($path), q{})
	    if $ask->{read} && ($is->{is} // {type => q{}})->{type} eq 'file';
	return ($is->{is}, encode_base64(beginning($path, $ask->{head}), q{}))
	    if $ask->{head} && ($is->{is} // {type => q{}})->{type} eq 'file';
	return @{$is}{qw(is read)};
}

sub groups_of ($name) {
	state $groups = do {
		my %all;
		while (my @group = getgrent) { push @{$all{$_}}, $group[0] for split q{ }, $group[3] }
		\%all;
	};
	return $groups->{$name} // [];
}

# The accounts that a question names, and those that files of the server list.
sub users_of ($ask) {
	my @listed = map { -f && !-l ? split q{ }, slurp($_) : () } @{$ask->{rosters} // []};
	my %users  = map { $_ => 1 } @listed, @{$ask->{users} // []};
	return keys %users;
}

sub answer_to ($ask) {
	my %answer = map { $_ => {} } qw(paths read list open run users groups);
	for my $path (@{$ask->{paths} // []}) {
		my ($is, $read) = seen($path);
		$answer{paths}{$path->{path}} = $is;
		$answer{read}{$path->{path}} = $read if defined $read;
	}
	for my $list (@{$ask->{list} // []}) {
		my $path = $list->{path};
		$answer{list}{$path} = names_in($path) // next;
		for my $sub (map { "$path/$_" } grep { named($_, $list->{within}) } @{$answer{list}{$path}}) {
			$answer{paths}{$sub} = look($sub) // next;
			next if $answer{paths}{$sub}{type} ne 'directory';
			$answer{list}{$sub} = names_in($sub) // next;
			$answer{paths}{"$sub/$_"} = look("$sub/$_", $list->{hash} // 1) for @{$answer{list}{$sub}};
		}
	}
	# Only opening a device shows whether it works.
	for my $path (@{$ask->{open} // []}) {
		my $opened = sysopen my $device, $path, O_RDONLY | O_NONBLOCK;
		$answer{open}{$path} = $opened ? q{} : "$!";
		close $device if $opened;
	}
	for my $name (users_of($ask)) {
		my @is = getpwnam $name or next;
		@{$answer{users}{$name}}{qw(home shell)} = @is[7, 8];
		$answer{users}{$name}{group}  = name_of($is[3], 'group');
		$answer{users}{$name}{groups} = groups_of($name);
	}
	for my $name (@{$ask->{groups} // []}) {
		my @is = getgrnam $name or next;
		$answer{groups}{$name} = $is[3];
	}
	$answer{log} = logs($ask->{log}) if $ask->{log};
	$answer{generations} = kept_files() if $ask->{generations};
	return \%answer;
}

# Runs the programs: one that several ask for runs once, with the longest of their times.
sub answers_of_programs ($asks, $answers) {
	my %first;
	my $words = sub ($run) { join "\0", $run->{cwd} // q{}, @{$run->{argv}} };
	for my $run (map { @{$_->{run} // []} } values %{$asks}) {
		my $first   = $first{$words->($run)} //= {%{$run}, timeout => 0};
		my $seconds = $run->{timeout} // 60;
		$first->{timeout} = $seconds if $seconds > $first->{timeout};
	}
	for my $key (sort keys %{$asks}) {
		for my $run (@{$asks->{$key}{run} // []}) {
			my $first = $first{$words->($run)};
			$answers->{$key}{run}{$run->{name}} = $first->{said} //= run($first->{argv}, %{$first});
		}
	}
	return;
}

sub probe ($request, @) {
	confine($request);
	my $asks    = $request->{asks};
	my %answers = map { $_ => answer_to($asks->{$_}) } sort keys %{$asks};
	answers_of_programs($asks, \%answers);
	return {
		answers    => \%answers,
		applied    => -e "$STATE/applied"   ? slurp("$STATE/applied") : undef,
		generation => scalar present_generation(),
		unfinished => -e "$PENDING/journal" ? JSON::PP::true()        : JSON::PP::false(),
		uid        => $>,
		user       => name_of($>, 'user'),
		uname      => run($UNAME)->{stdout},
	};
}

$VERB{probe} = \&probe;
