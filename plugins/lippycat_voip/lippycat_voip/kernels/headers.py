"""Names of SIP header fields and methods: from the bytes of a name to the number that stands for it.

Header fields are known by the message table's field that their value goes to; names and compact forms are those of
RFC 3261 (7.3.3, 20), 3325, 3326, 3515, 3891, 5806.
"""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_voip.columns import (
    ACK,
    BYE,
    CANCEL,
    INFO,
    INVITE,
    M_BRANCH,
    M_CALL_ID,
    M_CONTACT,
    M_CONTENT_LENGTH,
    M_CONTENT_TYPE,
    M_CSEQ,
    M_DIVERSION,
    M_FROM,
    M_PAI,
    M_PPI,
    M_REASON_HEADER,
    M_REFER_TO,
    M_REPLACES,
    M_SERVER,
    M_TO,
    M_USER_AGENT,
    MESSAGE,
    NOTIFY,
    OPTIONS,
    OTHER_METHOD,
    PRACK,
    PUBLISH,
    REFER,
    REGISTER,
    SUBSCRIBE,
    UPDATE,
)
from lippycat_voip.kernels.text import same, starts

UNKNOWN = -1


def header_field(slab: U8, begin: int, end: int) -> int:
    """The table field for the header name in [begin, end), M_BRANCH for Via; UNKNOWN for all other names.

    No two names of interest share length and first letter, but for two pairs; so one comparison settles it.
    """
    n = end - begin
    if n <= 0:
        return UNKNOWN
    c = int(slab[begin]) | 0x20
    if n == 1:
        return _compact(c)
    if n == 2:
        return M_TO if starts(slab, begin, end, b"to") else UNKNOWN
    if n == 3:
        return M_BRANCH if starts(slab, begin, end, b"via") else UNKNOWN
    if n == 4:
        if c == 0x66:
            return M_FROM if starts(slab, begin, end, b"from") else UNKNOWN
        return M_CSEQ if starts(slab, begin, end, b"cseq") else UNKNOWN
    if n == 7:
        if starts(slab, begin, end, b"call-id"):
            return M_CALL_ID
        return M_CONTACT if starts(slab, begin, end, b"contact") else UNKNOWN
    if n == 10:
        return M_USER_AGENT if starts(slab, begin, end, b"user-agent") else UNKNOWN
    if n == 12:
        return M_CONTENT_TYPE if starts(slab, begin, end, b"content-type") else UNKNOWN
    if n == 14:
        return M_CONTENT_LENGTH if starts(slab, begin, end, b"content-length") else UNKNOWN
    if c == 0x72 or c == 0x73:
        return _r_or_s(slab, begin, end)
    if n == 9:
        return M_DIVERSION if starts(slab, begin, end, b"diversion") else UNKNOWN
    if n == 19:
        return M_PAI if starts(slab, begin, end, b"p-asserted-identity") else UNKNOWN
    if n == 20:
        return M_PPI if starts(slab, begin, end, b"p-preferred-identity") else UNKNOWN
    return UNKNOWN


def _r_or_s(slab: U8, begin: int, end: int) -> int:
    n = end - begin
    if n == 6:
        if starts(slab, begin, end, b"server"):
            return M_SERVER
        return M_REASON_HEADER if starts(slab, begin, end, b"reason") else UNKNOWN
    if n == 8:
        if starts(slab, begin, end, b"refer-to"):
            return M_REFER_TO
        return M_REPLACES if starts(slab, begin, end, b"replaces") else UNKNOWN
    return UNKNOWN


def _compact(c: int) -> int:
    if c == 0x76:  # v
        return M_BRANCH
    if c == 0x66:  # f
        return M_FROM
    if c == 0x74:  # t
        return M_TO
    if c == 0x69:  # i
        return M_CALL_ID
    if c == 0x6D:  # m
        return M_CONTACT
    if c == 0x6C:  # l
        return M_CONTENT_LENGTH
    if c == 0x63:  # c
        return M_CONTENT_TYPE
    if c == 0x72:  # r
        return M_REFER_TO
    return UNKNOWN


def method_number(slab: U8, begin: int, end: int) -> int:
    """The number of the method token in [begin, end) (`columns.METHODS`): case counts (RFC 3261, 7.1); 0 for none."""
    n = end - begin
    if n <= 0:
        return 0
    if n == 3:
        if same(slab, begin, end, b"ACK"):
            return ACK
        return BYE if same(slab, begin, end, b"BYE") else OTHER_METHOD
    if n == 4:
        return INFO if same(slab, begin, end, b"INFO") else OTHER_METHOD
    if n == 5:
        if same(slab, begin, end, b"PRACK"):
            return PRACK
        return REFER if same(slab, begin, end, b"REFER") else OTHER_METHOD
    if n == 6:
        if same(slab, begin, end, b"INVITE"):
            return INVITE
        return _method_of_six(slab, begin, end)
    if n == 7:
        if same(slab, begin, end, b"OPTIONS"):
            return OPTIONS
        if same(slab, begin, end, b"PUBLISH"):
            return PUBLISH
        return MESSAGE if same(slab, begin, end, b"MESSAGE") else OTHER_METHOD
    if n == 8:
        return REGISTER if same(slab, begin, end, b"REGISTER") else OTHER_METHOD
    if n == 9:
        return SUBSCRIBE if same(slab, begin, end, b"SUBSCRIBE") else OTHER_METHOD
    return OTHER_METHOD


def _method_of_six(slab: U8, begin: int, end: int) -> int:
    if same(slab, begin, end, b"CANCEL"):
        return CANCEL
    if same(slab, begin, end, b"NOTIFY"):
        return NOTIFY
    return UPDATE if same(slab, begin, end, b"UPDATE") else OTHER_METHOD
