# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# Puts back a transaction that failed, was cut off or was not confirmed. It needs
# nothing but the journal, and leaves alone what is as it was, and what somebody
# else has changed or used since.

use v5.36;

# Leaves something as it is; all else is still put back.
sub leave ($path) { die {left => $path} }

# Whether a tree has the same as another and no more, as cp(1) -a made it. No file
# in it is opened.
sub alike ($path, $like) {
	my ($is, $model) = map { scalar look($_, 0) } $path, $like;
	return 0 if !$is || !$model || $is->{type} ne $model->{type};
	return $is->{size} == $model->{size} && $is->{mtime} == $model->{mtime}
	    if $is->{type} ne 'directory';
	my ($names, $models) = map { names_in($_) // [] } $path, $like;
	return "@{$names}" eq "@{$models}" && !grep { !alike("$path/$_", "$like/$_") } @{$names};
}

sub undo_run ($step, $id) {
	for my $back (@{$step->{undo} // []}) {
		my ($unless, $unused) = @{$back}{qw(unless unused)};
		leave("\"@{$back->{argv}}\" was not run") if $back->{at_once} && $step->{late};
		my $home = $unused ? home_of($unused->{user}) : undef;
		leave($home) if $unused && look($home, 0) && !alike($home, $unused->{like});
		next if $unless && run($unless->{argv})->{stdout} =~ /$unless->{match}/xms;
		check_run($back, run($back->{argv}, %{$back}));
	}
	return;
}

sub undo_stage ($step, $id) {
	my $staged = staged($step, $id);
	unlink $staged or $!{ENOENT} or $!{ENOTDIR} or fail("$staged: $!");
	return;
}

sub undo_rename ($step, $id) {
	my $path = $step->{path};
	my ($from, $to) = map { join q{ }, (lstat)[0, 1] } $step->{from}, $path;
	# Since a crash somebody may have used the file under its new name.
	if    ($from && $from eq $to) { unlink $step->{keep} ? $step->{from} : $path }
	elsif (!$from && $to && !$step->{keep}) { move($path, $step->{from}) }
	return;
}

sub undo_rmdir ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	return if look($path, 0) || !$was;
	mkdir $path, 0700 or $!{ENOENT} ? leave($path) : fail("$path: $!");
	attributes($path, %{$was});
	sync_directory($path);
	return;
}

sub undo_directory ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	return if !look($path, 0);
	if ($was) { attributes($path, %{$was}) }
	elsif (!rmdir $path) { $!{ENOTEMPTY} || $!{ENOTDIR} ? leave($path) : fail("$path: $!") }
	sync_directory($path);
	return;
}

sub undo_file ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	my $is = look($path);
	if    (same($is, [$was ? $was->{sha256} : undef])) { return }
	elsif (!same($is, [$step->{sha256}])) { leave($path) }
	elsif (!$was) { unlink $path or fail("$path: $!") }
	else {
		my $new = staged($step, $id);
		unlink $new;
		write_file($new, slurp("$PENDING/$step->{old}"), %{$was});
		rename $new, $path or fail("$path: $!");
	}
	sync_directory($path);
	return;
}

my %UNDO = (
	run        => \&undo_run,
	stage      => \&undo_stage,
	rename     => \&undo_rename,
	rmdir      => \&undo_rmdir,
	directory  => \&undo_directory,
	attributes => \&undo_directory,
	commit     => \&undo_file,
	remove     => \&undo_file,
);

# Puts steps back, given with the last one first; returns what was left as it is,
# and what could not be put back.
sub way_back ($steps, $id) {
	local $undoing = 1;
	my %outcome = (left => [], problems => [], full => 0);
	# Files first, then programs: a daemon restarts with its old files. A directory that was made
	# goes last, when the programs have removed what they put into it.
	my @phases = ([], [], []);
	for my $step (@{$steps}) {
		my $made = $step->{do} eq 'directory' && !$step->{was};
		push @{$phases[$step->{do} eq 'run' ? 1 : $made ? 2 : 0]}, $step;
	}
	for my $step (map { @{$_} } @phases) {
		my $undo = $UNDO{$step->{do}} // next;
		next if eval { $undo->($step, $id); 1 };
		my $full  = $!{ENOSPC} || $!{EDQUOT};
		my $error = failure();
		if (defined $error->{left}) { push @{$outcome{left}}, $error->{left}; next }
		$outcome{full} ||= $full;
		push @{$outcome{problems}}, join ': ', $step->{title} // $step->{path} // $step->{do},
		    $error->{text}, grep { length } $error->{stderr} // q{};
	}
	return \%outcome;
}

# Puts a transaction back. Its old files stay where something was not or could not
# be put back; the next request tries the latter again.
sub put_back ($journal, $steps) {
	my $outcome = way_back($steps, $journal->{id});
	return $outcome if @{$outcome->{problems}};
	my $ok = eval {
		close_journal($journal, "$STATE/$journal->{id}");
		$outcome->{kept} = tidy($journal, @{$outcome->{left}} > 0);
		1;
	};
	remove_tree($PENDING) if !$ok;
	return $outcome;
}

# Puts back a run that left its journal: it was killed, or nobody could confirm its
# change any more. What cannot be put back, now or later, is reported and does not
# keep other runs from their work.
sub recover () {
	my $journal = journal();
	return if !$journal->{id};
	return {confirmed => conclude($journal)} if -e "$PENDING/confirmed";
	my %begun = -e "$PENDING/begun" ? map { $_ => 1 } split q{ }, slurp("$PENDING/begun") : ();
	my @steps = grep { $_->{do} ne 'run' || $begun{$_->{n}} } @{$journal->{steps}};
	# What may have cut the server off is put back whole, however late that is.
	@{$_}{qw(keep late)} = (1, !$journal->{confirm}) for @steps;
	my $outcome = put_back($journal, [reverse @steps]);
	if (my @problems = @{$outcome->{problems}}) {
		fail("an earlier run ($journal->{by}) was cut off and there is no room to undo it: @problems; "
			. 'make room on that disk and run again')
		    if $outcome->{full};
		close_journal($journal, "$STATE/$journal->{id}");
		$outcome->{kept} = tidy($journal, 1);
	}
	return {%{$journal}{qw(id name by time)}, %{$outcome}};
}
