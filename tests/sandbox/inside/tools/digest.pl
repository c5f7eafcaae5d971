#!/usr/libexec/sandbox/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# md5(1), sha1(1), sha256(1), sha512(1) and cksum(1) with -a.
use strict;
use warnings;
BEGIN { unshift @INC, '/usr/libexec/sandbox' }
use Digest::MD5;
use Digest::SHA;
use SandboxTool;

my $name = program_name();
my $usage = "usage: $name [-bcpqrtx]" . ($name eq 'cksum' ? ' [-a algorithms]' : '')
    . " [-C checklist] [-h hashfile]\n\t[-s string] [file ...]\n";
our %on;
for my $option (options($name eq 'cksum' ? 'a:bC:ch:pqrs:tx' : 'bC:ch:pqrs:tx', $usage)) {
    $on{ $option->[0] } = $option->[1] // 1;
}
our $kind = uc($name eq 'cksum' ? $on{a} // '' : $name);
fail('cksum without -a is not modelled') if $kind eq '';
fail("unknown algorithm \"$on{a}\"") if $kind !~ /\A (?:MD5|SHA(?:1|224|256|384|512)) \z/x;
my $rc = 0;
if (defined $on{s}) {
    show("(\"$on{s}\")", digest(sub { $_[0]->add($on{s}) }));
    exit 0;
}
check($on{C} // shift @ARGV) if $on{c} || defined $on{C};
if (!@ARGV) {
    my $text = do { local $/ = undef; readline *STDIN } // '';
    print $text if $on{p};
    print digest(sub { $_[0]->add($text) }), "\n";
    exit 0;
}
for my $path (@ARGV) {
    my $value = of_file($path);
    if (!defined $value) { $rc = complain("cannot open $path: $!"); next }
    show("($path)", $value);
}
exit $rc;

sub digest {
    my ($fill) = @_;
    my $state = $kind eq 'MD5' ? Digest::MD5->new : Digest::SHA->new($kind =~ /(\d+)/);
    $fill->($state);
    return $state->hexdigest if !$on{b};
    my $text = $state->b64digest;
    return $text . '=' x (-length($text) % 4);
}

sub of_file {
    my ($path) = @_;
    open my $file, '<:raw', $path or return;
    return if -d $file;
    return digest(sub { $_[0]->addfile($file) });
}

sub show {
    my ($what, $value) = @_;
    my ($plain) = $what =~ /\A\((.*)\)\z/s;
    print $on{q} ? "$value\n" : $on{r} ? "$value $plain\n" : "$kind $what = $value\n";
    return;
}

sub check {
    my ($list) = @_;
    my %only = map { $_ => 1 } defined $on{C} ? @ARGV : ();
    my $input = \*STDIN;
    if (defined $list) {
        undef $input;
        open $input, '<', $list or fail("cannot open $list: $!");
    }
    my %seen;
    while (my $line = <$input>) {
        my ($algorithm, $path, $wanted) = $line =~ m{\A (\w+) [ ] [(] (.*) [)] [ ] = [ ] ([\w+/=]+) $}x;
        if (!$algorithm && (my @sum = $line =~ /\A ([0-9a-f]+) \s [ *] (.*) $/x)) {
            ($algorithm, $wanted, $path) = ($kind, @sum);
        }
        next if !$algorithm || %only && !$only{$path};
        $seen{$path} = 1;
        local $kind = $algorithm;
        local $on{b} = $wanted !~ /\A [0-9a-f]+ \z/x;
        my $value = of_file($path);
        my $state = !defined $value ? 'MISSING' : $value eq $wanted ? 'OK' : 'FAILED';
        $rc = 1 if $state ne 'OK';
        print "($algorithm) $path: $state\n" if !$on{q} || $state ne 'OK';
    }
    for my $path (grep { !$seen{$_} } sort keys %only) {
        $rc = 1;
        print "($kind) $path: MISSING\n";
    }
    exit $rc;
}
