"""The plugin's tables, once: names of the fields in a row of each flat table, and who writes them.

Flat tables (one int array, `row * WIDTH + FIELD`) keep one message's or one stream's state in neighbouring cache lines.
A span is two fields, offset into the batch's slab and length; length -1 means that the header is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

Row: TypeAlias = Sequence[int]
"""One row of a flat table, as Python reads it."""

# Transports that are no IP protocol of their own (M_TRANSPORT)
TLS, WS, WSS = 256, 257, 258

# -- kinds that `classify` tells apart (VoipDissector.kinds; RFC 7983, 5761) -----------------------------------------
K_SIP, K_RTP, K_RTCP, K_STUN, K_DTLS, K_ZRTP = 0, 1, 2, 3, 4, 5
KINDS = ("sip", "rtp", "rtcp", "stun", "dtls", "zrtp")

# -- one SIP message: int32, written by kernels.sip ------------------------------------------------------------------
M_ROW = 0  # batch row of the datagram, or of the segment that completed the message
M_TRANSPORT = 1  # 17 UDP, 6 TCP, or what carries it inside TCP or beside it (transports.py)
M_OFF = 2
M_LEN = 3  # captured bytes of the message
M_FLAGS = 4  # F_ bits
M_METHOD = 5  # request: method number (sip.METHODS), 0 for a response
M_STATUS = 6  # response: status code, 0 for a request
M_METHOD_TEXT = 7  # span (two fields, as everywhere below)
M_REASON = 9  # span: reason phrase
M_URI = 11  # span: Request-URI
M_CALL_ID = 13
M_FROM = 15  # span of the whole value, folded lines included
M_FROM_TAG = 17
M_TO = 19
M_TO_TAG = 21
M_CSEQ = 23  # number, -1 absent
M_CSEQ_METHOD = 24  # method number
M_CSEQ_TEXT = 25  # span: method of CSeq
M_BRANCH = 27  # span: branch of the topmost Via
M_CONTACT = 29
M_USER_AGENT = 31
M_SERVER = 33
M_PAI = 35  # P-Asserted-Identity
M_PPI = 37  # P-Preferred-Identity
M_DIVERSION = 39
M_REASON_HEADER = 41  # RFC 3326
M_REFER_TO = 43
M_REPLACES = 45
M_CONTENT_TYPE = 47
M_CONTENT_LENGTH = 49  # number, -1 absent
M_BODY = 50  # span
M_SEGMENTS = 52  # captured packets that carried it (TCP)
M_SDP = 53  # span: the session description, which is the body or the part of a multipart body that holds it
M_WIDTH = 56

# Request methods by number (M_METHOD, M_CSEQ_METHOD): RFC 3261, 3262, 6665, 3903, 6086, 3515, 3428, 3311. The last stands
# for every other token; 0 is no request.
METHODS = (
    "",
    "INVITE",
    "ACK",
    "BYE",
    "CANCEL",
    "OPTIONS",
    "REGISTER",
    "PRACK",
    "SUBSCRIBE",
    "NOTIFY",
    "PUBLISH",
    "INFO",
    "REFER",
    "MESSAGE",
    "UPDATE",
    "OTHER",
)
INVITE, ACK, BYE, CANCEL, OPTIONS, REGISTER, PRACK, SUBSCRIBE = 1, 2, 3, 4, 5, 6, 7, 8
NOTIFY, PUBLISH, INFO, REFER, MESSAGE, UPDATE, OTHER_METHOD = 9, 10, 11, 12, 13, 14, 15

# Where to find messages: int32, six a message, written by the dissector (UDP) and the framer (TCP).
SP_ROW, SP_TRANSPORT, SP_OFF, SP_LEN, SP_WIRE_LEN, SP_SEGMENTS, SP_WIDTH = 0, 1, 2, 3, 4, 5, 6

# -- one address of a message's parties: int32, written by kernels.addresses -------------------------------------------
AD_MESSAGE = 0  # index of the message in the message table
AD_OFF = 1  # span of the URI, without brackets and header parameters
AD_LEN = 2
AD_WIDTH = 3

F_MALFORMED = 1  # a start line, but a mandatory header missing or unusable (RFC 3261, 8.1.1)
F_TRUNCATED = 2  # cut by the snap length
F_FAULTS = F_MALFORMED | F_TRUNCATED
F_SDP = 4  # a body of type application/sdp, or a multipart that holds one

# -- one media description (an m= line with what belongs to it): int64, written by kernels.sdp ------------------------
D_MESSAGE = 0  # index of the message in the message table; rows of one message follow each other
D_TYPE = 1  # index into sdp.MEDIA_TYPES
D_PORT = 2
D_PORTS = 3  # port count (m=audio 5000/2)
D_PROTO = 4  # index into sdp.PROTOCOLS
D_ADDRESS = 5  # four words of the c= line that applies
D_ADDRESS_KNOWN = 9  # 1 for an address literal, 0 for none or a host name
D_DIRECTION = 10  # index into sdp.DIRECTIONS
D_RTCP_PORT = 11  # a=rtcp (RFC 3605), -1 absent
D_RTCP_ADDRESS = 12  # four words
D_RTCP_KNOWN = 16
D_FLAGS = 17  # A_ bits
D_PTIME = 18  # a=ptime, milliseconds, -1 absent
D_FORMATS = 19  # span: from the m= line's formats to the end of its last a=rtpmap line
D_WIDTH = 21

A_MUX = 1  # a=rtcp-mux (RFC 5761)
A_CRYPTO = 2  # a=crypto (RFC 4568)
A_FINGERPRINT = 4  # a=fingerprint (RFC 8122), of the media or of the session
