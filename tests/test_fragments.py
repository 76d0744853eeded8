"""Datagrams in pieces, as conversations: pieces in any order, doubled, overlapping, cut, late, nested, too many."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP, fragment
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrFragment
from scapy.layers.l2 import GRE, Ether
from scapy.packet import Packet, Raw

from lippycat_core.batch import Batch
from lippycat_core.columns import BAD_HEADER, DECODED, FILTERED, FRAGMENT, OTHER
from lippycat_core.fragments import MAX_COPIES, MAX_PIECES, FragmentTable
from lippycat_core.kernels.decode import decode
from lippycat_core.kernelset import KernelSet

MakeBatch = Callable[..., Batch]

SECOND = 1_000_000_000
E = Ether(src="02:00:00:00:00:01", dst="02:00:00:00:00:02")  # without addresses scapy asks the network for them
BODY = bytes(random.Random(1).randbytes(2900))


def udp4(body: bytes = BODY, ident: int = 1, src: str = "10.0.0.1") -> Packet:
    return IP(src=src, dst="10.0.0.2", id=ident) / UDP(sport=5060, dport=5070) / Raw(body)


def pieces4(body: bytes = BODY, ident: int = 1, size: int = 1000, src: str = "10.0.0.1") -> list[bytes]:
    return [bytes(E / piece) for piece in fragment(udp4(body, ident, src), size)]


def pieces6(body: bytes = BODY, ident: int = 1, size: int = 1000) -> list[bytes]:
    """As RFC 8200 says: the fragmentable part begins behind the fragment header."""
    ip = IPv6(src="2001:db8::1", dst="2001:db8::2")
    whole = bytes(ip / IPv6ExtHdrDestOpt() / UDP(sport=1, dport=2) / Raw(body))[40:]
    cuts = range(0, len(whole), size // 8 * 8)
    return [
        bytes(
            E
            / ip
            / IPv6ExtHdrFragment(nh=60, id=ident, offset=at // 8, m=int(at != cuts[-1]))
            / Raw(whole[at : at + size // 8 * 8])
        )
        for at in cuts
    ]


class Joined:
    """What a table made of records, given to it in batches of the wanted sizes."""

    def __init__(self, kernels: KernelSet, make_batch: MakeBatch) -> None:
        self._kernels = kernels
        self._make_batch = make_batch

    def __call__(
        self,
        packets: Sequence[bytes],
        sizes: Sequence[int] = (),
        times_ns: Sequence[int] | None = None,
        wirelens: Sequence[int] | None = None,
        table: FragmentTable | None = None,
        skip: Sequence[int] = (),
    ) -> Joined:
        self.table = table or FragmentTable()
        self.table.bind(self._kernels)
        self.status: list[int] = []
        self.payloads: dict[int, bytes] = {}  # by row, where one was decoded
        self.ends: dict[int, tuple[int, int, int, int]] = {}
        self.wire: dict[int, int] = {}
        self.datagrams: dict[int, tuple[int, ...]] = {}  # record that completed one: the other records of it
        begin = 0
        for size in [*sizes, len(packets)]:
            end = min(begin + size, len(packets))
            if begin == end:
                break
            batch = self._make_batch(
                packets[begin:end],
                wirelens=None if wirelens is None else wirelens[begin:end],
                times_ns=list(range(begin, end)) if times_ns is None else times_ns[begin:end],
                first_record=begin + 1,
            )
            for row in skip:
                batch.route.status[row] = FILTERED
            views = batch.views
            self._kernels[decode](views.slab, views.frame, views.net, views.transport, views.route, 0, batch.rows)
            self.table.join(batch)
            self._note(batch, begin)
            begin = end
        return self

    def _note(self, batch: Batch, begin: int) -> None:
        columns = batch.transport
        self.datagrams |= {batch.first_record + row: records for row, records in batch.datagrams}
        for row in range(batch.rows):
            status = int(batch.route.status[row])
            self.status.append(status)
            if status == DECODED:
                off = int(columns.pay_off[row])
                self.payloads[begin + row] = bytes(batch.mem[off : off + int(columns.pay_len[row])])
                self.ends[begin + row] = (
                    int(batch.net.src3[row]),
                    int(columns.sport[row]),
                    int(batch.net.dst3[row]),
                    int(columns.dport[row]),
                )
                self.wire[begin + row] = int(columns.pay_wire[row])


@pytest.fixture
def join(kernels: KernelSet, make_batch: MakeBatch) -> Joined:
    return Joined(kernels, make_batch)


def finished(joined: Joined) -> int:
    joined.table.finish()
    return joined.table.incomplete


def test_in_order(join: Joined) -> None:
    packets = pieces4()
    result = join(packets)
    assert result.status == [FRAGMENT, FRAGMENT, DECODED]
    assert result.payloads == {2: BODY}
    assert result.ends == {2: (0x0A000001, 5060, 0x0A000002, 5070)}
    assert result.wire == {2: len(BODY)}
    assert finished(result) == 0


def test_ipv6_with_destination_options_behind_the_fragment_header(join: Joined) -> None:
    result = join(pieces6())
    assert result.status == [FRAGMENT, FRAGMENT, DECODED]
    assert result.payloads == {2: BODY}
    assert finished(result) == 0


@pytest.mark.parametrize("pieces", [pieces4, pieces6])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_order_and_any_batches(
    pieces: Callable[..., list[bytes]], kernels: KernelSet, make_batch: MakeBatch, data: st.DataObject
) -> None:
    """Two datagrams, shuffled and doubled: each is whole as often as its rarest piece was captured, wherever batches end."""
    first, second = pieces(size=600), pieces(BODY[::-1], ident=2)
    packets = data.draw(st.permutations(first + second + data.draw(st.lists(st.sampled_from(first + second), max_size=6))))
    sizes = data.draw(st.lists(st.integers(1, 5), max_size=20))
    result = Joined(kernels, make_batch)(packets, sizes)
    expected = [
        body
        for body, parts in ((BODY, first), (BODY[::-1], second))
        for _ in range(min(MAX_COPIES, *(packets.count(part) for part in parts)))
    ]
    assert sorted(result.payloads.values()) == sorted(expected)
    assert finished(result) == 0
    assert Joined(kernels, make_batch)(packets).payloads == result.payloads


def test_each_copy_counts(join: Joined) -> None:
    """A mirror port shows each packet twice: both orders in which copies come give both datagrams."""
    a, b, c = pieces4()
    assert list(join([a, a, b, b, c, c]).payloads.values()) == [BODY, BODY]
    result = join([a, b, c, a, b, c])
    assert list(result.payloads) == [2, 5]
    assert finished(result) == 0


def test_a_late_copy_is_delivered_and_completes_nothing(join: Joined) -> None:
    a, b, c = pieces4()
    result = join([a, b, c, b, c])
    assert result.status == [FRAGMENT, FRAGMENT, DECODED, FRAGMENT, FRAGMENT]
    assert finished(result) == 0


def test_copies_are_bounded(join: Joined) -> None:
    a, b, c = pieces4()
    result = join([a, b] * 10 + [c] * 10)
    assert len(result.payloads) == MAX_COPIES
    assert finished(result) == 0


def test_an_identification_used_again(join: Joined) -> None:
    other = BODY[::-1]
    result = join(pieces4() + pieces4(other))
    assert list(result.payloads.values()) == [BODY, other]
    assert finished(result) == 0


def test_same_identification_from_somebody_else(join: Joined) -> None:
    ours, theirs = pieces4(), pieces4(BODY[::-1], src="10.0.0.9")
    result = join([x for pair in zip(ours, theirs, strict=True) for x in pair])
    assert list(result.payloads.values()) == [BODY, BODY[::-1]]


def test_first_copy_wins_where_pieces_overlap(join: Joined) -> None:
    head, middle, tail = pieces4(size=1000)
    evil = bytes(E / IP(src="10.0.0.1", dst="10.0.0.2", id=1, proto=17, flags="MF", frag=100) / Raw(b"!" * 400))
    assert join([head, middle, evil, tail]).payloads == {3: BODY}
    forged = join([evil, head, middle, tail]).payloads[3]
    assert forged == BODY[:792] + b"!" * 400 + BODY[1192:]


def test_a_missing_piece(join: Joined) -> None:
    head, _middle, tail = pieces4()
    result = join([head, tail])
    assert result.payloads == {}
    assert finished(result) == 2


def test_first_fragment_alone(join: Joined) -> None:
    result = join(pieces4()[:1])
    assert result.status == [FRAGMENT]
    assert finished(result) == 1


def test_timeout_in_packet_time(join: Joined) -> None:
    a, b, c = pieces4()
    assert join([a, b, c], times_ns=[0, SECOND, 30 * SECOND]).payloads == {2: BODY}
    late = join([a, b, c], times_ns=[0, SECOND, 30 * SECOND + 1])
    assert late.payloads == {}
    assert late.table.incomplete == 2
    assert finished(late) == 3


def test_any_packet_moves_the_clock_and_none_moves_it_back(join: Joined) -> None:
    a, b, c = pieces4()
    other = bytes(E / IP() / ICMP())
    for sizes in ((), (2,), (1, 1, 1)):
        late = join([a, b, other, c], sizes, times_ns=[0, 0, 31 * SECOND, SECOND])
        assert late.status == [FRAGMENT, FRAGMENT, OTHER, FRAGMENT]
        assert late.table.incomplete == 2
        assert finished(late) == 3


def test_room_is_bounded_in_bytes(join: Joined) -> None:
    table = FragmentTable(max_bytes=3500)
    first, second = pieces4(), pieces4(ident=2)
    result = join([first[0], second[0], second[1], second[2], first[1], first[2]], table=table)
    assert result.payloads == {3: BODY}
    assert dict(table.evicted) == {"fragments": 1}
    assert table.incomplete == 1
    assert finished(result) == 3


def test_room_is_bounded_in_datagrams(join: Joined) -> None:
    table = FragmentTable(max_datagrams=10)
    result = join([pieces4(ident=ident)[0] for ident in range(50)], table=table)
    assert dict(table.evicted) == {"fragments": 40}
    assert finished(result) == 50


def test_whole_datagrams_make_room_first(join: Joined) -> None:
    table = FragmentTable(max_datagrams=2)
    waiting = pieces4(ident=1)
    result = join([waiting[0], *pieces4(ident=2), *pieces4(ident=3), *waiting[1:]], table=table)
    assert len(result.payloads) == 3
    assert dict(table.evicted) == {}
    assert finished(result) == 0


def test_pieces_of_a_datagram_are_bounded(join: Joined) -> None:
    packets = [
        bytes(E / IP(src="1.1.1.1", dst="2.2.2.2", id=3, flags="MF", frag=1 + 2 * at) / Raw(bytes(8)))
        for at in range(MAX_PIECES + 5)
    ]
    result = join(packets)
    assert dict(result.table.evicted) == {"fragments": 1}
    assert result.table.incomplete == MAX_PIECES
    assert finished(result) == len(packets)


def test_pieces_cut_by_the_snap_length(join: Joined) -> None:
    """What was captured up to the first hole is delivered, its length on the wire with it."""
    packets = pieces4()
    cut = [packets[0], packets[1][:300], packets[2][:300]]
    result = join(cut, wirelens=[len(p) for p in packets])
    captured = len(packets[0]) - 42 + 300 - 34
    assert result.payloads == {2: BODY[:captured]}
    assert result.wire == {2: len(BODY)}
    assert finished(result) == 0


def test_largest_datagram(join: Joined) -> None:
    """65,535 bytes behind a header of its own is more than the length field of the synthesised one can say."""
    body = bytes(random.Random(2).randbytes(65507))
    assert list(join(pieces4(body, size=1480)).payloads.values()) == [body]


def test_not_udp_and_not_sound(join: Joined) -> None:
    icmp = [bytes(E / p) for p in fragment(IP(src="1.1.1.1", dst="2.2.2.2", id=5) / ICMP() / Raw(BODY), 1000)]
    assert join(icmp).status == [FRAGMENT, FRAGMENT, OTHER]
    bad = [bytes(E / p) for p in fragment(IP(src="1.1.1.1", dst="2.2.2.2", id=5) / UDP(len=5) / Raw(BODY), 1000)]
    result = join(bad)
    assert result.status == [FRAGMENT, FRAGMENT, BAD_HEADER]
    assert finished(result) == 0


def test_tcp(join: Joined) -> None:
    segment = IP(src="10.0.0.1", dst="10.0.0.2", id=6) / TCP(sport=80, dport=81, seq=9) / Raw(BODY)
    assert join([bytes(E / p) for p in fragment(segment, 1000)]).payloads == {2: BODY}


def test_fragments_inside_a_tunnel(join: Joined) -> None:
    packets = [bytes(E / IP(src="9.9.9.9", dst="8.8.8.8") / GRE() / p) for p in fragment(udp4(), 1000)]
    assert join(packets).payloads == {2: BODY}


def test_a_tunnel_in_fragments(join: Joined) -> None:
    outer = IP(src="9.9.9.9", dst="8.8.8.8", id=77) / GRE() / udp4()
    assert join([bytes(E / p) for p in fragment(outer, 1000)]).ends == {2: (0x0A000001, 5060, 0x0A000002, 5070)}


def test_fragments_in_fragments(join: Joined) -> None:
    """Each piece of the inner datagram came in two outer pieces."""
    outer = [
        bytes(E / half)
        for number, piece in enumerate(fragment(udp4(), 1000))
        for half in fragment(IP(src="9.9.9.9", dst="8.8.8.8", id=100 + number) / piece, 600)
    ]
    assert len(outer) == 6
    result = join(outer)
    assert list(result.payloads.values()) == [BODY]
    assert finished(result) == 0
    assert finished(join(outer[:4])) == 2  # the two records that completed an inner piece each


def test_filtered_fragments_are_not_looked_at(join: Joined) -> None:
    result = join(pieces4(), skip=[1])
    assert result.status == [FRAGMENT, FILTERED, FRAGMENT]
    assert finished(result) == 2


def test_nothing_to_do(join: Joined) -> None:
    result = join([bytes(E / udp4(b"x"))] * 3)
    assert result.status == [DECODED] * 3
    assert finished(result) == 0


@pytest.mark.parametrize("sizes", [(), (1, 1, 1), (2,)])
def test_the_records_that_made_up_a_datagram_are_told(join: Joined, sizes: Sequence[int]) -> None:
    first, second, third = pieces4()
    other = pieces4(ident=2)
    assert join([first, other[0], third, second, other[2]], sizes).datagrams == {4: (1, 3)}
    assert join([first, first, second, second, third, third], sizes).datagrams == {5: (1, 2, 3, 4), 6: ()}


def test_the_records_told_of_a_flood_of_copies_are_bounded(join: Joined) -> None:
    first, second, third = pieces4()
    (records,) = join([first] * 3000 + [second, third]).datagrams.values()
    assert records == tuple(range(1, MAX_PIECES * MAX_COPIES + 1))
