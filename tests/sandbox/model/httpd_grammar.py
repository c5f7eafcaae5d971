# Copyright (c) 2026 puffy.vmm contributors
# SPDX-License-Identifier: ISC
"""Words and grammar of httpd.conf(5); what follows `->` names a method of the parser."""

from __future__ import annotations

import string
from functools import cache

from sandbox.model import lalr, vm_conf_lexer

_KEYWORDS = """
    access alias authenticate auto backlog block body buffer ca certificate chroot ciphers client
    combined common connection crl default dhe directory drop ecdhe errdocs error fastcgi forwarded
    found gzip-static hsts include index ip key lifetime listen location log logdir match max
    max-age no nodelay not ocsp on optional param pass port prefork preload protocols request
    requests return rewrite root sack server socket strip style subdomains syslog tcp ticket timeout
    tls type types with
"""
# The token of `error` has another name, because yacc's own error token is called so.
ERR = "ERR"
KEYWORDS = {word: ERR if word == "error" else word for word in _KEYWORDS.split()}
WORD = frozenset(string.ascii_letters + string.digits + string.punctuation) - set("(){}<>!=#,;/")
STAR = "*"
SLASH = "/"

GRAMMAR = """
File:
File: File Include NL
File: File NL
File: File Macro NL
File: File Main NL
File: File Server NL
File: File Types NL
File: File error NL -> skipped

Include: include STRING -> include
Macro: STRING = STRING -> macro

Main: prefork NUMBER -> prefork
Main: chroot STRING -> chroot
Main: errdocs STRING
Main: logdir STRING -> logdir
Main: default type Media

Server: ServerHead { Newlines Options } -> server_end
ServerHead: server Match STRING -> server_begin
Options: Options Option Newline
Options: Option Newlines

Option: listen on STRING Tls Port -> listen
Option: alias Match STRING -> alias
Option: errdocs STRING -> not_in_location
Option: no errdocs -> not_in_location
Option: TcpIp -> not_in_location
Option: Connection -> not_in_location
Option: TlsOptions -> tls
Option: Request
Option: Root
Option: Directory
Option: Log
Option: FastCgi
Option: Authenticate
Option: gzip-static
Option: no gzip-static
Option: Filter
Option: LocationHead { Newlines Options } -> location_end
LocationHead: location Found Match STRING -> location_begin
Option: default type Media
Option: Include
Option: Hsts -> not_in_location

Found: -> nothing
Found: found -> yes
Found: not found -> no
Match: -> no
Match: match -> yes
Tls: -> no
Tls: tls -> yes
Port: port NUMBER -> port_number
Port: port STRING -> port_name

Hsts: hsts { Newlines HstsFlags }
Hsts: hsts HstsFlag
Hsts: hsts
HstsFlags: HstsFlag Comma HstsFlags
HstsFlags: HstsFlag Newlines
HstsFlag: max-age NUMBER
HstsFlag: subdomains
HstsFlag: preload

FastCgi: no fastcgi -> no_fastcgi
FastCgi: fastcgi -> fastcgi
FastCgi: fastcgi { Newlines FastCgiFlags } -> fastcgi
FastCgi: fastcgi FastCgiFlag -> fastcgi
FastCgiFlags: FastCgiFlag Comma FastCgiFlags
FastCgiFlags: FastCgiFlag Newlines
FastCgiFlag: socket STRING
FastCgiFlag: socket tcp STRING
FastCgiFlag: socket tcp STRING NUMBER
FastCgiFlag: socket tcp STRING STRING
FastCgiFlag: param STRING STRING
FastCgiFlag: strip NUMBER

Connection: connection { Newlines ConnectionFlags }
Connection: connection ConnectionFlag
ConnectionFlags: ConnectionFlag Comma ConnectionFlags
ConnectionFlags: ConnectionFlag Newlines
ConnectionFlag: timeout NUMBER -> timeout
ConnectionFlag: request timeout NUMBER -> request_timeout
ConnectionFlag: max requests NUMBER
ConnectionFlag: max request body NUMBER

TlsOptions: tls { Newlines TlsFlags }
TlsOptions: tls TlsFlag
TlsFlags: TlsFlag Comma TlsFlags
TlsFlags: TlsFlag Newlines
TlsFlag: certificate STRING -> certificate_file
TlsFlag: key STRING -> key_file
TlsFlag: ocsp STRING
TlsFlag: ciphers STRING
TlsFlag: client ca STRING ClientFlags
TlsFlag: dhe STRING
TlsFlag: ecdhe STRING
TlsFlag: protocols STRING
TlsFlag: ticket lifetime default
TlsFlag: ticket lifetime NUMBER
TlsFlag: no ticket
ClientFlags:
ClientFlags: ClientFlags crl STRING
ClientFlags: ClientFlags optional

Root: root RootFlag
Root: root { Newlines RootFlags }
RootFlags: RootFlag Comma RootFlags
RootFlags: RootFlag Newlines
RootFlag: STRING -> root

Request: request RequestFlag
Request: request { Newlines RequestFlags }
RequestFlags: RequestFlag Comma RequestFlags
RequestFlags: RequestFlag Newlines
RequestFlag: rewrite STRING -> rewrite
RequestFlag: no rewrite -> no_rewrite
RequestFlag: strip NUMBER -> strip

Authenticate: no authenticate -> no_authenticate
Authenticate: authenticate STRING with STRING -> authenticate
Authenticate: authenticate with STRING -> authenticate

Directory: directory DirectoryFlag
Directory: directory { Newlines DirectoryFlags }
DirectoryFlags: DirectoryFlag Comma DirectoryFlags
DirectoryFlags: DirectoryFlag Newlines
DirectoryFlag: index STRING -> index
DirectoryFlag: no index -> no_index
DirectoryFlag: auto index -> auto_index
DirectoryFlag: no auto index -> no_auto_index

Log: log LogFlag
Log: log { Newlines LogFlags }
Log: no log -> no_log
LogFlags: LogFlag Comma LogFlags
LogFlags: LogFlag Newlines
LogFlag: style LogStyle -> log
LogFlag: syslog
LogFlag: no syslog
LogFlag: access STRING
LogFlag: ERR STRING
LogStyle: common
LogStyle: combined
LogStyle: connection
LogStyle: forwarded

Filter: block return NUMBER Uri -> block_return
Filter: block drop -> block_drop
Filter: block -> block
Filter: pass -> pass_
Uri: -> empty
Uri: STRING

TcpIp: tcp { Newlines TcpFlags }
TcpIp: tcp TcpFlag
TcpFlags: TcpFlag Comma TcpFlags
TcpFlags: TcpFlag Newlines
TcpFlag: sack
TcpFlag: no sack
TcpFlag: nodelay
TcpFlag: no nodelay
TcpFlag: backlog NUMBER -> backlog
TcpFlag: socket buffer NUMBER -> socket_buffer
TcpFlag: ip STRING NUMBER -> ip_flag

Types: types { Newlines MediaLines }
MediaLines: MediaLines MediaLine Newline
MediaLines: MediaLine Newline
MediaLine: Media MediaNames Semicolon
MediaLine: Include
Media: STRING / STRING
MediaNames: MediaNames MediaName
MediaNames: MediaName
MediaName: NUMBER
MediaName: STRING
Semicolon: ;
Semicolon:

Newlines: NL Newlines
Newlines:
Comma: , Newlines
Comma: Newline
Newline: NL Newlines
"""


@cache
def tables() -> lalr.Tables:
    return lalr.build(GRAMMAR)


class PlainLexer(vm_conf_lexer.Lexer):
    """The words of vm.conf(5), but blanks that come from a macro are like any others."""

    def _get(self) -> str:
        c = self._raw()
        while c == "\\":
            following = self._raw()
            if following != "\n":
                c = following
                break
            self.line = self.source.line
            self.source.line += 1
            c = self._raw()
        if c == "\t":
            return " "
        if c == "" and not self.source.ended:
            self.source.ended = True
            return "\n"
        while c == "" and self._pop():
            c = self._raw()
        return c

    def _word_of(self, c: str, chars: frozenset[str]) -> str | None:
        """The rest of an unquoted word; None if it is too long, which is reported."""
        text = ""
        while c in chars:
            text += c
            if len(text) >= vm_conf_lexer.TOKEN_MAX:
                self._too_long()
                return None
            c = self._get()
        self._unget(c)
        return text


class Lexer(PlainLexer):
    """A slash stands for itself, and a word may begin with a star."""

    def token(self) -> tuple[str, object]:
        name, value = super().token()
        if name == STAR:
            return self._word(name)
        return name, value

    def _word(self, c: str) -> tuple[str, object]:
        if c == SLASH:
            return c, None
        text = self._word_of(c, WORD)
        if text is None:
            return vm_conf_lexer.BAD, None
        return (KEYWORDS[text], text) if text in KEYWORDS else (vm_conf_lexer.STRING, text)
