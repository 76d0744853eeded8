"""Payload types and what they mean: the static table of RFC 3551, clock rates, kinds of media, payload maps for the kernel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from lippycat_voip.stream_columns import COMFORT_NOISE, EVENT, MAP_WIDTH, MEDIA, UNKNOWN


class Codec(NamedTuple):
    """What a payload type stands for; `name` as registered, `clock_rate` in Hz, `media` "audio" or "video"."""

    name: str
    clock_rate: int
    media: str


# RFC 3551, section 6. Type 19 is reserved there because drafts and old gateways used it for comfort noise.
STATIC: dict[int, Codec] = {
    0: Codec("PCMU", 8000, "audio"),
    3: Codec("GSM", 8000, "audio"),
    4: Codec("G723", 8000, "audio"),
    5: Codec("DVI4", 8000, "audio"),
    6: Codec("DVI4", 16000, "audio"),
    7: Codec("LPC", 8000, "audio"),
    8: Codec("PCMA", 8000, "audio"),
    9: Codec("G722", 8000, "audio"),
    10: Codec("L16", 44100, "audio"),
    11: Codec("L16", 44100, "audio"),
    12: Codec("QCELP", 8000, "audio"),
    13: Codec("CN", 8000, "audio"),
    14: Codec("MPA", 90000, "audio"),
    15: Codec("G728", 8000, "audio"),
    16: Codec("DVI4", 11025, "audio"),
    17: Codec("DVI4", 22050, "audio"),
    18: Codec("G729", 8000, "audio"),
    19: Codec("CN", 8000, "audio"),
    25: Codec("CelB", 90000, "video"),
    26: Codec("JPEG", 90000, "video"),
    28: Codec("nv", 90000, "video"),
    31: Codec("H261", 90000, "video"),
    32: Codec("MPV", 90000, "video"),
    33: Codec("MP2T", 90000, "video"),
    34: Codec("H263", 90000, "video"),
}

# Names of the RTP payload format registry that are not plain audio, and audio whose usual spelling is not upper case.
VIDEO = (
    *("H263-1998", "H263-2000", "H264", "H264-SVC", "H265", "H266", "VP8", "VP9", "AV1"),
    *("MP4V-ES", "MPV", "raw", "vc1", "jpeg2000"),
)
SPELLED = (
    *("telephone-event", "tone", "opus", "speex", "iLBC", "SILK", "vorbis", "mpeg4-generic"),
    *("red", "rtx", "ulpfec", "parityfec", "t140"),
)
SPELLING: dict[str, str] = {name.lower(): name for name in (*VIDEO, *SPELLED, *(codec.name for codec in STATIC.values()))}
VIDEO_NAMES = frozenset(name.lower() for name in (*VIDEO, *(codec.name for codec in STATIC.values() if codec.media == "video")))

# The clock is the codec's, whatever rtpmap says (RFC 7587, 4.1; RFC 3551, 4.5.2).
FIXED_CLOCK: dict[str, int] = {"opus": 48000, "g722": 8000}

# Events: RFC 4733, and Cisco's named signalling events of the same layout.
EVENT_NAMES = frozenset(("telephone-event", "x-nse"))
NOISE_NAMES = frozenset(("cn",))

CodecLine = tuple[int, str, int]
"""One rtpmap: payload type, encoding name, clock rate."""


def codec(name: str, clock_rate: int) -> Codec:
    """The codec of an rtpmap: registered spelling where known, the true clock rate, and the kind of media by its name."""
    low = name.lower()
    rate = FIXED_CLOCK.get(low, clock_rate)
    video = low in VIDEO_NAMES or (rate == 90000 and low != "mpa")
    return Codec(SPELLING.get(low, name), rate, "video" if video else "audio")


def meaning_class(found: Codec | None) -> int:
    """Class of a payload type for the kernel: UNKNOWN, MEDIA, EVENT or COMFORT_NOISE."""
    if found is None:
        return UNKNOWN
    low = found.name.lower()
    if low in EVENT_NAMES:
        return EVENT
    return COMFORT_NOISE if low in NOISE_NAMES else MEDIA


class PayloadMap:
    """What each payload type means where one session description applies; static types it does not name keep RFC 3551.

    `codecs` by payload type; `classes` of all 128 types (see `meaning_class`); `events`: the types of class EVENT.
    """

    __slots__ = ("classes", "codecs", "events")

    def __init__(self, lines: Iterable[CodecLine] = ()) -> None:
        self.codecs: dict[int, Codec] = dict(STATIC)
        for payload_type, name, clock_rate in lines:
            if 0 <= payload_type < MAP_WIDTH:
                self.codecs[payload_type] = codec(name, clock_rate)
        self.classes = [meaning_class(self.codecs.get(payload_type)) for payload_type in range(MAP_WIDTH)]
        self.events = frozenset(payload_type for payload_type in range(MAP_WIDTH) if self.classes[payload_type] == EVENT)

    def cells(self) -> list[int]:
        """The map as the kernel reads it: clock rate * 4 + class for each of the 128 types; 0 is unknown."""
        cells = list(self.classes)
        for payload_type, found in self.codecs.items():
            if 0 < found.clock_rate < 2**24:
                cells[payload_type] += found.clock_rate * 4
        return cells
