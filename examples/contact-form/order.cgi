#!/usr/bin/perl
# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
#
# The contact form's back end, for slowcgi(8) or any CGI server: it reads the form, runs check-vm to
# check and write the order, and shows the result as HTML. See docs/contact-form.md.
use v5.36;
use Encode     qw(FB_CROAK LEAVE_SRC decode encode_utf8);
use IPC::Open2 qw(open2);
use JSON::PP   qw(decode_json encode_json);

# httpd.conf(5) may set these with "param"; a browser cannot.
my $CHECK_VM = $ENV{CHECK_VM} // '/usr/local/share/puffy.vmm/bin/check-vm';
my $FLEET    = $ENV{FLEET}    // '/var/fleet';
my $LONGEST  = 64 * 1024;
# slowcgi(8) does not set PATH, and check-vm looks for python3.
local $ENV{PATH} = '/usr/local/bin:/usr/bin:/bin';
my %LABEL    = (
    q{}      => 'Your order',
    name     => 'Name of the VM',
    owner    => 'Account',
    hostname => 'Host name',
    ssh_keys => 'Public SSH keys',
    memory   => 'Memory',
    disk     => 'Disk',
    timezone => 'Time zone',
    note     => 'Note',
);

# Decode bytes of a form as text; die if they are not UTF-8.
sub text ($part) {
    $part =~ tr/+/ /;
    $part =~ s/% ([[:xdigit:]]{2})/chr hex $1/gaex;
    return decode('UTF-8', $part, FB_CROAK | LEAVE_SRC);
}

# Return the fields of the form that have a value. Die with the reason if the request is invalid.
sub form () {
    my ($type, $length) = map { $ENV{$_} // q{} } qw(CONTENT_TYPE CONTENT_LENGTH);
    ($ENV{REQUEST_METHOD} // q{}) eq 'POST' or die "was not sent by POST\n";
    $type =~ m{\A application/x-www-form-urlencoded \s* (?: ; | \z )}xi or die "is not a form\n";
    die "is too long\n" if $length !~ /\A\d{1,6}\z/a || $length > $LONGEST;
    my ($body, %form) = (q{});
    while (length $body < $length) {
        read STDIN, $body, $length - length $body, length $body or die "was cut off\n";
    }
    for my $pair (grep { length } split /&/, $body) {
        my ($name, $value) = eval { map { text($_) } split /=/, $pair, 2 } or die "is not UTF-8 text\n";
        next if !length $name || !exists $LABEL{$name} || ($value // q{}) !~ /\S/;
        die "has $name twice\n" if exists $form{$name};
        $form{$name} = $value =~ s/\r\n?/\n/gr;
    }
    $form{ssh_keys} = [grep { /\S/ } split /\n/, $form{ssh_keys}] if exists $form{ssh_keys};
    return \%form;
}

# Return the exit status of check-vm, and its list of problems. Its messages for the operator are logged.
sub check ($form) {
    local $SIG{PIPE} = 'IGNORE';
    my $pid = open2(my $out, my $in, $CHECK_VM, '--fleet', $FLEET, '--write', q{-});
    print {$in} encode_json($form);
    close $in;
    my $answer = do { local $/ = undef; readline $out };
    waitpid $pid, 0;
    return ($? >> 8 || $?, decode_json($answer));
}

sub escaped ($text) {
    my %entity = ('&' => 'amp', '<' => 'lt', '>' => 'gt', q{"} => 'quot', q{'} => '#39');
    return $text =~ s/([&<>"'])/&$entity{$1};/gr;
}

sub answer ($status, $title, @problems) {
    my $items = join q{}, map { '<li>' . escaped($_) . "</li>\n" } @problems;
    my $list  = $items ? "<ul>\n$items</ul>\n<p>Go back, correct it and send it again.</p>\n" : q{};
    print "Status: $status\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n",
        "Content-Security-Policy: default-src 'none'\r\nX-Content-Type-Options: nosniff\r\n\r\n",
        encode_utf8("<!DOCTYPE html>\n<html lang=\"en\"><title>$title</title>\n<h1>$title</h1>\n$list</html>\n");
    return;
}

my $form = eval { form() };
if (!$form) {
    answer('400 Bad Request', 'Not understood', "$LABEL{q{}} " . $@ =~ s/\n//r);
    exit;
}
my ($status, $problems) = eval { check($form) };
if (!defined $status || $status > 1) {
    warn $@ if $@;
    answer('503 Service Unavailable', 'Please try again later');
} elsif ($status == 1) {
    my @lines = map { ($LABEL{$_->{field}} // $_->{field}) . ": $_->{message}" } $problems->@*;
    answer('422 Unprocessable Content', 'Something is not right yet', @lines);
} else {
    answer('200 OK', 'Thank you, your order was received');
}
