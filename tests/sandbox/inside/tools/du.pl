#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# du(1): blocks as FFS would use them.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my %on = map { $_->[0] => $_->[1] // 1 }
    options('HLPacd:hkrsx', "usage: du [-achkrsx] [-H | -L | -P] [-d depth] [file ...]\n");
$on{d} = 0 if $on{s};
my ($rc, $sum, %seen) = (0, 0);
$sum += walk($_, 0) for @ARGV ? @ARGV : ('.');
show($sum, 'total') if $on{c};
exit $rc;

sub walk {
    my ($path, $depth) = @_;
    my @stat = $on{L} || $on{H} && !$depth ? stat $path : lstat $path;
    if (!@stat) { $rc = complain("$path: $!"); return 0 }
    return 0 if $stat[3] > 1 && kind($stat[2]) ne 'd' && $seen{"$stat[0],$stat[1]"}++;
    my $total = sectors(@stat);
    if (kind($stat[2]) eq 'd') {
        if (opendir my $handle, $path) {
            $total += walk("$path/$_", $depth + 1) for sort grep { !/\A\.\.?\z/ } readdir $handle;
        }
        else { $rc = complain("$path: $!") }
        show($total, $path) if !defined $on{d} || $depth <= $on{d};
    }
    elsif (!$depth || $on{a}) { show($total, $path) }
    return $total;
}

sub show {
    my ($total, $path) = @_;
    if ($on{h}) {
        my ($size, @units) = ($total * 512, 'B', 'K', 'M', 'G', 'T');
        while ($size >= 1024 && @units > 1) { $size /= 1024; shift @units }
        printf "%s%s\t%s\n", $size < 10 && $units[0] ne 'B' ? sprintf('%.1f', $size) : int $size, $units[0], $path;
    }
    else { printf "%d\t%s\n", $on{k} ? int(($total + 1) / 2) : $total, $path }
    return;
}
