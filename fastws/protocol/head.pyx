"""See head.pxd, the table of contents."""

import re
from ipaddress import IPv6Address

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser, HttpResponseParser

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.body import ChunkedBody, SizedBody, StreamBody

cimport cython
from cpython.bytearray cimport (
    PyByteArray_AS_STRING,
    PyByteArray_FromStringAndSize,
    PyByteArray_Resize,
)
from cpython.long cimport PyLong_AsLongLongAndOverflow
from libc.stdint cimport UINT32_MAX, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport free, malloc
from libc.string cimport memchr, memcmp, memcpy

from fastws.protocol.headers cimport (
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    NOMINABLE,
    ORIGIN,
    SEC_WEBSOCKET_KEY,
    TRANSFER_ENCODING,
    UPGRADE,
    Field,
    Known,
    Table,
    Text,
    bytes_of,
    cut_field,
    has,
    identify,
    is_alphanumeric,
    lists,
    named,
    next_element,
    next_field,
    only_field,
    value_of,
)

# RFC 3986 section 3.2.2, without the userinfo of section 3.2.1.
cdef object HOST_AND_PORT = re.compile(
    rb"(?:(?:[0-9A-Za-z._~!$&'()*+,;=-]++|%[0-9A-Fa-f]{2})++|\[([0-9A-Fa-f:.]+)\])(?::[0-9]{0,5})?"
)
# RFC 9110 section 15.5.6: a 405 says what is served; other methods are not known not to be.
cdef tuple ALLOW = ((b"Allow", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),)
cdef uint8_t TLS_ALERT = 0x15
cdef uint8_t TLS_HANDSHAKE = 0x16


@cython.internal
@cython.final
cdef class Nobody:
    """A protocol without callbacks, which says so at once."""

    def __getattribute__(self, name):
        return None


@cython.internal
@cython.final
cdef class Grammar:
    """httptools, as the judge of whole heads.

    It gets a head without its last byte, the LF of the empty line, with which a parser would raise
    `HttpParserUpgrade` or wait for a body: making and clearing an exception costs several times
    what the parsing does. Only Transfer-Encoding is judged with the last byte.
    """
    cdef object _reset
    cdef object _feed

    def __init__(self, parser):
        # Initialised again, a parser is as good as new, whatever it has met, and without the cost
        # of another.
        self._reset = parser.__init__
        self._feed = parser.feed_data

    cdef int check(self, bytes head) except -1:
        """Raises HttpParserError."""
        self._reset(NOBODY)
        self._feed(head)
        return 0

    cdef int check_end(self) except -1:
        """Give it the last byte, too."""
        try:
            self._feed(b"\n")
        except HttpParserUpgrade:
            pass
        return 0


cdef Nobody NOBODY = Nobody()
cdef Grammar REQUESTS = Grammar(HttpRequestParser(NOBODY))
cdef Grammar RESPONSES = Grammar(HttpResponseParser(NOBODY))


@cython.no_gc
cdef class Head:
    def __init__(self, limits):
        self._limits = limits
        self._room = clamped(limits.head_bytes)
        self._most = clamped(limits.headers)
        self.minor = 1
        self._raw = b""
        self._restart()

    def __dealloc__(self):
        free(self.table.fields)

    # bytes in

    def feed(self, bytes data not None):
        cdef Py_ssize_t taken = self.take(data, len(data))
        return None if taken < 0 else data[taken:]

    cdef Py_ssize_t take(self, const uint8_t* data, size_t size) except -2:
        """Take bytes; how many of them belong to the head, or -1 while it is incomplete."""
        cdef size_t held
        cdef Py_ssize_t end
        if self._over:
            raise ValueError("this head is complete, or was refused")
        self._over = True
        if self._held is None:
            return self._take(data, size)
        held = len(self._held)
        PyByteArray_Resize(self._held, held + size)
        memcpy(PyByteArray_AS_STRING(self._held) + held, data, size)
        end = self._take(<const uint8_t*> PyByteArray_AS_STRING(self._held), held + size)
        return end if end < 0 else end - <Py_ssize_t> held

    cdef Py_ssize_t _take(self, const uint8_t* data, size_t size) except -2:
        cdef size_t done = 0
        cdef size_t end
        while True:
            end = self._end(data + done, size - done)
            if end == 0:
                self._hold(data, size, done)
                return -1
            if self._whole(data + done, end):
                self._held = None
                return done + end
            done += end
            self._room -= end
            self._restart()

    cdef int _hold(self, const uint8_t* data, size_t size, size_t done) except -1:
        """Keep what is behind `done` until more comes."""
        self._over = False
        if self._held is None:
            self._held = PyByteArray_FromStringAndSize(<const char*> data + done, size - done)
        elif done:
            self._held = self._held[done:]
        return 0

    cdef Py_ssize_t _end(self, const uint8_t* data, size_t size) except -1:
        """Follow the lines of the head; its length, or 0 while it is incomplete.

        Faults are found in the order of the stream, however it is split.
        """
        cdef uint32_t seen = min(size, <size_t> self._room)
        if self._line == 0:
            self._begun(data, seen)
        self._follow(data, seen)
        if seen - self._line >= 2 and memcmp(data + self._line, b"\r\n", 2) == 0:
            return self._line + 2
        if memchr(data + self._line, c"\n", seen - self._line) is not NULL:
            # RFC 9112 section 2.2 lets a bare LF pass for a line's end; it smuggles requests.
            self._refuse("A line of the head ends in a bare LF")
        if size > self._room:
            self._too_large(f"The head is larger than {self._limits.head_bytes} bytes")
        return 0

    cdef int _follow(self, const uint8_t* data, size_t size) except -1:
        """Go on to the first line that is empty, incomplete or ends in a bare LF."""
        cdef const uint8_t* newline
        cdef uint32_t end
        while True:
            newline = <const uint8_t*> memchr(data + self._line, c"\n", size - self._line)
            if newline is NULL:
                return 0
            end = newline - data
            if end - self._line < 2 or data[end - 1] != c"\r":
                return 0
            if self._line == 0:
                self._first_line(data, end - 1)
            self._line = end + 1
            self._lines += 1
            if self._lines - 1 > self._most:
                self._too_large(f"The head has more than {self._limits.headers} headers")

    # a whole head

    cdef int _cut(self, bint underscores) except -1:
        """Fill the table from a head that httptools has found well-formed."""
        cdef Table* table = &self.table
        cdef size_t size = len(self._raw)
        cdef Field* field = <Field*> malloc(self._lines * sizeof(Field))
        if field is NULL:
            raise MemoryError
        table.fields = field
        table.data = self._raw
        cdef size_t at = <const uint8_t*> memchr(table.data, c"\n", size) + 1 - table.data
        while at < self._line:
            at = cut_field(table.data, size, at, field)
            if not underscores and has_underscore(table, field):
                self.dropped += 1
                continue
            table.seen |= 1 << field.known
            table.count += 1
            field += 1
        if has(table, CONNECTION):
            self._nominate()
        return 0

    cdef int _nominate(self) except -1:
        """Mark the fields that Connection asks to be removed besides the hop-by-hop ones."""
        cdef Table* table = &self.table
        cdef const Field* connection = next_field(table, CONNECTION, NULL)
        cdef set names = None
        cdef Text rest, name
        cdef uint32_t i
        while connection is not NULL:
            rest = value_of(table, connection)
            while next_element(&rest, &name):
                if NOMINABLE >> identify(name.data, name.size) & 1:
                    if names is None:
                        names = set()
                    names.add(name.data[:name.size].lower())
            connection = next_field(table, CONNECTION, connection)
        if names is None:
            return 0
        for i in range(table.count):
            if NOMINABLE >> table.fields[i].known & 1:
                table.fields[i].nominated = name_of(table, &table.fields[i]).lower() in names
        return 0

    cdef int hide(self, names) except -1:
        """Mark the fields of these names, in lower case, and no others, as hidden."""
        cdef Table* table = &self.table
        cdef uint32_t i
        for i in range(table.count):
            table.fields[i].hidden = (
                names is not None and name_of(table, &table.fields[i]).lower() in names)
        return 0

    cdef int _restart(self) except -1:
        free(self.table.fields)
        self.table = Table(NULL, NULL, 0, 0)
        self._line = 0
        self._lines = 0
        return 0

    # parts of it, as objects

    @property
    def version(self):
        return (1, self.minor)

    @property
    def size(self):
        return len(self._raw) + 1 if self._raw else 0

    @property
    def held(self):
        return bytes(self._held) if self._held is not None else b""

    @property
    def headers(self):
        cdef Table* table = &self.table
        cdef uint32_t i
        return [
            (name_of(table, &table.fields[i]), bytes_of(value_of(table, &table.fields[i])))
            for i in range(table.count)
        ]

    @property
    def names(self):
        return [name.lower() for name, _ in self.headers]

    def values(self, bytes name not None):
        return [value for known, value in self.headers if known.lower() == name]

    cdef bytes _first(self, Known known):
        cdef const Field* field = next_field(&self.table, known, NULL)
        return None if field is NULL else bytes_of(value_of(&self.table, field))

    # what requests and responses do each in their way

    cdef int _begun(self, const uint8_t* data, size_t size) except -1:
        """Judge a first line that may be incomplete."""
        raise NotImplementedError

    cdef int _first_line(self, const uint8_t* data, size_t size) except -1:
        """Read a complete one, without its line's end."""
        raise NotImplementedError

    cdef bint _whole(self, const uint8_t* data, size_t size) except -1:
        """Judge a complete head; False if another is to follow."""
        raise NotImplementedError

    cdef int _refuse(self, str fault) except -1:
        raise NotImplementedError

    cdef int _too_large(self, str fault) except -1:
        raise NotImplementedError


@cython.final
@cython.no_gc
cdef class RequestHead(Head):
    def __cinit__(self):
        self.method = b""
        self.target = b""

    @property
    def line(self):
        return self._raw[:self._raw.find(b"\r\n")]

    @property
    def host(self):
        return self._first(HOST) or b""

    @property
    def origin(self):
        return self._first(ORIGIN)

    @property
    def is_upgrade(self):
        return self.upgrades()

    @property
    def is_handshake(self):
        if has(&self.table, UPGRADE):
            return lists(&self.table, UPGRADE, b"websocket", 9)
        # A handshake that lost the header on its way is none to hand on either.
        return has(&self.table, SEC_WEBSOCKET_KEY)

    @property
    def keeps_alive(self):
        return keeps_alive(&self.table, self.minor)

    @property
    def has_body(self):
        return self.length > 0 or self.chunked()

    def body(self, uint64_t most=0):
        if self.chunked():
            return ChunkedBody(self._most, most=most)
        return SizedBody(self.length)

    cdef bint chunked(self) noexcept:
        return has(&self.table, TRANSFER_ENCODING)

    cdef bint upgrades(self) noexcept:
        return has(&self.table, UPGRADE) and lists(&self.table, CONNECTION, b"upgrade", 7)

    cdef int _begun(self, const uint8_t* data, size_t size) except -1:
        cdef size_t target = until_blank(data, size) + 1
        if size and not (c"A" <= data[0] <= c"Z" or is_empty_line(data, size)):
            self._refuse(not_a_request(data[0]))
        if target >= size or data[target - 1] != c" ":
            return 0
        if until_blank(data + target, size - target) > clamped(self._limits.target_bytes):
            limit = self._limits.target_bytes
            raise Reject(414, f"The target is longer than {limit} bytes; shorten the URL.")
        return 0

    cdef int _first_line(self, const uint8_t* data, size_t size) except -1:
        """RFC 9112 section 3: single spaces, an upper-case method, a target in origin-form, no
        fragment."""
        cdef Text method, target
        if is_unserved(data, size):
            raise Reject(405, "Neither CONNECT nor TRACE is served; use another method.", ALLOW)
        if not is_request_line(data, size, &method, &target):
            self._refuse(request_line_fault(data[:size]))
        self.method = bytes_of(method)
        self.target = bytes_of(target)
        self.minor = data[size - 1] - c"0"
        return 0

    cdef bint _whole(self, const uint8_t* data, size_t size) except -1:
        if is_empty_line(data, size):
            return False
        self._raw = data[:size - 1]
        try:
            REQUESTS.check(self._raw)
            self._cut(underscores=False)
            if has(&self.table, TRANSFER_ENCODING):
                REQUESTS.check_end()
        except HttpParserError as error:
            self._refuse(f"The head is malformed: {error}")
        self._check_host()
        if has(&self.table, CONTENT_LENGTH) or has(&self.table, TRANSFER_ENCODING):
            self._check_framing()
        if self.minor == 0 and self.upgrades():
            self._refuse("An upgrade needs HTTP/1.1 (RFC 9110 section 7.8)")
        return True

    cdef int _check_host(self) except -1:
        """RFC 9112 section 3.2: exactly one, and valid; HTTP/1.0 may do without."""
        cdef const Field* host = only_field(&self.table, HOST)
        if host is NULL:
            count = len(self.values(b"host"))
            if count == 0 and self.minor == 0:
                return 0
            self._refuse(f"A request has exactly one Host header, this one has {count}")
        cdef Text value = value_of(&self.table, host)
        if not is_plain_host(&value) and not is_host(bytes_of(value)):
            self._refuse("The Host header is not a host with an optional port")
        return 0

    cdef int _check_framing(self) except -1:
        """RFC 9112 section 6: what httptools lets pass could be read as two requests."""
        cdef bint coded = has(&self.table, TRANSFER_ENCODING)
        if coded and self.minor == 0:
            self._refuse("HTTP/1.0 has no Transfer-Encoding")
        if coded and not is_chunked_alone(&self.table):
            self._refuse("The only transfer coding taken is chunked")
        if not coded:
            self.length = int(self._first(CONTENT_LENGTH))
        return 0

    cdef int _refuse(self, str fault) except -1:
        raise Reject(400, f"{fault}; send one well-formed HTTP/1.1 request.")

    cdef int _too_large(self, str fault) except -1:
        raise Reject(431, f"{fault}; send fewer or smaller headers, cookies above all.")


@cython.final
@cython.no_gc
cdef class ResponseHead(Head):
    def __init__(self, limits, *, bint interim=False):
        super().__init__(limits)
        self._all = interim

    def again(self):
        self._room -= len(self._raw) + 1
        self._over = False
        self._restart()

    @property
    def keeps_alive(self):
        return keeps_alive(&self.table, self.minor)

    @property
    def reason(self):
        return self._raw[13:13 + self._reason_size]

    @property
    def has_chunked_body(self):
        return self.chunked()

    def body(self, *, bint to_head=False, bint bare=False):
        if to_head or self.status < 200 or self.status == 204 or self.status == 304:
            return SizedBody(0)
        if self.chunked():
            return ChunkedBody(self._most, bare=bare)
        length = self._first(CONTENT_LENGTH)
        return StreamBody() if length is None else SizedBody(int(length))

    cdef bint chunked(self) noexcept:
        return self.status not in (101, 204, 304) and has(&self.table, TRANSFER_ENCODING)

    cdef int _begun(self, const uint8_t* data, size_t size) except -1:
        if memcmp(data, b"HTTP/1.", min(size, <size_t> 7)) != 0:
            self._refuse(not_an_answer(data[0]))
        return 0

    cdef int _first_line(self, const uint8_t* data, size_t size) except -1:
        """RFC 9112 section 4; many servers leave out the space before an empty reason."""
        if not is_status_line(data, size):
            self._refuse("its status line is malformed")
        self.minor = data[7] - c"0"
        self.status = (data[9] - c"0") * 100 + (data[10] - c"0") * 10 + data[11] - c"0"
        self._reason_size = size - 13 if size > 12 else 0
        return 0

    cdef bint _whole(self, const uint8_t* data, size_t size) except -1:
        self._raw = data[:size - 1]
        try:
            RESPONSES.check(self._raw)
        except HttpParserError as error:
            self._refuse(f"its head is malformed: {error}")
        self._cut(underscores=True)
        if self.status < 200 and self.status != 101 and not self._all:
            return False
        if has(&self.table, TRANSFER_ENCODING):
            self._check_framing()
        return True

    cdef int _check_framing(self) except -1:
        """RFC 9112 section 7.4: nobody was asked for another coding than chunked."""
        if self.minor == 0 or not is_chunked_alone(&self.table):
            self._refuse("its Transfer-Encoding is something else than chunked")
        return 0

    cdef int _refuse(self, str fault) except -1:
        raise UpstreamReject(f"The upstream's answer is not well-formed HTTP/1.1: {fault}.")

    cdef int _too_large(self, str fault) except -1:
        raise UpstreamReject(f"The upstream's answer is too large: {fault}.")


cdef uint32_t clamped(object limit) except? 0:
    """A limit; no head is so big that an offset into it needs more bits."""
    cdef int overflow = 0
    cdef long long number = PyLong_AsLongLongAndOverflow(limit, &overflow)
    return UINT32_MAX if overflow > 0 or number > UINT32_MAX else number


# the first line

cdef inline size_t until_blank(const uint8_t* data, size_t size) noexcept nogil:
    """Up to a space or a line's end."""
    cdef size_t i = 0
    while i < size and data[i] not in b" \n":
        i += 1
    return i


cdef inline bint is_empty_line(const uint8_t* data, size_t size) noexcept nogil:
    """Does an empty line stand before the request? Some clients send one behind a body, and it
    means nothing (RFC 9112 section 2.2)."""
    return memcmp(data, b"\r\n", min(size, <size_t> 2)) == 0


cdef inline bint is_unserved(const uint8_t* line, size_t size) noexcept nogil:
    """Does it begin with a method that nginx refuses, too? One shows what a browser hides, the
    other makes a tunnel to anywhere."""
    return begins(line, size, b"TRACE", 5) or begins(line, size, b"CONNECT", 7)


cdef inline bint begins(const uint8_t* line, size_t size, const char* word,
                        size_t length) noexcept nogil:
    """Is this the first word of a line?"""
    if size < length or memcmp(line, word, length) != 0:
        return False
    return size == length or line[length] == c" "


cdef bint is_request_line(const uint8_t* line, size_t size, Text* method,
                          Text* target) noexcept nogil:
    cdef size_t i = 0
    while i < size and (c"A" <= line[i] <= c"Z" or line[i] == c"-"):
        i += 1
    method[0] = Text(line, i)
    target[0] = Text(line, 0)
    if size - i < 2 or line[i] != c" " or line[i + 1] != c"/":
        return False
    target.data = line + i + 1
    i += 2
    while i < size and c"!" <= line[i] <= c"~" and line[i] != c"#":
        i += 1
    target.size = line + i - target.data
    if size - i != 9 or memcmp(line + i, b" HTTP/1.", 8) != 0:
        return False
    if method.size == 0:
        return False
    return c"0" <= line[size - 1] <= c"1"


cdef bint is_status_line(const uint8_t* line, size_t size) noexcept nogil:
    cdef size_t i
    if size < 12 or memcmp(line, b"HTTP/1.", 7) != 0 or not c"0" <= line[7] <= c"1":
        return False
    if line[8] != c" " or not c"1" <= line[9] <= c"9":
        return False
    if not (c"0" <= line[10] <= c"9" and c"0" <= line[11] <= c"9"):
        return False
    for i in range(13, size):
        if line[i] < c" " and line[i] != c"\t" or line[i] == 0x7F:
            return False
    return size == 12 or line[12] == c" "


cdef str not_a_request(uint8_t first):
    if first == TLS_HANDSHAKE:
        return "This looks like TLS, but this listener speaks plain ws:// and http://"
    return "This does not start with an HTTP method"


cdef str request_line_fault(bytes line):
    """Say what is wrong with a request line that is refused."""
    if line.startswith(b"PRI * HTTP/2"):
        return "This is HTTP/2, but this listener speaks HTTP/1.1"
    if b"#" in line:
        return "The target holds a fragment"
    target = line.partition(b" ")[2]
    if target and not target.startswith((b"/", b" ")):
        return "The target does not start with a slash"
    return "The request line is not METHOD SP target SP HTTP/1.1"


cdef str not_an_answer(uint8_t first):
    if first == TLS_ALERT or first == TLS_HANDSHAKE:
        return "it speaks TLS, so its address should be wss://"
    return "it does not start with HTTP/1"


# fields

cdef inline bytes name_of(const Table* table, const Field* field):
    return bytes_of(Text(table.data + field.name, field.name_size))


cdef inline bint has_underscore(const Table* table, const Field* field) noexcept nogil:
    return memchr(table.data + field.name, c"_", field.name_size) is not NULL


cdef bint is_plain_host(const Text* host) noexcept nogil:
    """Is it a name or an IPv4 address, without escapes, with an optional port?"""
    cdef const uint8_t* at = host.data
    cdef const uint8_t* end = at + host.size
    cdef const uint8_t* port
    while at < end and (is_alphanumeric(at[0]) or at[0] in b"._~!$&'()*+,;=-"):
        at += 1
    if at == host.data or at == end:
        return at != host.data
    port = at + 1
    while port < end and c"0" <= port[0] <= c"9":
        port += 1
    return at[0] == c":" and port == end and port - at <= 6


cdef bint is_host(bytes host) except -1:
    match = HOST_AND_PORT.fullmatch(host)
    return match is not None and (match[1] is None or is_ipv6(match[1]))


cdef bint is_ipv6(bytes address) except -1:
    try:
        IPv6Address(address.decode("ascii"))
    except ValueError:
        return False
    return True


cdef bint is_chunked_alone(const Table* table) noexcept nogil:
    """Is chunked the only coding there is?"""
    cdef const Field* field = next_field(table, TRANSFER_ENCODING, NULL)
    cdef size_t count = 0
    cdef Text rest, coding
    while field is not NULL:
        rest = value_of(table, field)
        while next_element(&rest, &coding):
            count += 1
            if not named(coding.data, coding.size, b"chunked", 7):
                return False
        field = next_field(table, TRANSFER_ENCODING, field)
    return count == 1


# the connection

cdef bint keeps_alive(const Table* table, uint8_t minor) noexcept nogil:
    """RFC 9112 section 9.3."""
    if lists(table, CONNECTION, b"close", 5):
        return False
    return minor == 1 or lists(table, CONNECTION, b"keep-alive", 10)
