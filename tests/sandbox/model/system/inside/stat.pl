#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# stat(1) with -f and the fields that tests look at.
use strict;
use warnings;
use NotModelled;

if (!exists $ENV{FAKEROOTKEY}) {
    @ENV{qw(LD_PRELOAD FAKEROOTKEY)} = ('/usr/libexec/sandbox/libfakeroot.so', '7800');
    exec $^X, $0, @ARGV or die "stat: $!\n";
}
my ($option, $format, @paths) = @ARGV;
($option // '') =~ /\A-L?f\z/ or NotModelled::answer("stat @ARGV");
my $rc = 0;
for my $path (@paths) {
    my @stat = $option eq '-Lf' ? stat $path : lstat $path;
    if (!@stat) { print {*STDERR} "stat: $path: $!\n"; $rc = 1; next }
    my ($mode, $device) = @stat[2, 6];
    my ($major, $minor) = ($device >> 8 & 0xfff, $device & 0xff | $device >> 12 & 0xfff00);
    my $kind = { 1 => 'p', 2 => 'c', 4 => 'd', 6 => 'b', 8 => '-', 10 => 'l', 12 => 's' }->{ $mode >> 12 };
    my $sticky = $mode >> 9 & 1;
    my $permissions = $mode & oct '777';
    my $bits = join '', map { $mode >> (8 - $_) & 1 ? ('r', 'w', 'x')[$_ % 3] : '-' } 0 .. 8;
    $bits =~ s/x\z/t/ if $sticky;
    my %field = (
        Sp => $kind . $bits, Lp => sprintf('%o', $permissions), OLp => sprintf('%03o', $permissions),
        OMp => $mode >> 9 & 7, Su => scalar getpwuid $stat[4], Sg => scalar getgrgid $stat[5],
        z => $kind eq 'c' ? 0 : $stat[7], N => $path, i => $stat[1], Hr => $major, Lr => $minor,
        T => q(), Z => "$major,$minor", b => $stat[12],
    );
    my $line = $format;
    $line =~ s/% (OMp|OLp|Sp|Lp|Su|Sg|Hr|Lr|[zNiTZb])/$field{$1}/gx;
    NotModelled::answer("stat -f $format") if $line =~ /%/;
    print "$line\n";
}
exit $rc;
