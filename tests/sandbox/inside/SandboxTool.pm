# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC

# What the tools of a server have in common: options as OpenBSD's getopt(3) takes them, the host's
# program behind them, and how files, owners and times are shown. It loads nothing: it starts often.
package SandboxTool;

use strict;
use warnings;

my ($FRAGMENT, $BLOCK, $SECTOR) = (2048, 16_384, 512);
my $HOST = '/usr/libexec/sandbox/host';
my %FAKE = (LD_PRELOAD => '/usr/libexec/sandbox/libfakeroot.so', FAKEROOTKEY => '7800');
my $KIND_BITS = oct '0170000';
my %KINDS = (
    oct '0010000' => 'p', oct '0020000' => 'c', oct '0040000' => 'd', oct '0060000' => 'b',
    oct '0100000' => '-', oct '0120000' => 'l', oct '0140000' => 's',
);
my @MONTHS = qw(
    January February March April May June July August September October November December
);
my @DAYS = qw(Sunday Monday Tuesday Wednesday Thursday Friday Saturday);
my $USAGE_ERROR = 1;
my ($name) = $0 =~ m{([^/]+)\z};

# A caller that has cleared its environment has lost what makes the server's owners visible.
if (!exists $ENV{FAKEROOTKEY}) {
    @ENV{keys %FAKE} = values %FAKE;
    exec $^X, $0, @ARGV or die "$name: $!\n";
}

# Puts the functions below into the tool's own package.
sub import {
    my $package = caller;
    no strict 'refs';    ## no critic (ProhibitNoStrict)
    for my $function (qw(
        program_name fail complain usage options run_host run_host_starter run_host_reworded wrap
        user_name group_name kind mode_string size_of sectors format_time
    )) {
        *{"${package}::$function"} = \&{$function};
    }
    return;
}

sub program_name { return $name }

sub fail {
    my ($text, $rc) = @_;
    print {*STDERR} "$name: $text\n";
    exit($rc // 1);
}

sub complain {
    my ($text) = @_;
    print {*STDERR} "$name: $text\n";
    return 1;
}

sub usage {
    my ($text, $rc) = @_;
    print {*STDERR} $text;
    exit($rc // $USAGE_ERROR);
}

# Takes the options off @ARGV: a list of [letter, argument]. Two colons: an argument in the same word.
sub options {
    my ($letters, $usage, $rc) = @_;
    my @given;
    while (@ARGV && $ARGV[0] =~ /\A-./s) {
        my $word = shift @ARGV;
        last if $word eq q(--);
        my ($letter, $more) = $word =~ /\A-(.)(.*)\z/s;
        while (defined $letter) {
            my $place = $letter eq q(:) ? -1 : index $letters, $letter;
            if ($place < 0) {
                complain("unknown option -- $letter");
                usage($usage, $rc);
            }
            my ($colons) = substr($letters, $place + 1) =~ /\A(:*)/;
            if ($colons eq q(::)) {
                push @given, [$letter, $more];
                last;
            }
            if ($colons eq q(:)) {
                if ($more eq q() && !@ARGV) {
                    complain("option requires an argument -- $letter");
                    usage($usage, $rc);
                }
                push @given, [$letter, $more ne q() ? $more : shift @ARGV];
                last;
            }
            push @given, [$letter, undef];
            ($letter, $more) = $more =~ /\A(.)(.*)\z/s;
        }
    }
    return @given;
}

# Runs the host's program of that name, which words its messages in English.
sub run_host {
    my ($program, @arguments) = @_;
    local $ENV{POSIXLY_CORRECT} = 1;
    local $ENV{LC_ALL} = 'C';
    exec {"$HOST/$program"} $name, @arguments or fail("$program: $!", 127);
}

# The same, for programs that start others, which get the caller's environment.
sub run_host_starter {
    my ($program, @arguments) = @_;
    exec {"$HOST/$program"} $name, @arguments or fail("$program: $!", 127);
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
        print {*STDERR} reworded($line);
    }
    waitpid $child, 0;
    if (my $signal = $? & 127) { kill $signal, $$ }
    exit $? >> 8;
}

# Takes OpenBSD's options and calls a runner with what the host's program has in their place.
sub wrap {
    my (%how) = @_;
    $ARGV[0] =~ s/\A-(?=\d+\z)/-n/ if @ARGV && $how{letters} eq 'n:';
    my @words = @{ $how{first} };
    for my $option (options($how{letters}, $how{usage}, $how{usage_error})) {
        my ($letter, $value) = @$option;
        $letter = $how{other}{$letter} // $letter;
        push @words, "-$letter" . ($value // q()) if $letter ne q();
    }
    push @words, q(--), @ARGV if @ARGV;
    return run_host_starter($how{host}, @words) if $how{starts};
    return $how{reworded} ? run_host_reworded($how{host}, @words) : run_host($how{host}, @words);
}

sub reworded {
    my ($line) = @_;
    $line =~ s/\A (mv): [ ] cannot [ ] move [ ] '(.*?)' [ ] to [ ] '(.*?)': /$1: rename $2 to $3:/sx;
    my $doing = qr/(?:cannot|failed[ ]to|changing|setting) [ ] [\w\s]*?/x;
    $line =~ s/\A (\w+): [ ] $doing '(.*?)' (?:[ ] to [ ] '.*?')? :/$1: $2:/sx;
    $line =~ s/\A (\w+): [ ] '(.*?)':/$1: $2:/sx;
    $line =~ s/\A (\w+): [ ] invalid [ ] (user|group): [ ] '(.*?)'/$1: $2 is invalid: $3/sx;
    return $line;
}

my (%users, %groups);

sub user_name {
    my ($uid) = @_;
    return $users{$uid} //= getpwuid($uid) // $uid;
}

sub group_name {
    my ($gid) = @_;
    return $groups{$gid} //= getgrgid($gid) // $gid;
}

# The first of ls -l's letters for a mode.
sub kind {
    my ($mode) = @_;
    return $KINDS{ $mode & $KIND_BITS } // q(?);
}

# ls -l's ten characters.
sub mode_string {
    my ($mode) = @_;
    my $text = kind($mode);
    return 'lrwxr-xr-x' if $text eq 'l';    # of symlink(2) under umask 022
    for my $row ([6, 'S', 0b100], [3, 'S', 0b010], [0, 'T', 0b001]) {
        my ($shift, $letter, $bit) = @$row;
        my $three = $mode >> $shift & 0b111;
        my $runs  = $three & 1;
        $text .= ($three & 4 ? 'r' : q(-)) . ($three & 2 ? 'w' : q(-));
        $text .= $mode >> 9 & $bit ? ($runs ? lc $letter : $letter) : $runs ? 'x' : q(-);
    }
    return $text;
}

# Size of a file as FFS has it: a directory's grows by 512 bytes and is never that of the host.
sub size_of {
    my (@stat) = @_;
    my $kind = kind($stat[2]);
    return $kind eq 'c' ? 0 : $kind eq 'd' ? $SECTOR : $stat[7];
}

# Sectors of 512 bytes that FFS would use: small files in fragments of 2 KB, others in blocks of
# 16 KB, of which a sparse file has only those that the host's has.
sub sectors {
    my (@stat) = @_;
    my ($kind, $size) = (kind($stat[2]), size_of(@stat));
    return $FRAGMENT / $SECTOR if $kind eq 'd';
    return 0 if $kind ne q(-) || !$size;
    my ($unit, $used) = $size <= $BLOCK ? ($FRAGMENT, $size) : ($BLOCK, $stat[12] * $SECTOR);
    return int(($used + $unit - 1) / $unit) * ($unit / $SECTOR);
}

# strftime(3) in UTC, which is the server's zone, for the conversions that programs use.
sub format_time {
    my ($format, $seconds) = @_;
    my ($sec, $minute, $hour, $day, $month, $year, $weekday, $yearday) = gmtime $seconds;
    my ($day_name, $month_name) = ($DAYS[$weekday], $MONTHS[$month]);
    my %value = (
        a => substr($day_name, 0, 3), b => substr($month_name, 0, 3), h => substr($month_name, 0, 3),
        A => $day_name, B => $month_name, d => sprintf('%02d', $day), e => sprintf('%2d', $day),
        H => sprintf('%02d', $hour), I => sprintf('%02d', $hour % 12 || 12),
        M => sprintf('%02d', $minute), S => sprintf('%02d', $sec), Y => $year + 1900,
        y => sprintf('%02d', $year % 100), m => sprintf('%02d', $month + 1), Z => 'UTC', z => '+0000',
        j => sprintf('%03d', $yearday + 1), s => $seconds, u => $weekday || 7, w => $weekday,
        n => "\n", t => "\t", p => $hour < 12 ? 'AM' : 'PM', q(%) => q(%),
        C => sprintf('%02d', $year / 100 + 19),
    );
    my %long = (
        T => '%H:%M:%S', D => '%m/%d/%y', F => '%Y-%m-%d', R => '%H:%M', c => '%a %b %e %T %Y',
        x => '%m/%d/%y', X => '%H:%M:%S', r => '%I:%M:%S %p',
    );
    1 while $format =~ s/(?<!%) ((?:%%)*) % ([TDFRcxXr])/$1$long{$2}/gx;
    $format =~ s/%(.)/$value{$1} \/\/ "%$1"/ge;
    return $format;
}

1;
