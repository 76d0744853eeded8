"""The filters of `lc sniff voip`: for each message of a chunk, which of the options it satisfies.

A call is wanted when its messages have together satisfied every option that was given; keeping account of that is
`dialogs`' business. What the user typed is read by `patterns` and `networks`; texts are compared by a match driver, one
submission a chunk and kind of text.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from lippycat_core.columns import I32, I64, U8
from lippycat_core.errors import FilterError
from lippycat_core.interfaces.match import Algorithm, MatchBackend, Matcher, Pattern, PatternSet, Spans
from lippycat_core.kernelset import Kernel, KernelSet
from lippycat_voip.codecs import STATIC
from lippycat_voip.columns import AD_WIDTH, M_CALL_ID, M_WIDTH
from lippycat_voip.kernels.addresses import MESSAGE_LIMIT, addresses
from lippycat_voip.kernels.collect import END_WIDTH
from lippycat_voip.kernels.identities import (
    ADDRESS_BYTES,
    ADDRESS_TEXTS,
    NUMBERS,
    URIS,
    USERS,
    Numbering,
    Texts,
    identities,
)
from lippycat_voip.networks import Networks
from lippycat_voip.patterns import Dialling, number_patterns, read_list, text_pattern, uri_pattern
from lippycat_voip.sdp import Media, SessionDescription

BY_USER, BY_NUMBER, BY_URI = TEXTS = (USERS, NUMBERS, URIS)
BY_CALL_ID, BY_HOST, BY_CODEC = 8, 16, 32
"""Bits of a mask: options that a message satisfies. Those in `TEXTS` are what `identities` is asked for."""

OUT_BYTES = 256 * 1024
"""Texts that are matched at once; those of 512 messages take 20 to 100 KB."""

MOST_DIGITS = 16
"""Of a prefix or country code."""

_NO_TOKEN = frozenset('/ *?,;:()<>@"=')
"""What is in no encoding name that anybody uses, though a token may have a * (RFC 4566, section 9): who writes one means a
wildcard, and names are compared whole."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What the user asked for, as typed; comma lists but for Call-IDs and URIs, which may hold commas."""

    sip_users: Sequence[str] = ()
    sip_user_file: str | None = None
    phone_numbers: Sequence[str] = ()
    phone_number_file: str | None = None
    uris: Sequence[str] = ()
    call_ids: Sequence[str] = ()
    hosts: Sequence[str] = ()
    codecs: Sequence[str] = ()
    dialling: Dialling = field(default_factory=Dialling)
    algorithm: str = Algorithm.AUTO.value
    said: Mapping[str, str] = field(default_factory=dict)  # by setting, how the user said it where it was no option

    def named(self, setting: str) -> str:
        """What an error calls the filter that the setting `voip.SETTING` is."""
        return self.said.get(setting) or "--" + setting.replace("_", "-")

    @property
    def any(self) -> bool:
        """Whether some calls only are wanted."""
        return self.by_pattern or bool(self.hosts or self.codecs)

    @property
    def by_pattern(self) -> bool:
        """Whether a match driver is needed."""
        texts = self.sip_users or self.phone_numbers or self.uris or self.call_ids
        return bool(texts) or self.sip_user_file is not None or self.phone_number_file is not None


class Selection:
    """Compiled filters. Raises FilterError or InputError for what cannot be one. `complete`: the mask of a wanted call."""

    kernels: ClassVar[tuple[Kernel, ...]] = (addresses, identities)

    def __init__(self, filters: Filters, backend: MatchBackend, *, most_messages: int) -> None:
        dialling = checked(filters.dialling)
        algorithm = algorithm_named(filters.algorithm)
        self._matchers: dict[int, Matcher] = {}
        for bit, patterns in _patterns(filters, dialling).items():
            self._matchers[bit] = backend.compile(PatternSet(patterns, algorithm=algorithm))
        self._hosts = _networks(filters.named("ip"), filters.hosts) if filters.hosts else None
        self._codecs = _codec_names(filters.named("codec"), filters.codecs)
        self.complete = sum(self._matchers) + (BY_HOST if self._hosts else 0) + (BY_CODEC if self._codecs else 0)
        self._texts = self.complete & (BY_USER | BY_NUMBER | BY_URI)
        self._numbering = _numbering(dialling)
        self._addresses: I32 = np.zeros(0, np.int32)
        self._lists = {bit: Texts(*(np.zeros(0, np.int32) for _ in Texts._fields)) for bit in TEXTS}
        self._out: U8 = np.zeros(OUT_BYTES if self._texts else ADDRESS_BYTES, np.uint8)
        if self._texts:
            most = most_messages * MESSAGE_LIMIT
            self._addresses = np.zeros(most * AD_WIDTH, np.int32)
            for bit in TEXTS:
                if self._texts & bit:
                    self._lists[bit] = Texts(*(np.zeros(most * ADDRESS_TEXTS, np.int32) for _ in Texts._fields))

    def bind(self, kernels: KernelSet) -> None:
        """Take the runnable kernels."""
        self._find_addresses = kernels[addresses]
        self._identities = kernels[identities]
        self._addresses_view = kernels.view(self._addresses)
        self._out_view = kernels.view(self._out)
        self._numbering_view = kernels.view_all(self._numbering)
        self._list_views = [kernels.view_all(self._lists[bit]) for bit in TEXTS]

    def masks(
        self,
        slab: U8,
        slab_view: U8,
        messages: I32,
        messages_view: I32,
        count: int,
        ends: I64,
        bodies: Mapping[int, SessionDescription],
    ) -> list[int]:
        """The mask of each of `count` messages of the message table, whose spans lie in `slab`; `*_view` is the same memory
        in the form that the bound kernels take. `ends` are those of the messages (kernels.collect), `bodies` what they
        describe, by index."""
        found: I32 = np.zeros(count, np.int32)
        if BY_CALL_ID in self._matchers:
            table = messages[: count * M_WIDTH].reshape(-1, M_WIDTH)
            off, length = np.ascontiguousarray(table[:, M_CALL_ID]), np.ascontiguousarray(table[:, M_CALL_ID + 1])
            self._matchers[BY_CALL_ID].submit(Spans(slab, off, length), first_only=True)
        if self._texts:
            self._match_texts(slab_view, messages_view, count, found)
        if BY_CALL_ID in self._matchers:
            found[self._matchers[BY_CALL_ID].collect().row] |= BY_CALL_ID
        if self._hosts is not None:
            self._test_hosts(self._hosts, ends[: count * 2 * END_WIDTH], bodies, found)
        if self._codecs:
            for message, description in bodies.items():
                if any(not self._codecs.isdisjoint(codec_names(media)) for media in description.media):
                    found[message] |= BY_CODEC
        masks: list[int] = found.tolist()
        return masks

    def _match_texts(self, slab: U8, messages: I32, count: int, found: I32) -> None:
        total = self._find_addresses(slab, messages, count, self._addresses_view)
        done = 0
        while done < total:
            done, used, *counts = self._identities(
                slab, self._addresses_view, done, total, self._texts, self._numbering_view, self._out_view, *self._list_views
            )
            out = self._out[:used]
            for bit, texts in zip(TEXTS, counts, strict=True):
                if bit in self._matchers:
                    list_ = self._lists[bit]
                    self._matchers[bit].submit(Spans(out, list_.off[:texts], list_.length[:texts]), first_only=True)
            for bit in TEXTS:
                if bit in self._matchers:
                    found[self._lists[bit].message[self._matchers[bit].collect().row]] |= bit

    @staticmethod
    def _test_hosts(hosts: Networks, ends: I64, bodies: Mapping[int, SessionDescription], found: I32) -> None:
        """Both ends of each message, and the addresses of c= lines that apply to a medium."""
        either = hosts.hold(ends.reshape(-1, END_WIDTH)[:, :4]).reshape(-1, 2).any(axis=1)
        found[either] |= BY_HOST
        said = [(m, media.address) for m, body in bodies.items() for media in body.media if media.address is not None]
        if said:
            held = hosts.hold(np.array([address for _, address in said], np.int64))
            found[[m for (m, _), yes in zip(said, held.tolist(), strict=True) if yes]] |= BY_HOST

    def close(self) -> None:
        """Give back what the patterns hold on a device; no message follows."""
        for matcher in self._matchers.values():
            matcher.close()
        self._matchers.clear()


def _patterns(filters: Filters, dialling: Dialling) -> dict[int, list[Pattern]]:
    """The patterns of each kind of text that is asked for."""
    found: dict[int, list[Pattern]] = {}
    if filters.sip_users or filters.sip_user_file is not None:
        names = read_list(filters.named("sip_user"), filters.sip_users, filters.sip_user_file, "SIP users")
        found[BY_USER] = [text_pattern(name) for name in names]
    if filters.phone_numbers or filters.phone_number_file is not None:
        said = filters.named("phone_number")
        numbers = read_list(said, filters.phone_numbers, filters.phone_number_file, "telephone numbers")
        with _naming(said if filters.phone_numbers else filters.phone_number_file or said):
            found[BY_NUMBER] = [pattern for number in numbers for pattern in number_patterns(number, dialling)]
    if filters.uris:
        with _naming(filters.named("uri")):
            found[BY_URI] = [uri_pattern(uri) for uri in _whole(filters.uris)]
    if filters.call_ids:
        with _naming(filters.named("call_id")):
            found[BY_CALL_ID] = [text_pattern(call_id) for call_id in _whole(filters.call_ids)]
    return found


@contextmanager
def _naming(said: str) -> Iterator[None]:
    """A FilterError says where what it speaks of was said."""
    try:
        yield
    except FilterError as error:
        raise FilterError(f"{said}: {error}") from None


def _whole(values: Sequence[str]) -> list[str]:
    if not all(value.strip() for value in values):
        raise FilterError("an empty pattern, which no call has: leave it out")
    return [value.strip() for value in values]


def _networks(said: str, given: Sequence[str]) -> Networks:
    texts = read_list(said, given, None, "addresses")
    with _naming(said):
        return Networks(texts)


def _codec_names(said: str, given: Sequence[str]) -> frozenset[str]:
    names = read_list(said, given, None, "codecs")
    for name in names:
        if not name.isascii() or not name.isprintable() or not _NO_TOKEN.isdisjoint(name):
            raise FilterError(
                f"{said}: {name!r} is no encoding name: write one as in a=rtpmap without its clock rate, such as PCMU"
            )
    return frozenset(name.lower() for name in names)


def codec_names(media: Media) -> set[str]:
    """The encoding names that a description offers, in lower case: by rtpmap, and by static payload type where that says
    nothing of it (RFC 3551, 6). None where it is no RTP."""
    if media.secure is None:
        return set()
    mapped = {payload_type: name.lower() for payload_type, name, _ in media.codecs}
    for payload_type in media.formats:
        if payload_type in STATIC:
            mapped.setdefault(payload_type, STATIC[payload_type].name.lower())
    return set(mapped.values())


def algorithm_named(name: str) -> Algorithm:
    """The algorithm of that name. FilterError where there is none."""
    try:
        return Algorithm(name)
    except ValueError:
        known = ", ".join(algorithm.value for algorithm in Algorithm)
        raise FilterError(f"--pattern-algorithm (voip.pattern_algorithm): no algorithm {name!r}; there are {known}") from None


def checked(dialling: Dialling) -> Dialling:
    """`dialling` without a country code's `+`; prefixes longest first, so that 0011 is not taken for 00. FilterError."""
    country = dialling.country.removeprefix("+")
    named = [("voip.international_prefixes", prefix) for prefix in dialling.international]
    for key, digits in (*named, ("voip.country_code", country or "1"), ("voip.national_prefix", dialling.national or "0")):
        if not (digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS):
            raise FilterError(f"{key}: {digits!r} is no prefix: write digits, {MOST_DIGITS} at most")
    return Dialling(tuple(sorted(dialling.international, key=len, reverse=True)), country, dialling.national)


def _numbering(dialling: Dialling) -> Numbering:
    def column(text: str) -> U8:
        return np.frombuffer(text.encode(), np.uint8).copy()

    ends = np.cumsum([len(prefix) for prefix in dialling.international]).astype(np.int32)
    return Numbering(column("".join(dialling.international)), ends, column(dialling.country), column(dialling.national))
