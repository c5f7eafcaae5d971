#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# ftp(1), as far as it fetches one file from an http server of this machine (fetch.c, url_get).
use strict;
use warnings;
use IO::Socket::INET;
use NotModelled;

my $BLOCK = 131_072;
my %given;
while (@ARGV && $ARGV[0] =~ /\A - ([MVCow]) \z/x) {
    my $letter = $1;
    shift @ARGV;
    $given{$letter} = $letter =~ /[ow]/ ? shift @ARGV : 1;
}
NotModelled::answer("ftp @ARGV") if @ARGV != 1 || $ARGV[0] =~ /\A-/;
my $seconds = $given{w} // 0;
exit(get($ARGV[0]) ? 0 : 1);

sub fail {
    my ($text) = @_;
    print {*STDERR} "ftp: $text\n";
    exit 1;
}

sub warnx {
    my ($text) = @_;
    print {*STDERR} "ftp: $text\n";
    return 0;
}

sub get {
    my ($url) = @_;
    my ($scheme, $host, $port, $path) = $url =~ m{\A (https?)://([^/:]+)(?::(\d+))?/(.*) \z}xs
        or fail("$url: URL not permitted");
    NotModelled::answer('ftp: TLS') if $scheme eq 'https';
    my $file = $given{o} // ($path =~ m{([^/]*)\z})[0];
    return warnx("No filename after directory (use -o): $url") if $file eq '';
    $port //= 80;
    my $peer = inet_aton($host) or return warnx("$host: no address associated with name");
    return warnx('connect: No route to host') if inet_ntoa($peer) !~ /\A127[.]/;
    my $socket = IO::Socket::INET->new(PeerAddr => inet_ntoa($peer), PeerPort => $port, Proto => 'tcp',
        Timeout => $seconds || undef) or return warnx("connect: $!");
    my $have = $given{C} && -e $file ? -s _ : 0;
    my $where = $port == 80 ? $host : "$host:$port";
    my $range = $have ? "Range: bytes=$have-\r\n" : '';
    syswrite $socket, "GET /$path HTTP/1.1\r\nConnection: close\r\nHost: $where\r\n${range}"
        . "User-Agent: OpenBSD ftp\r\nAccept: */*\r\n\r\n";
    my ($buffer, $head) = ('', undef);
    while (!defined $head) {
        my $got = sysread $socket, $buffer, $BLOCK, length $buffer;
        return warnx('Receiving HTTP reply: ' . ($got ? '' : $!)) if !$got;
        if ($buffer =~ s/\A(.*?\r?\n)\r?\n//xs) { $head = $1 }
    }
    my ($status, $phrase) = $head =~ m{\A\S+ [ ] (\d{3})([^\r\n]*)}x or return warnx("Improper response from $host");
    my (undef, @lines) = split /\n/, $head;
    my %header = map { /\A([^:]+):[ \t]*(.*?)[ \t\r]*\z/x ? (lc $1 => $2) : () } @lines;
    return warnx('File is already fully retrieved.') if $status == 416;
    NotModelled::answer('ftp: a redirection') if $status =~ /\A3/x;
    return warnx("Error retrieving $url: $status$phrase") if $status !~ /\A20[06]\z/;
    my $resume = $given{C};
    if ($status == 200 && $have) { warnx('Server does not support resume.'); ($have, $resume) = (0, 0) }
    NotModelled::answer('ftp: Transfer-Encoding') if $header{'transfer-encoding'};
    return store($socket, $buffer, $file, $resume, $header{'content-length'});
}

# A file that is gone on with is not looked at for its length.
sub store {
    my ($socket, $buffer, $file, $resume, $length) = @_;
    open my $out, $resume ? '>>:raw' : '>:raw', $file or return warnx("Can't open $file: $!");
    my $bytes = 0;
    while (1) {
        if ($buffer ne '') {
            $bytes += length $buffer;
            my $written = syswrite $out, $buffer;
            return warnx("Writing $file: $!") if !defined $written;
            substr $buffer, 0, $written, '';
            next if $buffer ne '';
        }
        my $got = sysread $socket, $buffer, $BLOCK;
        return warnx("Reading from socket: $!") if !defined $got;
        last if !$got;
    }
    close $out or return warnx("Writing $file: $!");
    return $resume || !defined $length || $bytes == $length;
}
