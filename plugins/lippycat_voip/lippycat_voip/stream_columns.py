"""Fields of the RTP tables, once: one compact cell a packet, one row a stream, the kernel's own counters.

All tables are flat arrays (`row * WIDTH + FIELD`). `kernels` writes them, `streams` and `stream_records` read them.
"""

from __future__ import annotations

# -- one cell a packet: int64, written by kernels.cells.gather ---------------------------------------------------------
C_KIND = 0  # CELL_RTP or CELL_RTCP
C_RECORD = 1  # record number in the input
C_TS_NS = 2  # capture time
C_NOW_NS = 3  # packet clock (highest capture time so far)
C_SEQ = 4
C_RTP_TS = 5
C_TYPE = 6  # payload type
C_SIZE = 7  # payload bytes by the UDP length, without CSRC, extension and padding
C_LEAD = 8  # first four payload bytes as one number, -1 where fewer were captured
C_KEY = 9  # the six words of the key (see S_KEY); RTCP has no SSRC there
C_HASH = 15  # 32-bit hash of the key
C_SLOT = 15  # once it was counted: the stream's slot * 2, and 1 where the stream is confirmed by now
C_WIDTH = 16

# where a cell is CELL_RTCP
C_OFF = 4  # first byte in the slab
C_CAPLEN = 5  # bytes captured
C_WIRELEN = 6  # bytes by the UDP length

CELL_RTP, CELL_RTCP = 0, 1

# -- one stream: 64 numbers of 8 bytes, written by kernels.rtp.advance. What every packet touches fills the first four cache
# lines. All are int64 but the three of S_JITTER, which are float64 in the same memory.
S_KEY = 0  # src3 and port, dst3 and port, src0 and src1, dst0 and dst1, src2 and dst2, SSRC
KEY_WORDS = 6
S_FLAGS = 6  # the bits below
S_EXPIRE_NS = 7  # a packet later than this begins a new stream on the same key; 0 never
S_HIGHEST = 8  # highest extended sequence number of the run, -1 before its first packet
S_SAMPLES = 9  # jitter samples
S_WINDOW = 10  # two words: bit i of word w is set where (highest - 62 * w - i) was received
S_HELD = 12  # sequence number of a packet too far away to judge, -1 where none is held
S_PREVIOUS = 13  # extended sequence number of the packet counted last, negative before the first of a run
S_PACKETS = 14  # different extended sequence numbers, all runs
S_BYTES = 15
S_LAST_NS = 16  # highest capture time of any packet
S_ARRIVED_NS = 17  # capture time of the packet counted last
S_MAX_GAP_NS = 18
S_REFERENCE = 19  # payload type + 1 and clock rate * 256 of the jitter reference, 0 where there is none
S_REF_RTP_TS = 20
S_REF_NS = 21
S_MAP = 22  # payload map (streams.codec_map)
S_CURRENT = 23  # entry of the payload type seen last
S_JITTER = 24  # J_ milliseconds: J after the last sample, sum over all samples, maximum
J_LAST, J_SUM, J_MAX = 0, 1, 2
S_LOWEST = 27
S_TYPES = 28  # TYPE_ENTRIES pairs: packets * 1024 + TYPE_ flags + type; votes * 2**32 + timestamp step
TYPE_ENTRIES = 8
S_RUN_LENGTH = 44  # successive packets each one further; counted until the stream is confirmed
S_FIRST_NS = 45
S_RECORD = 46  # record number of the first packet
S_DUPLICATES = 47
S_REORDERED = 48
S_STRAY = 49
S_RESTARTS = 50
S_TS_JUMPS = 51
S_EXPECTED = 52  # of the runs before this one
S_HELD_RTP_TS = 53
S_HELD_TYPE = 54
S_HELD_SIZE = 55
S_HELD_NS = 56
S_HELD_LEAD = 57
S_HELD_AHEAD = 58  # 1 where the held packet lies ahead of the highest
S_DIGIT = 59  # timestamp * 16 + event + 1 of the event handed out last
S_MORE_TYPES = 60  # two words: types 0 to 47, and 48 to 63 with 96 to 127, that found no free entry
S_HASH = 62
S_NEXT_FREE = 63
S_WIDTH = 64
CACHE_LINE = 64  # bytes; rows begin at one

IN_USE = 1
INDEXED = 2  # packets of this key come here
CLOSED = 4  # the next packet of the key begins a new stream
CONFIRMED = 8  # RTP by the heuristic
ANNOUNCED = 16  # RTP by SDP

TYPE_NOT_EVENT = 128  # a payload that is no four-byte event was seen (see C_LEAD)
TYPE_COUNT = 1024  # one packet in the first word of a type's entry

# -- payload maps: int64, one entry a type: clock rate * 4 + class ---------------------------------------------------
MAP_WIDTH = 128
UNKNOWN, MEDIA, EVENT, COMFORT_NOISE = 0, 1, 2, 3

# -- what the kernel keeps between calls: int64 ----------------------------------------------------------------------
H_NEXT = 0  # next cell to look at
H_CELLS = 1  # cells loaded
H_FREE = 2  # first free row of the chain, -1 none
H_ROWS = 3  # rows used so far
H_FILL = 4  # index places that are not empty
H_SLOT = 5  # the row that a stop is about
H_DIGITS = 6  # events handed out and not yet taken
H_EVENTS = 8  # EVENT_ROOM groups of four: slot, run, RTP timestamp, payload type * 16 + event
EVENT_ROOM = 64
H_WIDTH = H_EVENTS + 4 * EVENT_ROOM

# Why `advance` returned
STOP_DONE = 0  # no cell left before the given record
STOP_NEW = 1  # a new stream: H_SLOT; its first packet is not counted yet
STOP_RTCP = 2  # an RTCP datagram: H_SLOT is its cell
STOP_EVENTS = 3  # no room for events
STOP_ROWS = 4  # no free row
STOP_INDEX = 5  # index half full

# An index place holds hash * 2**30 + slot, or one of these
EMPTY, TOMB = -1, -2
SLOT_LIMIT = 2**30

# -- what one RTCP datagram says: int64, written by kernels.rtcp.reports ---------------------------------------------
R_KIND = 0  # SENDER for an SR, BLOCK for a report block
R_REPORTER = 1  # SSRC of the packet's sender
R_ABOUT = 2  # SENDER: the same; BLOCK: SSRC that is reported about
R_NTP = 3  # SENDER: middle 32 bits of the NTP timestamp (what a receiver gives back as LSR)
R_LOST = 4  # BLOCK: cumulative number of packets lost, signed 24 bit
R_HIGHEST = 5  # BLOCK: extended highest sequence number received
R_JITTER = 6  # BLOCK: interarrival jitter in timestamp units
R_LSR = 7  # BLOCK: last SR, 0 none
R_DLSR = 8  # BLOCK: delay since last SR, 1/65536 s
R_FRACTION = 9  # BLOCK: share lost since the report before, 1/256
R_WIDTH = 10
REPORT_ROOM = 128  # rows taken of one datagram

SENDER, BLOCK = 0, 1
