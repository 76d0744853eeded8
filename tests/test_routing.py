"""Routing: who gets a row, by content and by claims."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lippycat_core.batch import Batch
from lippycat_core.columns import OTHER
from lippycat_core.errors import PluginError
from lippycat_core.interfaces.dissect import Claim
from lippycat_core.kernelset import KernelSet
from lippycat_core.routing import ClaimTable, Router
from lippycat_core.testing.conversation import Sent, batches, tcp, udp
from lippycat_core.testing.quiet import QuietDissector

A, B = "10.0.0.1:1000", "10.0.0.2:514"


class ByContent(QuietDissector):
    """Claims rows whose payload begins with a byte."""

    def __init__(self, name: str, kinds: tuple[str, ...], first: bytes) -> None:
        self.name, self.kinds, self._first = name, kinds, first

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        for row in range(begin, end):
            off = int(batch.transport.pay_off[row])
            if batch.route.kind[row] == 0 and batch.mem[off : off + 1] == self._first:
                batch.route.kind[row] = base + len(self.kinds) - 1


class ByClaims(ByContent):
    """Claims by a table, and so comes after content."""

    def __init__(self, kernels: KernelSet, *claims: Claim) -> None:
        super().__init__("claims", ("claimed",), b"")
        self._table = ClaimTable([claims])
        self._table.bind(kernels)

    def route(self, batch: Batch, begin: int, end: int, base: int) -> None:
        self._table.mark(batch, begin, end, base)

    def claim_connection(self, head: memoryview, sport: int, dport: int) -> object:
        return False


def one(kernels: KernelSet, packets: Sequence[Sent]) -> Batch:
    return next(batches(kernels, packets))


def marked(kernels: KernelSet, packets: Sequence[Sent], *claims: Sequence[Claim]) -> list[int]:
    """The kind of each row, base 1; the count that `mark` returns must agree."""
    table = ClaimTable(claims)
    table.bind(kernels)
    batch = one(kernels, packets)
    count = table.mark(batch, 0, batch.rows, 1)
    kinds: list[int] = batch.route.kind[: batch.rows].tolist()
    assert count == sum(kind > 0 for kind in kinds)
    return kinds


def test_kinds_are_numbered_from_one_and_content_comes_before_claims(kernels: KernelSet) -> None:
    claims = ByClaims(kernels, Claim("udp", (514,)))
    first, second = ByContent("first", ("a", "b"), b"x"), ByContent("second", ("c",), b"y")
    router = Router([claims, first, second])
    assert [router.base(dissector) for dissector in (first, second, claims)] == [1, 3, 4]
    assert router.kinds == ["", "first.a", "first.b", "second.c", "claims.claimed"]
    batch = one(kernels, [udp(A, B, b"x"), udp(A, B, b"y"), udp(A, B, b"z"), udp(A, A, b"z"), udp(A, B, b"x")])
    router.route(batch, 1, 5)
    assert batch.route.kind[:5].tolist() == [0, 3, 4, 0, 2]


def test_a_dissector_of_another_run_has_no_kinds(kernels: KernelSet) -> None:
    with pytest.raises(PluginError, match="stranger"):
        Router([]).base(ByContent("stranger", ("a",), b"x"))


def test_a_port_counts_at_either_end(kernels: KernelSet) -> None:
    packets = [udp(A, B, b"x"), udp(B, A, b"x"), udp(A, A, b"x"), tcp(A, B, 1, b"x"), Sent(A, B, b"x", status=OTHER)]
    assert marked(kernels, packets, [Claim("udp", (514,))]) == [1, 1, 0, 0, 0]


def test_first_bytes_must_be_there(kernels: KernelSet) -> None:
    packets = [udp(A, B, payload) for payload in (b"", b"<", b"<1", b"<12>", b"x<12>", b"[1]")]
    assert marked(kernels, packets, [Claim("udp", (514,), (b"<1", b"["))]) == [0, 0, 1, 1, 0, 1]
    assert marked(kernels, packets, [Claim("udp", (), (b"<1",))]) == [0, 0, 1, 1, 0, 0]
    assert marked(kernels, packets, [Claim("udp")]) == [1] * 6


def test_the_first_dissector_wins_whatever_its_claim_is(kernels: KernelSet) -> None:
    packets = [udp(A, B, b"abc"), udp(B, A, b"abd"), udp(A, A, b"abc")]
    general, port, prefix = [Claim("udp")], [Claim("udp", (514, 1000))], [Claim("udp", (), (b"abc",))]
    assert marked(kernels, packets, general, port, prefix) == [1, 1, 1]
    assert marked(kernels, packets, port, prefix, general) == [1, 1, 1]
    assert marked(kernels, packets, prefix, [Claim("udp", (514,))], general) == [1, 2, 1]


def test_without_udp_claims_no_row_is_looked_at(kernels: KernelSet) -> None:
    assert marked(kernels, [udp(A, B, b"x")], [Claim("tcp", (514,))]) == [0]


CLAIMS = st.lists(
    st.lists(
        st.builds(
            Claim,
            st.sampled_from(["udp", "tcp"]),
            st.lists(st.sampled_from([0, 53, 514, 65535]), max_size=3).map(tuple),
            st.lists(st.binary(max_size=2), max_size=3).map(tuple),
        ),
        max_size=3,
    ),
    max_size=4,
)
PACKETS = st.lists(
    st.builds(
        lambda sport, dport, payload: udp(f"10.0.0.1:{sport}", f"10.0.0.2:{dport}", payload),
        st.sampled_from([0, 53, 99]),
        st.sampled_from([514, 65535, 7]),
        st.binary(max_size=3),
    ),
    min_size=1,
    max_size=8,
)


def wanted(claim: Claim, sent: Sent) -> bool:
    ends = {int(end.rpartition(":")[2]) for end in (sent.src, sent.dst)}
    at_port = not claim.ports or bool(ends & set(claim.ports))
    return claim.transport == "udp" and at_port and sent.payload.startswith(claim.prefixes or b"")


@settings(max_examples=80, deadline=None)
@given(claims=CLAIMS, packets=PACKETS)
def test_the_table_says_what_the_claims_say(kernels: KernelSet, claims: list[list[Claim]], packets: list[Sent]) -> None:
    expected = []
    for sent in packets:
        kinds = [kind for kind, group in enumerate(claims, 1) if any(wanted(claim, sent) for claim in group)]
        expected.append(kinds[0] if kinds else 0)
    assert marked(kernels, packets, *claims) == expected


@pytest.mark.parametrize(
    ("head", "sport", "dport", "answer"),
    [
        (b"220 mail", 25, 4000, 0),
        (b"22", 25, 4000, None),
        (b"HELO", 4000, 25, -1),
        (b"HELO", 4000, 26, 1),
        (b"MAGIC", 1, 2, 2),
        (b"MAG", 1, 2, None),
        (b"220 mail", 1, 2, -1),
    ],
)
def test_streams_are_claimed_by_port_and_first_bytes(head: bytes, sport: int, dport: int, answer: int | None) -> None:
    table = ClaimTable(
        [[Claim("tcp", (25,), (b"220 ",))], [Claim("tcp", (26,)), Claim("udp", (25,))], [Claim("tcp", (), (b"MAGIC",))]]
    )
    assert table.connection(memoryview(head), sport, dport) == answer


def test_a_claim_that_may_still_match_goes_before_one_that_does() -> None:
    table = ClaimTable([[Claim("tcp", (), (b"LONGER",))], [Claim("tcp", (25,))]])
    assert table.connection(memoryview(b"LONG"), 25, 1) is None
    assert table.connection(memoryview(b"LONGX"), 25, 1) == 1
