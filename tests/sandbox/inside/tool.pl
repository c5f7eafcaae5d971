# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# What the tools of a server have in common. Each tool requires this file, which takes its options
# as OpenBSD's getopt(3) does, or runs the host's program with options that were looked at first.
use strict;
use warnings;

my ($FRAGMENT, $BLOCK, $SECTOR) = (2048, 16_384, 512);
my $HOST = '/usr/libexec/sandbox/host';
my %FAKE = (LD_PRELOAD => '/usr/libexec/sandbox/libfakeroot.so', FAKEROOTKEY => '7800');

our ($NAME) = $0 =~ m{([^/]+)\z};
our @MONTHS = qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec);
our @DAYS   = qw(Sun Mon Tue Wed Thu Fri Sat);

# A caller that has cleared its environment has lost what makes the server's owners visible.
if (!exists $ENV{FAKEROOTKEY}) {
    @ENV{keys %FAKE} = values %FAKE;
    exec $^X, $0, @ARGV or die "$NAME: $!\n";
}

sub fail {
    my ($text, $rc) = @_;
    print {*STDERR} "$NAME: $text\n";
    exit($rc // 1);
}

sub complain {
    my ($text) = @_;
    print {*STDERR} "$NAME: $text\n";
    return 1;
}

sub usage {
    my ($usage, $rc) = @_;
    print {*STDERR} $usage;
    exit($rc // 1);
}

# Takes the options off @ARGV: a list of [letter, argument]. Two colons: an argument in the same word.
sub options {
    my ($letters, $usage, $rc) = @_;
    my @given;
    while (@ARGV && $ARGV[0] =~ /\A-./s) {
        my $word = shift @ARGV;
        last if $word eq '--';
        my ($letter, $more) = $word =~ /\A-(.)(.*)\z/s;
        while (defined $letter) {
            my $place = $letter eq ':' ? -1 : index $letters, $letter;
            if ($place < 0) {
                print {*STDERR} "$NAME: unknown option -- $letter\n";
                usage($usage, $rc);
            }
            my ($colons) = substr($letters, $place + 1) =~ /\A(:*)/;
            if ($colons eq '::') { push @given, [$letter, $more]; last }
            if ($colons eq ':') {
                if ($more eq '' && !@ARGV) {
                    print {*STDERR} "$NAME: option requires an argument -- $letter\n";
                    usage($usage, $rc);
                }
                push @given, [$letter, $more ne '' ? $more : shift @ARGV];
                last;
            }
            push @given, [$letter, undef];
            ($letter, $more) = $more =~ /\A(.)(.*)\z/s;
        }
    }
    return @given;
}

# Runs the host's program of that name with its messages made OpenBSD's.
sub run_host {
    my ($program, @arguments) = @_;
    local $ENV{POSIXLY_CORRECT} = 1;
    local $ENV{LC_ALL} = 'C';
    exec {"$HOST/$program"} $NAME, @arguments or fail("$program: $!", 127);
}

# The same, for programs that start others, which get the caller's environment.
sub run_host_starter {
    my ($program, @arguments) = @_;
    exec {"$HOST/$program"} $NAME, @arguments or fail("$program: $!", 127);
}

# Takes OpenBSD's options and calls a runner with what the host's program has in their place.
sub wrap {
    my ($letters, $usage, $runner, $program, $first, $other) = @_;
    $ARGV[0] =~ s/\A-(?=\d+\z)/-n/ if @ARGV && $letters =~ /\An:\z/;
    my @words = @$first;
    for my $option (options($letters, $usage, $program =~ /\A(?:cmp|diff|grep|sort)\z/ ? 2 : 1)) {
        my ($letter, $value) = ($other->{ $option->[0] } // $option->[0], $option->[1]);
        push @words, "-$letter" . ($value // '') if $letter ne '';
    }
    return $runner->($program, @words, @ARGV ? ('--', @ARGV) : ());
}

# The same, for programs that word their errors otherwise.
sub run_host_reworded {
    my ($program, @arguments) = @_;
    pipe my $reader, my $writer or fail("pipe: $!");
    defined(my $child = fork) or fail("fork: $!");
    if (!$child) {
        open STDERR, '>&', $writer or exit 127;
        close $reader;
        close $writer;
        run_host($program, @arguments);
    }
    close $writer;
    while (my $line = <$reader>) {
        print {*STDERR} reword($line);
    }
    waitpid $child, 0;
    if (my $signal = $? & 127) { kill $signal, $$ }
    exit $? >> 8;
}

sub reword {
    my ($line) = @_;
    $line =~ s/\A(mv): cannot move '(.*?)' to '(.*?)': /$1: rename $2 to $3: /s;
    $line =~ s/\A(mv): cannot stat '(.*?)': /$1: $2: /s;
    $line =~ s/\A(\w+): (?:cannot|failed to|changing|setting|cannot do) [\w\s]*?'(.*?)'(?: to '.*?')?: /$1: $2: /s;
    $line =~ s/\A(\w+): '(.*?)': /$1: $2: /s;
    $line =~ s/\A(\w+): invalid (user|group): '(.*?)'/$1: $2 is invalid: $3/s;
    return $line;
}

sub user_name {
    my ($uid) = @_;
    our %users;
    return $users{$uid} //= getpwuid($uid) // $uid;
}

sub group_name {
    my ($gid) = @_;
    our %groups;
    return $groups{$gid} //= getgrgid($gid) // $gid;
}

# ls -l's ten characters.
sub mode_string {
    my ($mode) = @_;
    my $kind = {
        0010000 => 'p', 0020000 => 'c', 0040000 => 'd', 0060000 => 'b', 0120000 => 'l',
        0140000 => 's',
    }->{$mode & 0170000} // '-';
    my $bits = '';
    for my $shift (6, 3, 0) {
        my $three = $mode >> $shift & 7;
        $bits .= ($three & 4 ? 'r' : '-') . ($three & 2 ? 'w' : '-');
        my ($special, $letter) = @{ { 6 => [04000, 's'], 3 => [02000, 's'], 0 => [01000, 't'] }->{$shift} };
        $bits .= $mode & $special ? ($three & 1 ? $letter : uc $letter) : $three & 1 ? 'x' : '-';
    }
    return $kind . $bits;
}

# Size of a file as FFS has it: a directory's grows by 512 bytes and is never that of the host.
sub size_of {
    my (@stat) = @_;
    return 0 if ($stat[2] & 0170000) == 0020000;
    return ($stat[2] & 0170000) == 0040000 ? 512 : $stat[7];
}

# Sectors of 512 bytes that FFS would use: small files in fragments of 2 KB, others in blocks of 16 KB,
# of which a sparse file has only those that the host's has.
sub sectors {
    my (@stat) = @_;
    my ($kind, $size) = ($stat[2] & 0170000, size_of(@stat));
    return $FRAGMENT / $SECTOR if $kind == 0040000;
    return 0 if $kind != 0100000 || !$size;
    my ($unit, $used) = $size <= $BLOCK ? ($FRAGMENT, $size) : ($BLOCK, $stat[12] * $SECTOR);
    return int(($used + $unit - 1) / $unit) * ($unit / $SECTOR);
}

# strftime(3) in UTC, which is the server's zone, for the conversions that programs use.
sub format_time {
    my ($format, $seconds) = @_;
    my ($s, $m, $h, $day, $month, $year, $weekday, $yday) = gmtime $seconds;
    my %value = (
        a => $DAYS[$weekday], b => $MONTHS[$month], h => $MONTHS[$month], d => sprintf('%02d', $day),
        e => sprintf('%2d', $day), H => sprintf('%02d', $h), I => sprintf('%02d', $h % 12 || 12),
        M => sprintf('%02d', $m), S => sprintf('%02d', $s), Y => $year + 1900,
        y => sprintf('%02d', $year % 100), m => sprintf('%02d', $month + 1), Z => 'UTC', z => '+0000',
        j => sprintf('%03d', $yday + 1), s => $seconds, u => $weekday || 7, w => $weekday, n => "\n",
        t => "\t", p => $h < 12 ? 'AM' : 'PM', '%' => '%', C => sprintf('%02d', $year / 100 + 19),
        A => (qw(Sunday Monday Tuesday Wednesday Thursday Friday Saturday))[$weekday],
        B => (qw(January February March April May June July August September October November
                December))[$month],
    );
    my %long = (
        T => '%H:%M:%S', D => '%m/%d/%y', F => '%Y-%m-%d', R => '%H:%M', c => '%a %b %e %H:%M:%S %Y',
        x => '%m/%d/%y', X => '%H:%M:%S', r => '%I:%M:%S %p',
    );
    1 while $format =~ s/(?<!%)((?:%%)*)%([TDFRcxXr])/$1$long{$2}/g;
    $format =~ s/%(.)/$value{$1} \/\/ "%$1"/ge;
    return $format;
}

1;
