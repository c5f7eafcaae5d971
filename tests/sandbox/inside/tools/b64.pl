#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# b64encode(1), which always writes a header and a trailer, and b64decode(1).
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use MIME::Base64;
use SandboxTool;

my ($BITS, $READ_WRITE, $DEFAULT_MODE) = map {oct} qw(777 666 644);
program_name() eq 'b64encode' ? encode() : decode();
exit 0;

sub slurp {
    my ($path) = @_;
    my $input = \*STDIN;
    if (defined $path) {
        undef $input;
        open $input, '<:raw', $path or fail("$path: $!");
    }
    binmode $input;
    local $/ = undef;
    return scalar(<$input>) // '';
}

sub output {
    my ($path, $mode) = @_;
    return \*STDOUT if !defined $path;
    open my $file, '>:raw', $path or fail("$path: $!");
    chmod $mode, $path;
    return $file;
}

sub encode {
    my $usage = "usage: b64encode [-o output_file] [file] name\n";
    my %on = map { $_->[0] => $_->[1] } options('o:', $usage);
    usage($usage) if @ARGV < 1 || @ARGV > 2;
    my $name = pop @ARGV;
    my $mode = @ARGV ? (stat $ARGV[0])[2] // 0 : $READ_WRITE & ~umask;
    my $text = slurp(@ARGV);
    my $to = output($on{o}, $DEFAULT_MODE);
    printf {$to} "begin-base64 %o %s\n%s====\n", $mode & $BITS, $name, encode_base64($text);
    return;
}

sub decode {
    my $usage = "usage: b64decode [-ciprs] [file ...]\n       b64decode [-i] -o output_file [file]\n";
    my %on = map { $_->[0] => $_->[1] // 1 } options('cio:prs', $usage);
    for my $path (@ARGV ? @ARGV : (undef)) {
        my $text = slurp($path);
        if ($on{r}) { output($on{o}, $DEFAULT_MODE)->print(decode_base64($text)); next }
        my $shown = $path // 'stdin';
        my ($mode, $named) = $text =~ /^begin-base64 [ ] ([0-7]+) [ ] (\S+)$/mx
            or fail("$shown: no \"begin\" line");
        $text =~ s/\A .*? ^begin-base64 .*? \n//msx;
        $text =~ s/^====\n.*//msx or fail("$shown: short file");
        output($on{p} ? undef : $on{o} // $named, oct($mode) & $READ_WRITE)->print(decode_base64($text));
    }
    return;
}
