"""Which addresses lie in the hosts and networks that a user named."""

from __future__ import annotations

import ipaddress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_core.addresses import words
from lippycat_core.errors import FilterError
from lippycat_voip.networks import Networks


def held(networks: list[str], *addresses: str) -> list[bool]:
    rows = np.array([words(address) for address in addresses], np.int64)
    answer: list[bool] = Networks(networks).hold(rows).tolist()
    return answer


@pytest.mark.parametrize(
    ("networks", "inside", "outside"),
    [
        (["192.0.2.1"], ["192.0.2.1", "::ffff:192.0.2.1"], ["192.0.2.2", "2001:db8::1"]),
        (["192.0.2.0/24"], ["192.0.2.0", "192.0.2.255"], ["192.0.3.0", "192.0.1.255"]),
        (["192.0.2.77/24"], ["192.0.2.0"], ["192.0.3.77"]),
        (["10.0.0.0/8", "10.1.0.0/16", "203.0.113.9"], ["10.255.0.1", "203.0.113.9"], ["11.0.0.0", "203.0.113.0"]),
        (["0.0.0.0/0"], ["255.255.255.255", "0.0.0.0"], ["::1", "2001:db8::"]),
        (["::/0"], ["::", "10.0.0.1"], []),
        (["2001:db8::/32"], ["2001:db8:ffff::1"], ["2001:db9::", "10.0.0.1"]),
        (["2001:DB8::1"], ["2001:db8::1"], ["2001:db8::"]),
        (["2001:db8::/127"], ["2001:db8::1"], ["2001:db8::2"]),
    ],
)
def test_hosts_and_networks(networks: list[str], inside: list[str], outside: list[str]) -> None:
    assert held(networks, *inside, *outside) == [True] * len(inside) + [False] * len(outside)


addresses = st.one_of(
    st.ip_addresses(v=4),
    st.ip_addresses(v=6, network="2001:db8::/120"),
    st.sampled_from([*map(ipaddress.ip_address, ["10.0.0.0", "10.0.0.128", "255.0.0.0", "::"])]),
)


@given(st.lists(st.tuples(addresses, st.integers(0, 128)), min_size=1, max_size=4), st.lists(addresses, max_size=6))
def test_they_hold_what_the_standard_library_says(made: list, asked: list) -> None:
    networks = [ipaddress.ip_network((address, min(length, address.max_prefixlen)), strict=False) for address, length in made]
    unmapped = [ipaddress.ip_address(str(address)) for address in asked]
    wanted = [
        any(
            address in network
            or (network.version == 6 and address.version == 4 and ipaddress.ip_address(f"::ffff:{address}") in network)
            for network in networks
        )
        for address in unmapped
    ]
    assert held([str(network) for network in networks], *map(str, asked)) == wanted if asked else True


@pytest.mark.parametrize(
    "text", ["", "10.0.0", "10.0.0.0/33", "example.org", "10.0.0.1:5060", "2001:db8::/129", "fe80::1%eth0/64", "10.0.0.0/-1"]
)
def test_what_is_no_network(text: str) -> None:
    with pytest.raises(FilterError, match="is no IP address or network"):
        Networks([text])
