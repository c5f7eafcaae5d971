# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# "probe" looks: at paths, directories, devices, accounts and groups, and at
# what programs say. It changes nothing, and knows of no policy.

use v5.36;

sub named ($name, $pattern) { return defined $pattern && $name =~ /$pattern/xms }

sub probe ($request, @) {
	my %answer = (paths => {}, read => {}, list => {}, open => {}, run => {}, users => {}, groups => {});
	for my $ask (@{$request->{paths} // []}) {
		$answer{paths}{$ask->{path}} = as_user(
			$ask->{as},
			sub {
				my $is = look($ask->{path}, $ask->{hash} // 1);
				$answer{read}{$ask->{path}} = encode_base64(slurp($ask->{path}), q{})
				    if $ask->{read} && $is && $is->{type} eq 'file';
				return $is;
			}
		);
	}
	for my $ask (@{$request->{list} // []}) {
		my $path = $ask->{path};
		$answer{list}{$path} = names_in($path) // next;
		for my $sub (map { "$path/$_" } grep { named($_, $ask->{within}) } @{$answer{list}{$path}}) {
			$answer{paths}{$sub} = look($sub) // next;
			next if $answer{paths}{$sub}{type} ne 'directory';
			$answer{list}{$sub} = names_in($sub) // next;
			$answer{paths}{"$sub/$_"} = look("$sub/$_") for @{$answer{list}{$sub}};
		}
	}
	# Of a device that nothing stands behind only opening tells.
	for my $path (@{$request->{open} // []}) {
		my $opened = sysopen my $device, $path, O_RDONLY | O_NONBLOCK;
		$answer{open}{$path} = $opened ? q{} : "$!";
		close $device if $opened;
	}
	my @users = users_of($request);
	my %member;
	if (@users) {
		while (my @group = getgrent) { push @{$member{$_}}, $group[0] for split q{ }, $group[3] }
	}
	for my $name (@users) {
		my @is = getpwnam $name or next;
		my ($home, $shell) = @is[7, 8];
		my %keys;
		for my $file (qw(.ssh .ssh/authorized_keys)) {
			# What a user hides even from itself must not hide all the rest.
			$keys{$file} = as_user(
				$name,
				sub {
					my $is;
					eval { $is = look("$home/$file"); 1 } or $is = {type => 'file that cannot be read'};
					return $is;
				}
			);
		}
		$answer{users}{$name} = {
			home   => $home,
			shell  => $shell,
			group  => name_of($is[3], 'group'),
			groups => $member{$name} // [],
			files  => \%keys,
		};
	}
	for my $name (@{$request->{groups} // []}) {
		my @is = getgrnam $name or next;
		$answer{groups}{$name} = $is[3];
	}
	for my $ask (@{$request->{run} // []}) {
		$answer{run}{$ask->{name}} = run($ask->{argv}, %{$ask});
	}
	$answer{applied}    = -e "$STATE/applied"  ? slurp("$STATE/applied") : undef;
	$answer{unfinished} = -e "$PENDING/journal" ? JSON::PP::true() : JSON::PP::false();
	return \%answer;
}

$VERB{probe} = \&probe;
