#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# ls(1): the long form, and one name a line otherwise.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my $HALF_YEAR = 365 * 86_400 / 2;
my %on;
my $usage = "usage: ls [-1AaCcdFfgHhikLlmnopqRrSsTtux] [file ...]\n";
$on{ $_->[0] }++ for options('1ACFHLRSTacdfghiklmnopqrstux', $usage);
$on{l} = 1 if $on{n} || $on{g} || $on{o};
my $rc = 0;
my (@files, @directories);

for my $path (@ARGV ? @ARGV : ('.')) {
    my @stat = look($path, !$on{l} && !$on{d} || $on{L} || $on{H});
    if (!@stat) {
        $rc = complain("$path: $!");
        next;
    }
    if ($on{d} || kind($stat[2]) ne 'd') { push @files, [$path, $path, @stat] }
    else                                           { push @directories, [$path, $path, @stat] }
}
print_rows(0, sorted(@files)) if @files;
my $shown = @files;
my $several = @files + @directories > 1;
@directories = sorted(@directories);
list($_->[0]) for @directories;
exit $rc;

sub look {
    my ($path, $follow) = @_;
    my @stat = $follow ? stat $path : ();
    return @stat ? @stat : lstat $path;
}

sub sorted {
    my (@rows) = @_;
    return @rows if $on{f};
    my $key = $on{c} ? 12 : $on{u} ? 10 : 11;
    @rows = sort { $a->[0] cmp $b->[0] } @rows;
    if    ($on{S}) { @rows = sort { $b->[9] <=> $a->[9] || $a->[0] cmp $b->[0] } @rows }
    elsif ($on{t}) { @rows = sort { $b->[$key] <=> $a->[$key] || $a->[0] cmp $b->[0] } @rows }
    return $on{r} ? reverse @rows : @rows;
}

sub list {
    my ($path) = @_;
    print "\n" if $shown++;
    print "$path:\n" if $several || $shown > 1;
    my $handle;
    if (!opendir $handle, $path) {
        $rc = complain("$path: $!");
        return;
    }
    my @rows;
    for my $name (readdir $handle) {
        next if $name =~ /\A\./ && !$on{a} && !$on{f} && (!$on{A} || $name =~ /\A\.\.?\z/);
        my @stat = look("$path/$name", $on{L});
        push @rows, [$name, "$path/$name", @stat] if @stat;
    }
    @rows = sorted(@rows);
    print_rows(1, @rows);
    if ($on{R}) {
        list($_->[1]) for grep { kind($_->[4]) eq 'd' && $_->[0] !~ /\A\.\.?\z/ } @rows;
    }
    return;
}

# A row is name, path and the thirteen values of stat.
sub print_rows {
    my ($total, @rows) = @_;
    my @lines = map { cells(@$_) } @rows;
    if ($total && ($on{l} || $on{s})) {
        my $sum = 0;
        $sum += $_->{sectors} for @lines;
        print 'total ', ($on{k} ? int(($sum + 1) / 2) : $sum), "\n";
    }
    my %width;
    for my $line (@lines) {
        for my $key (qw(inode blocks links user group size major minor)) {
            my $length = length($line->{$key} // '');
            $width{$key} = $length if $length > ($width{$key} // 0);
        }
    }
    if (defined $width{major} && $width{major}) {
        my $device = $width{major} + 2 + $width{minor};
        if ($device > ($width{size} // 0)) { $width{size} = $device }
        else                        { $width{major} = $width{size} - 2 - $width{minor} }
    }
    for my $line (@lines) {
        my $text = '';
        $text .= sprintf '%*s ', $width{inode}, $line->{inode} if $on{i};
        $text .= sprintf '%*s ', $width{blocks}, $line->{blocks} if $on{s};
        if ($on{l}) {
            $text .= sprintf '%s  %*s ', $line->{mode}, $width{links}, $line->{links};
            $text .= sprintf '%-*s  ', $width{user}, $line->{user} if !$on{g};
            $text .= sprintf '%-*s  ', $width{group}, $line->{group};
            $text .= defined $line->{major}
                ? sprintf '%*s, %*s ', $width{major}, $line->{major}, $width{minor}, $line->{minor}
                : sprintf '%*s ', $width{size}, $line->{size};
            $text .= "$line->{time} ";
        }
        print "$text$line->{name}\n";
    }
    return;
}

sub cells {
    my ($name, $path, @stat) = @_;
    my $kind = kind($stat[2]);
    my $runs = mode_string($stat[2]) =~ /x/;
    my $mark = $on{F} ? { d => '/', l => '@', s => '=', p => '|', '-' => $runs ? '*' : '' }->{$kind} // ''
        : $on{p} && $kind eq 'd' ? '/' : '';
    my $sectors = $on{l} || $on{s} ? sectors(@stat) : 0;
    my %cell = (
        name => "$name$mark", inode => $stat[1], sectors => $sectors,
        blocks => $on{k} ? int(($sectors + 1) / 2) : $sectors, mode => mode_string($stat[2]),
        links => $stat[3], user => $on{n} ? $stat[4] : user_name($stat[4]),
        group => $on{n} ? $stat[5] : group_name($stat[5]), size => size_of(@stat),
    );
    if ($kind eq 'c' || $kind eq 'b') {
        $cell{major} = $stat[6] >> 8 & 0xfff;
        $cell{minor} = $stat[6] & 0xff | $stat[6] >> 12 & 0xfff00;
        $cell{size} = '';
    }
    if ($on{h} && !defined $cell{major}) { $cell{size} = human($cell{size}) }
    if ($on{l} && $kind eq 'l') { $cell{name} .= ' -> ' . readlink $path }
    my $time = $on{c} ? $stat[10] : $on{u} ? $stat[8] : $stat[9];
    my $recent = abs(time - $time) < $HALF_YEAR;
    $cell{time} = format_time($on{T} ? '%b %e %H:%M:%S %Y' : $recent ? '%b %e %H:%M' : '%b %e  %Y', $time);
    return \%cell;
}

sub human {
    my ($size) = @_;
    my @units = ('B', 'K', 'M', 'G', 'T');
    while ($size >= 1024 && @units > 1) { $size /= 1024; shift @units }
    return $units[0] eq 'B' ? "${size}B" : sprintf $size < 10 ? '%.1f%s' : '%.0f%s', $size, $units[0];
}
