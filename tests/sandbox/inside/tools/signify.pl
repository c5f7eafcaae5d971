#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# signify(1), as far as it verifies a message that has its signature before it: -V -e.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use MIME::Base64 qw(decode_base64);
use SandboxTool;

my $OPENSSL = '/usr/libexec/sandbox/host/openssl';
my $ED25519 = pack 'H*', '302a300506032b6570032100';
my ($ALGORITHM, $NUMBER, $KEY, $SIGNATURE) = (2, 8, 32, 64);
my $usage = "usage:\tsignify -C [-q] [-p pubkey] [-t keytype] -x sigfile [file ...]\n"
    . "\tsignify -G [-n] [-c comment] -p pubkey -s seckey\n"
    . "\tsignify -S [-enz] [-x sigfile] -s seckey -m message\n"
    . "\tsignify -V [-eqz] [-p pubkey] [-t keytype] [-x sigfile] -m message\n";
my %given = map { $_->[0] => $_->[1] // 1 } options('CGSVzc:em:np:qs:t:x:', $usage);
usage($usage) if !exists $given{V} || @ARGV;
usage("signify: must specify message\n$usage") if !defined $given{m};
fail('-V without -e is not modelled') if !exists $given{e};
my $sigfile = $given{x} // "$given{m}.sig";

my ($signature, $message, $comment) = blob($sigfile, content($sigfile), $NUMBER + $SIGNATURE);
my $keyfile = $given{p};
if (!defined $keyfile) {
    ($keyfile) = $comment =~ m{\Averify [ ] with [ ] ([^/]+[.]pub)\z}x or usage("signify: must specify pubkey\n$usage");
    $keyfile = "/etc/signify/$keyfile";
}
my ($key) = blob($keyfile, content($keyfile), $NUMBER + $KEY);
if (substr($signature, 0, $NUMBER) ne substr $key, 0, $NUMBER) {
    fail($given{p} ? 'verification failed: checked against wrong key' : 'signature verification failed');
}
genuine(substr($key, $NUMBER), substr($signature, $NUMBER), $message) or fail('signature verification failed');
print "Signature Verified\n" if !$given{q};
if ($given{m} eq q(-)) { print $message }
else { store($given{m}, $message) }
exit 0;

sub content {
    my ($path) = @_;
    open my $file, '<:raw', $path or fail("can't open $path for reading: $!");
    local $/ = undef;
    return <$file> // '';
}

# A comment, a line of base64 with the algorithm before the rest, and what comes after it.
sub blob {
    my ($path, $text, $length) = @_;
    my ($untrusted, $rest) = $text =~ /\Auntrusted [ ] comment: [ ] ([^\n]*)\n(.*)\z/xs
        or fail("invalid comment in $path; must start with 'untrusted comment: '");
    my ($line, $behind) = $rest =~ /\A([^\n]*)\n(.*)\z/xs or fail("missing new line after base64 in $path");
    my $data = decode_base64($line);
    fail("invalid base64 encoding in $path") if length $data != $ALGORITHM + $length;
    fail("unsupported file $path") if substr($data, 0, $ALGORITHM) ne 'Ed';
    return (substr($data, $ALGORITHM), $behind, $untrusted);
}

sub store {
    my ($path, $text) = @_;
    open my $file, '>:raw', $path or fail("can't open $path for writing: $!");
    print {$file} $text or fail("write to $path: $!");
    return close $file || fail("write to $path: $!");
}

sub genuine {
    my ($public, $signed, $text) = @_;
    my $stem = "/tmp/.signify.$$";
    my %parts = (key => "$ED25519$public", sig => $signed, msg => $text);
    store("$stem.$_", $parts{$_}) for sort keys %parts;
    my $child = fork // fail("fork: $!");
    if (!$child) {
        open STDOUT, '>', '/dev/null' and open STDERR, '>', '/dev/null' or exit 1;
        exec $OPENSSL, qw(pkeyutl -verify -pubin -keyform DER -rawin), '-inkey', "$stem.key",
            '-sigfile', "$stem.sig", '-in', "$stem.msg" or exit 1;
    }
    waitpid $child, 0;
    my $good = $? == 0;
    unlink map { "$stem.$_" } sort keys %parts;
    return $good;
}
