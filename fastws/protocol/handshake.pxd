"""The opening handshake of RFC 6455, section 4, on both sides of the proxy."""

from fastws.protocol.head cimport RequestHead, ResponseHead
from fastws.protocol.headers cimport Forwarded


cdef class UpgradeRequest:
    cdef RequestHead head


cdef class UpgradeResponse:
    cdef ResponseHead head
    cdef readonly tuple extensions


cpdef UpgradeRequest judge(RequestHead head)
cpdef bytes upgrade_request(UpgradeRequest request, Forwarded forwarded, edits=*, bytes target=*)
cpdef UpgradeResponse check_answer(UpgradeRequest request, ResponseHead response)
cpdef bytes switching_response(UpgradeResponse response, bytes lines=*, hidden=*)
