#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# stat(1) with its formats.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use SandboxTool;

my %FORMATS = (
    default => '%d %i %Sp %l %Su %Sg %r %z "%Sa" "%Sm" "%Sc" %k %b %#Xf %N',
    l => '%Sp %l %Su %Sg %Z %Sm %N%SY',
    F => '%Sp %l %Su %Sg %Z %Sm %N%T%SY',
    r => '%d %i %#p %l %u %g %r %z %a %m %c %k %b %f %N',
    s => 'st_dev=%d st_ino=%i st_mode=%#p st_nlink=%l st_uid=%u st_gid=%g st_rdev=%r st_size=%z '
        . 'st_atime=%a st_mtime=%m st_ctime=%c st_blksize=%k st_blocks=%b st_flags=%f',
    x => qq{  File: "%N"%n  Size: %-11z  FileType: %HT%n}
        . '  Mode: (%01Mp%03OLp/%.10Sp)         Uid: (%5u/%8Su)  Gid: (%5g/%8Sg)%n'
        . 'Device: %Hd,%Ld   Inode: %i    Links: %l%nAccess: %Sa%nModify: %Sm%nChange: %Sc',
);
my %TYPES = (
    p => ['Fifo File', '|'], c => ['Character Device', ''], d => ['Directory', '/'],
    b => ['Block Device', ''], '-' => ['Regular File', ''], l => ['Symbolic Link', '@'],
    s => ['Socket', '='],
);
my $PERMISSIONS = oct '0777';
my $CONVERSION = qr{([#+ 0-]*) (\d*) (?:[.](\d*))? ([DOUXFS]?) ([HML]?) ([a-zA-Z])}x;
my ($kind, $format, $times, %on) = ('');
my $usage = "usage: stat [-FLnq] [-f format | -l | -r | -s | -x] [-t timefmt] [file ...]\n";
take_options();

my ($rc, $number) = (0, 0);
for my $path (@ARGV ? @ARGV : (undef)) {
    $number++;
    my @stat = !defined $path ? stat STDIN : $on{L} ? stat $path : ();
    @stat = lstat $path if !@stat && defined $path;
    if (!@stat) {
        $rc = 1;
        complain(($path // '(stdin)') . ": $!") if !$on{q};
        next;
    }
    my $text = expand($path // '(stdin)', @stat);
    print $text, $on{n} || $text =~ /\n\z/ ? '' : "\n";
}
exit $rc;

sub take_options {
    for my $option (options('f:FlLnqrst:x', $usage)) {
        my ($letter, $value) = @$option;
        if ($letter =~ /[flrsx]/) {
            fail("can't use format '$kind' with '$letter'") if $kind;
            ($kind, $format) = ($letter, $value);
        }
        elsif ($letter eq 't') { $times = $value }
        else                   { $on{$letter} = 1 }
    }
    $kind ||= $on{F} ? 'l' : 'default';
    fail("can't use format '$kind' with -F") if $on{F} && $kind ne 'l';
    $format //= $FORMATS{ $on{F} ? 'F' : $kind };
    $times //= $kind eq 'x' ? '%c' : '%b %e %H:%M:%S %Y';
    return;
}

sub expand {
    my ($path, @stat) = @_;
    my $text = $format;
    $text =~ s{(%(?:([nt%@]) | $CONVERSION))}
              {defined $2 ? plain($2) : field($1, $path, \@stat, [$3, $4, $5, $6, $7, $8])}gex;
    return $text;
}

sub plain {
    my ($letter) = @_;
    return { n => "\n", t => "\t", '%' => '%', '@' => $number }->{$letter};
}

sub field {
    my ($whole, $path, $stat, $parts) = @_;
    my ($flags, $size, $precision, $output, $piece, $what) = @$parts;
    my ($value, $default) = value($path, $stat, $what, $output, $piece);
    fail("$whole: bad format") if !defined $value;
    $output ||= $default;
    my $letter = { D => 'd', O => 'o', U => 'u', X => 'x', F => 'd', S => 's' }->{$output};
    fail("$whole: bad format") if $letter ne 's' && $value !~ /\A-?\d+\z/;
    $precision = defined $precision ? ".$precision" : '';
    return sprintf "%$flags$size$precision$letter", $value;
}

# The datum and the way it is shown unless the format says otherwise.
sub value {
    my ($path, $stat, $what, $output, $piece) = @_;
    my ($mode, $type) = ($stat->[2], kind($stat->[2]));
    my $string = $output eq 'S';
    if ($what eq 'p') {
        my $shown = mode_string($mode);
        return ({ '' => $shown, H => substr($shown, 1, 3), M => substr($shown, 4, 3),
                  L => substr($shown, 7, 3) }->{$piece}, 'O') if $string;
        return ({ '' => $mode, H => $mode >> 12, M => $mode >> 9 & 7, L => $mode & $PERMISSIONS }->{$piece}, 'O');
    }
    if ($what =~ /[dr]/) {
        my $device = $stat->[$what eq 'd' ? 0 : 6];
        my ($major, $minor) = ($device >> 8 & 0xfff, $device & 0xff | $device >> 12 & 0xfff00);
        return ('???', 'U') if $string;
        return ({ '' => $major << 8 | $minor, H => $major, L => $minor }->{$piece}, 'U');
    }
    if ($what eq 'Z') {
        my ($minor) = value($path, $stat, 'r', '', 'L');
        my ($major) = value($path, $stat, 'r', '', 'H');
        return ("$major,$minor", 'S') if $type eq 'c' || $type eq 'b';
        return (size_of(@$stat), 'U');
    }
    if ($what eq 'T') {
        return ($TYPES{$type}[0], 'S') if $piece eq 'H';
        return ($type eq '-' && mode_string($mode) =~ /x/ ? '*' : $TYPES{$type}[1], 'S');
    }
    return if $piece ne '';
    return ($string ? user_name($stat->[4]) : $stat->[4], 'U') if $what eq 'u';
    return ($string ? group_name($stat->[5]) : $stat->[5], 'U') if $what eq 'g';
    if ($what =~ /[amcB]/) {
        my $time = $stat->[{ a => 8, m => 9, c => 10, B => 10 }->{$what}];
        return ($string ? format_time($times, $time) : $time, 'D');
    }
    if ($what eq 'Y') {
        my $target = $type eq 'l' ? readlink $path : undef;
        return (!defined $target ? '' : $string ? " -> $target" : $target, 'S');
    }
    return ($path, 'S') if $what eq 'N';
    my %numbers = (
        i => $stat->[1], l => $stat->[3], z => size_of(@$stat), k => 16_384, f => 0, v => 0,
    );
    return (sectors(@$stat), 'U') if $what eq 'b' && !$string;
    return ($string ? undef : $numbers{$what}, 'U');
}
