#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# encrypt(1): bcrypt hashes of the argument, of a typed line (-p), or of each line of standard input.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my @LETTERS = ('.', '/', 'A' .. 'Z', 'a' .. 'z', '0' .. '9');
my $usage = "usage: encrypt [-b rounds] [-c class] [-p | string]\n";
my %on = map { $_->[0] => $_->[1] // 1 } options('pb:c:', $usage);
my $rounds = $on{b} // 'a';
$rounds = 10 if $rounds eq 'a';
fail("Invalid cost $rounds") if $rounds !~ /\A\d+\z/ || $rounds < 4 || $rounds > 31;
usage($usage) if @ARGV > 1 || $on{p} && @ARGV;
if (@ARGV) { print hash($ARGV[0]), "\n"; exit 0 }
if ($on{p}) {
    print {*STDERR} 'Enter string: ';
    my $line = readline(*STDIN) // '';
    chomp $line;
    print {*STDERR} "\n" if -t STDIN;
    print hash($line), "\n";
    exit 0;
}
while (my $line = readline *STDIN) {
    chomp $line;
    print hash($line), "\n";
}

sub hash {
    my ($text) = @_;
    open my $random, '<:raw', '/dev/urandom' or fail("/dev/urandom: $!");
    sysread $random, my $bytes, 22;
    my $salt = join '', map { $LETTERS[$_ & 63] } unpack 'C*', $bytes;
    # The last letter stands for two bits only.
    substr $salt, -1, 1, (qw(. O e u))[ord(substr $bytes, -1) & 3];
    return crypt $text, sprintf '$2b$%02d$%s', $rounds, $salt;
}
