"""Flows: slots, the packet clock, ticks, and what happens at the bound."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lippycat_core.batch import Batch
from lippycat_core.columns import OTHER, TCP
from lippycat_core.errors import ContractError
from lippycat_core.flows import FlowTable
from lippycat_core.kernels import flow as k
from lippycat_core.kernelset import Interpreted, KernelSet
from lippycat_core.testing.conversation import Sent, batches, fill, tcp, udp

SECOND = 1_000_000_000
A, B = "10.0.0.1:5060", "10.0.0.2:5070"


def client(number: int) -> str:
    return f"10.1.{number >> 8}.{number & 255}:4000"


def run(
    flows: FlowTable, kernels: KernelSet, packets: Sequence[Sent], capacity: int = 4096
) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """Flow and clock of each row, and the ticks, as a pipeline would see them."""
    slots: list[int] = []
    clock: list[int] = []
    ticks: list[tuple[int, int]] = []
    for batch in batches(kernels, packets, capacity):
        begin = 0
        while begin < batch.rows or flows.tick_due:
            end = flows.track(batch, begin)
            slots += batch.route.flow[begin:end].tolist()
            clock += batch.route.now_ns[begin:end].tolist()
            if due := flows.tick_due:
                ticks.append(due)
                flows.tick(*due)
            begin = end
    return slots, clock, ticks


def test_each_direction_is_a_flow_and_knows_the_other(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    slots, _, _ = run(
        flows, kernels, [udp(A, B), udp(B, A), udp(A, B), tcp(A, B, 1), udp("[2001:db8::1]:5060", "[2001:db8::2]:5060")]
    )
    assert slots == [0, 1, 0, 2, 3]
    assert len(flows) == 4
    assert [flows.peer(slot) for slot in range(4)] == [1, 0, -1, -1]
    assert [flows.side(slot) for slot in range(4)] == [0, 1, 0, 0]
    assert flows.ports(1) == (5070, 5060)
    for slot in (0, 1):
        info = flows.info(slot)
        assert (info.transport, info.src, info.sport, info.dst, info.dport) == ("udp", "10.0.0.1", 5060, "10.0.0.2", 5070)
    assert (flows.info(3).src, flows.info(3).dst) == ("2001:db8::1", "2001:db8::2")
    assert flows.info(2).transport == "tcp"
    assert flows.cells[0 * k.WIDTH + k.PACKETS] == 2
    assert (flows.cells[k.FIRST_NS], flows.cells[k.LAST_NS]) == (1_000_000, 3_000_000)


def test_addresses_that_differ_in_one_word_only_are_different_flows(kernels: KernelSet) -> None:
    hosts = ["::1", "::1:0:1", "::1:0:0:0:1", "1::1", "8000::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::"]
    packets = [udp(f"[{src}]:1", f"[{dst}]:{port}") for src in hosts for dst in hosts for port in (1, 65535)]
    slots, _, _ = run(FlowTable(kernels), kernels, packets)
    assert slots == list(range(len(packets)))


def test_a_host_that_talks_to_itself_has_no_other_direction(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    run(flows, kernels, [udp(A, A), udp(A, A)])
    assert (len(flows), flows.peer(0)) == (1, -1)


def test_rows_without_transport_have_no_flow_but_move_the_clock(kernels: KernelSet) -> None:
    packets = [udp(A, B, ts_ns=5), Sent(A, B, ts_ns=9, status=OTHER), Sent(A, B, proto=132, ts_ns=7), udp(A, B, ts_ns=-3)]
    slots, clock, _ = run(FlowTable(kernels), kernels, packets)
    assert slots == [0, -1, -1, 0]
    assert clock == [5, 9, 9, 9]


def test_a_tick_is_due_after_one_second_and_256_records(kernels: KernelSet) -> None:
    many = [udp(A, B, ts_ns=n * 10_000_000) for n in range(600)]  # 100 a second: the 256 records count
    assert run(FlowTable(kernels), kernels, many)[2] == [(2_560_000_000, 257), (5_120_000_000, 513)]
    few = [udp(A, B, ts_ns=n * 1_000_000) for n in range(2100)]  # 1,000 a second: the second counts
    assert run(FlowTable(kernels), kernels, few)[2] == [(1 * SECOND, 1001), (2 * SECOND, 2001)]


def test_where_a_batch_ends_changes_nothing(kernels: KernelSet) -> None:
    packets = [udp(client(n % 37), B, ts_ns=n * 7_000_000 - (n % 5) * 9_000_000) for n in range(900)]
    whole = run(FlowTable(kernels), kernels, packets)
    assert whole[2]
    for capacity in (1, 2, 7, 255, 256, 257, 899):
        assert run(FlowTable(kernels), kernels, packets, capacity) == whole


def test_the_table_grows_and_keeps_its_flows(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    packets = [udp(client(n), B, ts_ns=n) for n in range(9000)]
    slots, _, _ = run(flows, kernels, packets + packets, 3000)
    assert slots == [*range(9000), *range(9000)]
    assert flows.evicted() == {}


def test_at_the_bound_those_silent_longest_go(kernels: KernelSet) -> None:
    gone: list[int] = []
    flows = FlowTable(kernels, max_flows=32)
    flows.watch(gone.extend)
    talk = [udp(client(n), B, ts_ns=n) for n in range(32)]
    slots, _, _ = run(
        flows, kernels, [*talk, udp(client(0), B, ts_ns=40), udp(client(99), B, ts_ns=41), udp(client(0), B, ts_ns=42)]
    )
    assert gone == [1, 2]
    assert slots[32:] == [0, 2, 0]
    assert flows.evicted() == {"flows": 2}
    assert len(flows) == 31


@pytest.mark.parametrize("capacity", [1, 5, 64, 4096])
def test_eviction_does_not_depend_on_batches(capacity: int) -> None:
    packets = [udp(client(n * 7919 % 150), B) if n % 3 else udp(B, client(n * 7919 % 150)) for n in range(700)]
    flows = FlowTable(Interpreted(), max_flows=64)
    slots, _, _ = run(flows, Interpreted(), packets, capacity)
    reference = FlowTable(Interpreted(), max_flows=64)
    assert slots == run(reference, Interpreted(), packets, 700)[0]
    assert flows.evicted() == reference.evicted() != {}


def test_both_directions_of_a_conversation_go_together(kernels: KernelSet) -> None:
    flows = FlowTable(kernels, max_flows=4)
    gone: list[int] = []
    flows.watch(gone.extend)
    talk = [udp(A, B), udp(client(1), B), udp(client(2), B), udp(B, A)]
    slots, _, _ = run(flows, kernels, [*talk, udp(client(3), B), udp(client(4), B), udp(client(5), B)])
    assert gone == [1, 2, 3, 0]  # two that nobody answered, then A's with its answer, as old as that
    assert slots[4:] == [1, 2, 0]
    assert flows.peer(0) == -1


def idle_sweep(flows: FlowTable, kernels: KernelSet, packets: Sequence[Sent], after_s: int) -> Sequence[int]:
    """Fill the table, then let a tick happen `after_s` seconds later."""
    batch = Batch(kernels)
    fill(batch, packets)
    flows.track(batch, 0)
    flows.tick(1 * SECOND, 1)
    gone: list[int] = []
    flows.watch(gone.extend)
    flows.tick(after_s * SECOND, 1000)
    return gone


def test_silent_flows_are_freed_at_a_tick_and_their_slots_used_again(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    packets = [udp(A, B), udp(B, A), tcp(A, B, 1)]
    assert not idle_sweep(flows, kernels, packets, 299)
    assert sorted(idle_sweep(flows, kernels, packets, 1000)) == [0, 1, 2]
    assert len(flows) == 0
    slots, _, _ = run(flows, kernels, [udp(client(7), B, ts_ns=1001 * SECOND)])
    assert slots[0] in (0, 1, 2)
    assert flows.peer(slots[0]) == -1


def test_a_connection_that_reassembly_keeps_is_not_freed(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    batch = Batch(kernels)
    fill(batch, [tcp(A, B, 1), tcp(B, A, 1), udp(A, B)])
    flows.track(batch, 0)
    flows.cells[0 * k.WIDTH + k.TCP_STATE] = k.T_OPEN
    gone: list[int] = []
    flows.watch(gone.extend)
    flows.tick(1000 * SECOND, 300)
    assert gone == [2]
    assert flows.info(0).transport == "tcp"
    assert flows.cells[1 * k.WIDTH + k.PORTS] & 0xFF == TCP


def test_a_table_for_less_than_one_conversation_is_refused() -> None:
    with pytest.raises(ContractError):
        FlowTable(Interpreted(), max_flows=1)


def test_udp_flows_are_left_out_where_nobody_asks_for_them(kernels: KernelSet) -> None:
    packets = [udp(A, B), tcp(A, B, 1), udp(A, B)]
    assert run(FlowTable(kernels, udp=False), kernels, packets)[0] == [-1, 0, -1]
    assert run(FlowTable(kernels), kernels, packets)[0] == [0, 1, 0]


def test_a_quiet_link_lets_the_clock_go_on_and_ticks(kernels: KernelSet) -> None:
    flows = FlowTable(kernels)
    run(flows, kernels, [udp(A, B)])
    begin = flows.now_ns
    flows.advance(begin + SECOND // 2, 2)
    assert (flows.now_ns, flows.tick_due) == (begin + SECOND // 2, None)
    flows.advance(begin - SECOND, 2)  # the clock never goes back
    assert flows.now_ns == begin + SECOND // 2
    flows.advance(begin + SECOND, 2)
    assert flows.tick_due == (begin + SECOND, 2)
    flows.tick(begin + SECOND, 2)
    assert flows.tick_due is None
    flows.advance(begin + SECOND + 1, 2)
    assert flows.tick_due is None
