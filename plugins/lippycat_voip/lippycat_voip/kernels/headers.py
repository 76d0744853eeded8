"""Names of SIP header fields and methods: from the bytes of a name to the number that stands for it.

Header fields are known by the message table's field that their value goes to.
"""

from __future__ import annotations

from lippycat_core.columns import U8
from lippycat_voip.columns import (
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
    METHODS,
    OTHER_METHOD,
)
from lippycat_voip.kernels.words import word_value, words

UNKNOWN = -1

HEADERS = words(
    {
        "via": M_BRANCH,
        "from": M_FROM,
        "to": M_TO,
        "call-id": M_CALL_ID,
        "cseq": M_CSEQ,
        "contact": M_CONTACT,
        "content-type": M_CONTENT_TYPE,
        "content-length": M_CONTENT_LENGTH,
        "user-agent": M_USER_AGENT,
        "server": M_SERVER,
        "p-asserted-identity": M_PAI,  # RFC 3325
        "p-preferred-identity": M_PPI,
        "diversion": M_DIVERSION,  # RFC 5806
        "reason": M_REASON_HEADER,  # RFC 3326
        "refer-to": M_REFER_TO,  # RFC 3515
        "replaces": M_REPLACES,  # RFC 3891
        # compact forms (RFC 3261, 7.3.3; RFC 3515)
        "v": M_BRANCH,
        "f": M_FROM,
        "t": M_TO,
        "i": M_CALL_ID,
        "m": M_CONTACT,
        "c": M_CONTENT_TYPE,
        "l": M_CONTENT_LENGTH,
        "r": M_REFER_TO,
    }
)

KNOWN_METHODS = words({name: number for number, name in enumerate(METHODS) if 0 < number < OTHER_METHOD})


def header_field(slab: U8, begin: int, end: int) -> int:
    """The table field for the header name in [begin, end), M_BRANCH for Via; UNKNOWN for all other names."""
    return word_value(slab, begin, end, HEADERS, True)


def method_number(slab: U8, begin: int, end: int) -> int:
    """The number of the method token in [begin, end) (`columns.METHODS`): case counts (RFC 3261, 7.1); 0 for none."""
    if begin >= end:
        return 0
    number = word_value(slab, begin, end, KNOWN_METHODS, False)
    return number if number >= 0 else OTHER_METHOD
