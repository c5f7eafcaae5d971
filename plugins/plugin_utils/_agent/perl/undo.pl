# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The way back of a transaction that failed, was cut off or was not confirmed.
# It needs nothing but the journal, and leaves alone what is as it was.

use v5.36;

sub undo_run ($step, $id) {
	for my $back (@{$step->{undo} // []}) {
		my $unless = $back->{unless};
		next if $unless && run($unless->{argv})->{stdout} =~ /$unless->{match}/xms;
		check_run($back, run($back->{argv}, %{$back}));
	}
	return;
}

sub undo_stage ($step, $id) {
	my $staged = staged($step, $id);
	as_user($step->{as}, sub { unlink $staged or $!{ENOENT} or fail("$staged: $!") });
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
	return if look($path) || !$was;
	mkdir $path, 0700 or fail("$path: $!");
	attributes($path, %{$was});
	sync_directory($path);
	return;
}

sub undo_directory ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	as_user(
		$step->{as},
		sub {
			if   ($was) { attributes($path, %{$was}) }
			else        { rmdir $path or $!{ENOENT} or fail("$path: $!") }
			sync_directory($path);
		}
	);
	return;
}

sub undo_file ($step, $id) {
	my ($path, $was) = @{$step}{qw(path was)};
	my $content = $step->{old} ? slurp($step->{old}) : undef;
	as_user(
		$step->{as},
		sub {
			my $is = look($path);
			if    (same($is, [$was ? $was->{sha256} : undef])) { return }
			elsif (!same($is, [$step->{sha256}])) { fail('it was changed by somebody else; left as it is') }
			elsif (!$was) { unlink $path or $!{ENOENT} or fail("$path: $!") }
			else {
				my $new = staged($step, $id);
				unlink $new;
				write_file($new, $content, %{$was});
				rename $new, $path or fail("$path: $!");
			}
			sync_directory($path);
		}
	);
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

# Puts one step back; what is already as it was is left alone.
sub undo ($step, $id) {
	# With an account that was never made there is nothing of it.
	return if $step->{as} && $step->{do} ne 'run' && !defined getpwnam $step->{as};
	my $undo = $UNDO{$step->{do}} or return;
	$undo->($step, $id);
	return;
}

# Steps come last first.
sub way_back ($steps, $id) {
	local $undoing = 1;
	my @problems;
	# Files first, then programs: a daemon restarts with its old files. A directory that was made
	# goes last, when the programs have taken back what they put into it.
	my @phases = ([], [], []);
	for my $step (@{$steps}) {
		my $made = $step->{do} eq 'directory' && !$step->{was};
		push @{$phases[$step->{do} eq 'run' ? 1 : $made ? 2 : 0]}, $step;
	}
	for my $step (map { @{$_} } @phases) {
		next if eval { undo($step, $id); 1 };
		my $error = ref $@ ? $@ : {text => "$@"};
		push @problems, join ': ', $step->{title} // $step->{path} // $step->{do},
		    $error->{text}, grep { length } $error->{stderr} // q{};
	}
	remove_tree($PENDING) if !@problems;
	return \@problems;
}

# A run that was killed in the middle left its journal: back to before it.
sub recover () {
	return if !-e "$PENDING/journal";
	my $journal = $JSON->decode(slurp("$PENDING/journal"));
	my %begun   = -e "$PENDING/begun" ? map { $_ => 1 } split q{ }, slurp("$PENDING/begun") : ();
	my @steps   = grep { $_->{do} ne 'run' || $begun{$_->{n}} } @{$journal->{steps}};
	$_->{keep} = 1 for @steps;
	my $problems = way_back([reverse @steps], $journal->{id});
	fail("an earlier run was cut off and could not be undone: @{$problems}") if @{$problems};
	return $journal->{by};
}
