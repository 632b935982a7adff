"""See headers.pxd, the table of contents."""

cimport cython
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memchr


cdef size_t cut_field(const uint8_t* data, size_t size, size_t at, Field* field) noexcept nogil:
    """Cut the header line at `at`, which ends in CRLF; returns where the next one begins."""
    cdef const uint8_t* line = data + at
    cdef const uint8_t* end = <const uint8_t*> memchr(line, c"\n", size - at) - 1
    cdef const uint8_t* colon = <const uint8_t*> memchr(line, c":", end - line)
    cdef const uint8_t* value = end if colon is NULL else colon + 1  # httptools wants a colon
    field.name = at
    field.name_size = (end if colon is NULL else colon) - line
    field.known = identify(line, field.name_size)
    field.nominated = False
    while value < end and is_blank(value[0]):
        value += 1
    field.value = value - data
    field.value_size = trimmed(value, end - value)
    return end - data + 2


cdef inline size_t trimmed(const uint8_t* value, size_t size) noexcept nogil:
    while size and is_blank(value[size - 1]):
        size -= 1
    return size


cdef const Field* next_field(const Table* table, Known known, const Field* last) noexcept nogil:
    """The first field of a name behind `last`, or of all if that is NULL; NULL: there is none."""
    cdef const Field* field = table.fields
    if last is not NULL:
        field = last + 1
    if has(table, known):
        while field < table.fields + table.count:
            if field.known == known:
                return field
            field += 1
    return NULL


cdef const Field* only_field(const Table* table, Known known) noexcept nogil:
    """The field of a name; NULL if there is none, or more than one."""
    cdef const Field* field = next_field(table, known, NULL)
    if field is NULL or next_field(table, known, field) is not NULL:
        return NULL
    return field


cdef bint lists(const Table* table, Known known, const char* element, size_t size) noexcept nogil:
    """Is `element`, in lower case, in the lists of any of the fields of a name?"""
    cdef const Field* field = next_field(table, known, NULL)
    cdef Text rest, found
    while field is not NULL:
        rest = value_of(table, field)
        while next_element(&rest, &found):
            if named(found.data, found.size, element, size):
                return True
        field = next_field(table, known, field)
    return False


cdef bint offers(const Table* table, Known known, const Text* wanted) noexcept nogil:
    """Is `wanted` in these lists, to the letter?"""
    cdef const Field* field = next_field(table, known, NULL)
    cdef Text rest, found
    while field is not NULL:
        rest = value_of(table, field)
        while next_element(&rest, &found):
            if same(&found, wanted):
                return True
        field = next_field(table, known, field)
    return False


cdef void put_fields(Out* out, const Table* table, uint32_t dropped) noexcept nogil:
    """Write every field that is not nominated and whose name is not in the set `dropped`, exact
    and in order."""
    cdef const Field* field = table.fields
    while field < table.fields + table.count:
        if not (dropped >> field.known & 1 or field.nominated):
            put(out, table.data + field.name, field.name_size)
            put(out, b": ", 2)
            put(out, table.data + field.value, field.value_size)
            put(out, b"\r\n", 2)
        field += 1


cdef inline Text text(bytes value) noexcept:
    return Text(value, len(value))


@cython.final
@cython.no_gc
cdef class Forwarded:
    def __init__(self, bytes client not None, bint tls, bint trusted):
        self.client = client
        self.tls = tls
        self.trusted = trusted

    cdef void put(self, Out* out, const Table* table) noexcept:
        """Write our own forwarding headers; those of a trusted peer stand where it wrote them."""
        cdef const Field* field = next_field(table, HOST, NULL)
        cdef Text client = text(self.client)
        cdef Text proto = text(b"https") if self.tls else text(b"http")
        cdef Text host = value_of(table, field)
        cdef uint32_t kept = table.seen if self.trusted else 0
        self._put_chain(out, table)
        if not kept >> X_FORWARDED_PROTO & 1:
            put_line(out, b"X-Forwarded-Proto: ", 19, &proto)
        if not kept >> X_FORWARDED_HOST & 1:
            put_line(out, b"X-Forwarded-Host: ", 18, &host)
        if not kept >> X_REAL_IP & 1:
            put_line(out, b"X-Real-IP: ", 11, &client)

    cdef void _put_chain(self, Out* out, const Table* table) noexcept:
        cdef const Field* field = NULL
        cdef Text client = text(self.client)
        put(out, b"X-Forwarded-For: ", 17)
        if self.trusted:
            field = next_field(table, X_FORWARDED_FOR, NULL)
        while field is not NULL:
            if field.value_size:
                put(out, table.data + field.value, field.value_size)
                put(out, b", ", 2)
            field = next_field(table, X_FORWARDED_FOR, field)
        put_line(out, b"", 0, &client)
