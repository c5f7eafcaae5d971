# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The journal of a transaction, $PENDING: how all was before, and how far it
# came. Once it is finished, the old files stay as a generation in $STATE.

use v5.36;

# rc(8) runs this once when the system boots, behind the network and before
# rc.local(8), mails what it printed to root, and removes it.
my $AT_BOOT = '/etc/rc.firsttime';
my $CALL    = "[ ! -f $PENDING/boot ] || /usr/bin/perl $PENDING/boot\n";

# The journal says, before anything is changed, how each thing was and how it
# will be; the way back needs nothing else, also after a crash.
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
	my %head = (by => $by, time => time, map { $_ => $transaction->{$_} } qw(id name confirm keep));
	write_file("$PENDING/new", $JSON->encode(\%head) . "\n" . $JSON->encode(\@entries) . "\n");
	rename "$PENDING/new", "$PENDING/journal" or fail("$PENDING/journal: $!");
	sync_directory("$PENDING/journal");
	if ($head{confirm}) {
		write_file("$PENDING/boot", substr ${$blobs}, $transaction->{boot}[0], $transaction->{boot}[1]);
		call_at_boot(1);
	}
	return {%head, steps => \@entries};
}

# Has rc(8) put back what waits for its confirmation when the server goes down.
sub call_at_boot ($wanted) {
	my $was  = look($AT_BOOT);
	my $text = $was ? slurp($AT_BOOT) : q{};
	my $new  = $text =~ s/^\Q$CALL\E//xmsr;
	if ($wanted) { $new .= (length $new && $new !~ /\n\z/xms ? "\n" : q{}) . $CALL }
	return if $new eq $text;
	if (length $new) {
		unlink "$AT_BOOT.new";
		write_file("$AT_BOOT.new", $new, %{$was // {}});
		rename "$AT_BOOT.new", $AT_BOOT or fail("$AT_BOOT: $!");
	}
	else { unlink $AT_BOOT or fail("$AT_BOOT: $!") }
	sync_directory($AT_BOOT);
	return;
}

# Steps that cannot be recognised by their traces are noted before they run.
sub note_begun ($step) {
	sysopen my $out, "$PENDING/begun", O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600
	    or fail("$PENDING/begun: $!");
	my $ok = (print {$out} "$step->{n}\n") && $out->flush && $out->sync;
	fail("$PENDING/begun: $!") if !$ok;
	close $out or fail("$PENDING/begun: $!");
	return;
}

# The transaction is done once its journal has another name. What comes after
# that is no reason to fail: a full disk, say.
sub conclude ($journal) {
	close_journal($journal);
	my $done = eval {
		unlink "$STATE/applied.new";
		write_file("$STATE/applied.new", "$journal->{id}\n");
		rename "$STATE/applied.new", "$STATE/applied";
	};
	my $old  = grep { defined $_->{old} && !$_->{sensitive} } @{$journal->{steps}};
	my $kept = tidy($journal, $old > 0);
	return {%{$journal}{qw(id name)}, kept => $kept};
}

sub close_journal ($journal) {
	# It has been decided; what stayed of this would do nothing.
	my $ok = eval { call_at_boot(0) if $journal->{confirm}; 1 };
	rename $PENDING, "$STATE/$journal->{id}" or fail("$STATE/$journal->{id}: $!");
	sync_directory($PENDING);
	return;
}

# What is left of a transaction: its old files where they are of use, without
# secrets, and of each name the last few of them. Returns where they are.
sub tidy ($journal, $of_use) {
	my $place = "$STATE/$journal->{id}";
	unlink map { "$place/$_->{old}" } grep { defined $_->{old} && $_->{sensitive} } @{$journal->{steps}};
	unlink map { "$place/$_" } qw(boot begun waiting confirmed expired);
	if (!$of_use) { remove_tree($place); return }
	my %count;
	for my $id (reverse grep { /\A\d{8}T\d{6}/xms } @{names_in($STATE) // []}) {
		my $name = head_of("$STATE/$id/journal")->{name} // q{};
		remove_tree("$STATE/$id") if ++$count{$name} > ($journal->{keep} // 10);
	}
	return $place;
}

sub head_of ($path) {
	open my $in, '<', $path or return {};
	my $head = eval { $JSON->decode(scalar <$in>) } // {};
	close $in or return {};
	return $head;
}
