# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The journal of a transaction, in $PENDING: how everything was before, and how far
# the transaction came. Once it has finished, the old files stay as a generation in
# $STATE.

use v5.36;

# rc(8) runs this once when the system boots, after the network and before
# rc.local(8), mails what it printed to root, and removes it.
my $AT_BOOT = '/etc/rc.firsttime';
my $CALL    = "[ ! -f $PENDING/boot ] || /usr/bin/perl $PENDING/boot\n";

# How many generations are kept, and how many bytes of them.
my $GENERATIONS = 100;
my $BYTES       = 1 << 28;

# The journal says, before anything is changed, how each thing was and how it
# will be; putting it back needs nothing else, even after a crash.
sub write_journal ($transaction, $by, $blobs) {
	remove_tree($PENDING);
	mkdir $PENDING, 0700 or fail("$PENDING: $!");
	my ($number, @entries) = (0);
	for my $step (@{$transaction->{steps}}) {
		my %entry = %{$step};
		if ($step->{do} =~ /\A(?:commit|remove|attributes|directory|rmdir)\z/xms) {
			$entry{was} = look($step->{path});
			if ($step->{do} =~ /\A(?:commit|remove)\z/xms && $entry{was}) {
				my $old = slurp($step->{path});
				fail("$step->{path} changes while it is read; run again")
				    if Digest::SHA::sha256_hex($old) ne $entry{was}{sha256};
				$entry{old} = $number++;
				write_file("$PENDING/$entry{old}", $old);
			}
		}
		push @entries, \%entry;
	}
	my %head = (by => $by, time => time, map { $_ => $transaction->{$_} } qw(id name confirm keep generation after others));
	write_file("$PENDING/new", $JSON->encode(\%head) . "\n" . $JSON->encode(\@entries) . "\n");
	rename "$PENDING/new", "$PENDING/journal" or fail("$PENDING/journal: $!");
	sync_directory("$PENDING/journal");
	if ($head{confirm}) {
		write_file("$PENDING/boot", substr ${$blobs}, $transaction->{boot}[0], $transaction->{boot}[1]);
		call_at_boot(1);
	}
	return {%head, steps => \@entries};
}

# Makes rc(8) put back what waits for its confirmation when the server goes down.
sub call_at_boot ($on) {
	my $was  = look($AT_BOOT);
	my $text = $was ? slurp($AT_BOOT) : q{};
	my $new  = $text =~ s/^\Q$CALL\E//xmsr;
	if ($on) { $new .= (length $new && $new !~ /\n\z/xms ? "\n" : q{}) . $CALL }
	return if $new eq $text;
	return replace_file($AT_BOOT, $new, %{$was // {}}) if length $new;
	unlink $AT_BOOT or fail("$AT_BOOT: $!");
	sync_directory($AT_BOOT);
	return;
}

# Notes a step before it runs, since its traces do not show whether it did.
sub note_begun ($step) {
	sysopen my $out, "$PENDING/begun", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600
	    or fail("$PENDING/begun: $!");
	my $ok = (print {$out} "$step->{n}\n") && $out->flush && $out->sync;
	fail("$PENDING/begun: $!") if !$ok;
	close $out or fail("$PENDING/begun: $!");
	return;
}

# The transaction is done once its journal has another name: a number where it
# changed files, which are a generation then. Nothing after that may fail it, such
# as a full disk.
sub conclude ($journal) {
	my $number = $journal->{generation} && grep({ file_step($_) } @{$journal->{steps}})
	    ? 1 + ((generations())[-1] // 0) : undef;
	my $place = "$STATE/" . ($number // $journal->{id});
	close_journal($journal, $place);
	my $done = eval {
		unlink "$STATE/applied.new";
		write_file("$STATE/applied.new", "$journal->{id}\n");
		rename "$STATE/applied.new", "$STATE/applied";
	};
	strip($journal, $place);
	if   ($number) { drop_generations($journal->{keep} // $GENERATIONS) }
	else           { remove_tree($place) }
	return {%{$journal}{qw(id name)}, kept => $number ? $place : undef};
}

# Whether a step changed a file that can be put back later: not a secret, whose old
# content is not kept, and not a file that goes with something else.
sub file_step ($step) {
	return $step->{do} =~ $OF_FILES && !$step->{sensitive} && !$step->{stays};
}

sub close_journal ($journal, $place) {
	# The decision has been made; a call that stays would do nothing.
	my $ok = eval { call_at_boot(0) if $journal->{confirm}; 1 };
	rename $PENDING, $place or fail("$place: $!");
	sync_directory($PENDING);
	return;
}

# Removes secrets, and what only a transaction under way needs.
sub strip ($journal, $place) {
	unlink map { "$place/$_->{old}" } grep { defined $_->{old} && $_->{sensitive} } @{$journal->{steps}};
	unlink map { "$place/$_" } qw(boot begun waiting confirmed expired);
	return;
}

# Removes the oldest generations, so that those that stay are consecutive.
sub drop_generations ($keep) {
	my ($count, $size) = (0, 0);
	for my $number (reverse generations()) {
		$size += -s "$STATE/$number/$_" for @{names_in("$STATE/$number") // []};
		remove_tree("$STATE/$number") if ++$count > $keep || $count > 1 && $size > $BYTES;
	}
	return;
}

# Keeps the old files of a transaction that was put back where they are useful, and
# those of a few before it. Returns where they are.
sub tidy ($journal, $of_use) {
	my $place = "$STATE/$journal->{id}";
	strip($journal, $place);
	if (!$of_use) { remove_tree($place); return }
	my @all = reverse grep { /\A\d{8}T\d{6}/xms } @{names_in($STATE) // []};
	remove_tree("$STATE/$_") for splice @all, 10;
	return $place;
}
