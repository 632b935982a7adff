"""See handshake.pxd, the table of contents."""

from fastws.errors import Reject, UpstreamReject
from fastws.protocol.extensions import parse

cimport cython
from libc.stdint cimport uint8_t
from libc.string cimport memcmp

from fastws.protocol.accept cimport ACCEPT_SIZE, KEY_SIZE, write_accept
from fastws.protocol.extensions cimport next_extension
from fastws.protocol.forward cimport built, edited
from fastws.protocol.head cimport RequestHead, ResponseHead
from fastws.protocol.headers cimport (
    CONNECTION,
    CONTENT_LENGTH,
    HOP_BY_HOP,
    HOST,
    ORIGIN,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
    UPGRADE,
    Field,
    Known,
    Table,
    Text,
    bytes_of,
    has,
    is_alphanumeric,
    lists,
    named,
    next_element,
    next_field,
    offers,
    only_field,
    value_of,
)

cdef enum:
    NOT_TUNNELLED = HOP_BY_HOP | 1 << CONTENT_LENGTH

cdef bytes UPGRADING = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
cdef bytes SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n" + UPGRADING


@cython.final
@cython.no_gc
cdef class UpgradeRequest:
    @property
    def target(self):
        return self.head.target

    def values(self, bytes name not None):
        return self.head.values(name)

    @property
    def dropped(self):
        return self.head.dropped

    @property
    def host(self):
        return first_value(&self.head.table, HOST)

    @property
    def origin(self):
        return first_value(&self.head.table, ORIGIN)

    @property
    def key(self):
        return first_value(&self.head.table, SEC_WEBSOCKET_KEY)

    @property
    def protocols(self):
        cdef Table* table = &self.head.table
        cdef const Field* field = next_field(table, SEC_WEBSOCKET_PROTOCOL, NULL)
        cdef Text rest, name
        cdef list found = []
        while field is not NULL:
            rest = value_of(table, field)
            while next_element(&rest, &name):
                found.append(bytes_of(name))
            field = next_field(table, SEC_WEBSOCKET_PROTOCOL, field)
        return tuple(found)

    @property
    def extensions(self):
        return extensions_of(&self.head.table)


@cython.final
@cython.no_gc
cdef class UpgradeResponse:
    @property
    def protocol(self):
        return first_value(&self.head.table, SEC_WEBSOCKET_PROTOCOL)


# the request

cpdef UpgradeRequest judge(RequestHead head):
    cdef Table* table = &head.table
    cdef UpgradeRequest request
    check_upgrade(head)
    if has(table, ORIGIN) and only_field(table, ORIGIN) is NULL:
        # RFC 6454 section 7.3; the one we check might not be the one the upstream reads.
        raise Reject(400, "Origin must be sent at most once; send only the page's own origin.")
    if not has_key(table):
        raise Reject(400, "Sec-WebSocket-Key must be sent once, as the base64 of 16 bytes.")
    if not has_valid_extensions(table):
        raise Reject(
            400,
            "malformed Sec-WebSocket-Extensions; offer a list as RFC 6455 section 9.1 has it.",
        )
    request = UpgradeRequest.__new__(UpgradeRequest)
    request.head = head
    return request


cpdef bytes upgrade_request(UpgradeRequest request, Forwarded forwarded, edits=None,
                            bytes target=None):
    return edited(request.head, b"GET", target, forwarded, edits, NOT_TUNNELLED, UPGRADING)


cdef int check_upgrade(RequestHead head) except -1:
    cdef Table* table = &head.table
    if not lists(table, UPGRADE, b"websocket", 9):
        raise no_websocket(table)
    if not lists(table, CONNECTION, b"upgrade", 7):
        raise Reject(
            426,
            "The Connection header does not say Upgrade; look for a proxy on the way removing it.",
        )
    if head.method != b"GET":
        raise Reject(400, "A WebSocket handshake is a GET request; send it as one.")
    if head.length or head.chunked():
        raise Reject(400, "A WebSocket handshake has no body; send what follows in frames.")
    if not holds(table, SEC_WEBSOCKET_VERSION, b"13", 2):
        raise Reject(
            426,
            "Sec-WebSocket-Version must be 13; use a client that follows RFC 6455.",
            ((b"Sec-WebSocket-Version", b"13"),),  # RFC 6455 section 4.4
        )
    return 0


cdef object no_websocket(const Table* table):
    cdef const Field* field = next_field(table, UPGRADE, NULL)
    cdef Text rest, found
    while field is not NULL:
        rest = value_of(table, field)
        if next_element(&rest, &found):
            return Reject(
                426, "Upgrades to websocket only; open this address with a WebSocket client."
            )
        field = next_field(table, UPGRADE, field)
    return Reject(426, "This address serves WebSockets; open it with a WebSocket client.")


cdef bint has_key(const Table* table) noexcept nogil:
    """RFC 6455 section 4.2.1 item 5: base64 of 16 bytes."""
    cdef const Field* field = only_field(table, SEC_WEBSOCKET_KEY)
    cdef const uint8_t* key
    cdef int i
    if field is NULL or field.value_size != KEY_SIZE:
        return False
    key = table.data + field.value
    for i in range(22):
        if not (is_alphanumeric(key[i]) or key[i] == c"+" or key[i] == c"/"):
            return False
    return key[22] == c"=" and key[23] == c"="


cdef bint has_valid_extensions(const Table* table) noexcept nogil:
    cdef const Field* field = next_field(table, SEC_WEBSOCKET_EXTENSIONS, NULL)
    cdef Text rest, name
    while field is not NULL:
        rest = value_of(table, field)
        name.size = 1
        while name.size:
            if not next_extension(&rest, &name):
                return False
        field = next_field(table, SEC_WEBSOCKET_EXTENSIONS, field)
    return True


# the answer

cpdef UpgradeResponse check_answer(UpgradeRequest request, ResponseHead response):
    cdef UpgradeResponse agreed
    if response.status != 101:
        return None
    check_switch(&request.head.table, response)
    check_protocol(&request.head.table, &response.table)
    agreed = UpgradeResponse.__new__(UpgradeResponse)
    agreed.head = response
    agreed.extensions = ()
    if has(&response.table, SEC_WEBSOCKET_EXTENSIONS):
        agreed.extensions = agreed_extensions(&request.head.table, &response.table)
    return agreed


cpdef bytes switching_response(UpgradeResponse response, bytes lines=b"", hidden=None):
    return built(SWITCHING, response.head, hidden, NOT_TUNNELLED, lines, None)


cdef int check_switch(const Table* asked, ResponseHead response) except -1:
    """RFC 6455 section 4.1, of the fields that every 101 has."""
    cdef const Table* table = &response.table
    if response.minor != 1:
        raise UpstreamReject("The upstream switched protocols in HTTP/1.0.")
    if not holds(table, UPGRADE, b"websocket", 9):
        raise UpstreamReject("The upstream's 101 does not say Upgrade: websocket.")
    if not lists(table, CONNECTION, b"upgrade", 7):
        raise UpstreamReject("The upstream's 101 does not say Connection: Upgrade.")
    if not accepts(table, only_field(asked, SEC_WEBSOCKET_KEY), asked.data):
        raise UpstreamReject("The upstream's Sec-WebSocket-Accept does not match the key.")
    return 0


cdef bint accepts(const Table* table, const Field* key, const uint8_t* asked) noexcept nogil:
    cdef const Field* field = only_field(table, SEC_WEBSOCKET_ACCEPT)
    cdef uint8_t accept[ACCEPT_SIZE]
    if field is NULL or field.value_size != ACCEPT_SIZE:
        return False
    write_accept(asked + key.value, accept)
    return memcmp(table.data + field.value, accept, ACCEPT_SIZE) == 0


cdef int check_protocol(const Table* asked, const Table* answer) except -1:
    cdef const Field* field
    cdef Text chosen
    if not has(answer, SEC_WEBSOCKET_PROTOCOL):
        return 0
    field = only_field(answer, SEC_WEBSOCKET_PROTOCOL)
    if field is not NULL:
        chosen = value_of(answer, field)
        if offers(asked, SEC_WEBSOCKET_PROTOCOL, &chosen):
            return 0
    raise UpstreamReject("The upstream chose a subprotocol that the client did not offer.")


cdef tuple agreed_extensions(const Table* asked, const Table* answer):
    if not has_valid_extensions(answer):
        raise UpstreamReject("The upstream's answer holds a malformed Sec-WebSocket-Extensions.")
    cdef tuple agreed = extensions_of(answer)
    if not set(agreed) <= set(extensions_of(asked)):
        raise UpstreamReject("The upstream chose an extension that the client did not offer.")
    return agreed


# both

cdef bint holds(const Table* table, Known known, const char* value, size_t size) noexcept nogil:
    """Has the one field of a name this value, in whatever case?"""
    cdef const Field* field = only_field(table, known)
    return field is not NULL and named(table.data + field.value, field.value_size, value, size)


cdef bytes first_value(const Table* table, Known known):
    cdef const Field* field = next_field(table, known, NULL)
    return None if field is NULL else bytes_of(value_of(table, field))


cdef tuple extensions_of(const Table* table):
    """The names in the lists of a valid head."""
    cdef const Field* field = next_field(table, SEC_WEBSOCKET_EXTENSIONS, NULL)
    cdef list values = []
    while field is not NULL:
        values.append(bytes_of(value_of(table, field)))
        field = next_field(table, SEC_WEBSOCKET_EXTENSIONS, field)
    return parse(values)
