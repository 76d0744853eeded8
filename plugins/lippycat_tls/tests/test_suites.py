"""Against OpenSSL: what its two ends say to each other comes out, for each version and suite that it offers."""

from __future__ import annotations

import json
import os
import random
import ssl
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from peers import Said, Wire, ciphers_12, contexts, talk

from lippycat_core.interfaces.layer import TLS_KEY_LOG
from lippycat_core.testing.streams import cut
from lippycat_tls.handshake import RETRY
from lippycat_tls.layer import Tls
from lippycat_tls.suites import SUITES

RANDOM = random.Random(1)
CONVERSATION: list[Said] = [
    (0, b"REGISTER sip:example.org SIP/2.0\r\n\r\n"),
    (1, b"SIP/2.0 200 OK\r\n\r\n"),
    (0, RANDOM.randbytes(40_000)),  # over several records
    (1, RANDOM.randbytes(17)),
    (1, b"x"),
]


def spoken(conversation: Sequence[Said]) -> dict[int, bytes]:
    return {side: b"".join(data for at, data in conversation if at == side) for side in (0, 1)}


def heard(wire: Wire, sizes: Sequence[int] = (1 << 20,), layer: Tls | None = None) -> dict[int, bytes]:
    """What a layer that knows the log hears of a wire, cut into pieces of these sizes."""
    layer = layer or Tls()
    layer.learn(TLS_KEY_LOG, wire.log)
    session = layer.open()
    given = [out for side, data in wire.sent for part in cut(data, sizes) for out in session.feed(side, part, 0)]
    assert session.held(0) == session.held(1) == 0
    return spoken(given)


OTHER_EXCHANGES = ("DHE-DSS", "DHE-RSA")
"""Suites whose records are protected like those of others, and that these certificates, or ssl itself, do not offer."""

READ = [
    (name, number)
    for name, number in ciphers_12()
    if number in SUITES and not (name.startswith(OTHER_EXCHANGES) or "PSK" in name)
]
NOT_READ = ("CAMELLIA", "ARIA", "SEED", "DES", "RC4", "IDEA", "PSK", "SRP", "GOST", "NULL")


def test_all_suites_are_read_but_for_those_that_nobody_uses() -> None:
    assert len(READ) >= 20
    others = [name for name, number in ciphers_12() if number not in SUITES]
    assert [name for name in others if not any(word in name for word in NOT_READ)] == []


@pytest.mark.parametrize("cipher", [name for name, _ in READ])
def test_tls_12(cipher: str) -> None:
    wire = talk(contexts(ssl.TLSVersion.TLSv1_2, cipher), CONVERSATION)
    assert wire.cipher == cipher
    assert heard(wire) == heard(wire, (7, 1000, 3)) == spoken(CONVERSATION)


@pytest.mark.parametrize("cipher", ["AES128-SHA", "AES256-SHA256", "ECDHE-RSA-AES256-SHA384"])
def test_cbc_with_the_mac_inside(cipher: str) -> None:
    wire = talk(contexts(ssl.TLSVersion.TLSv1_2, cipher, mac_last=False), CONVERSATION)
    assert heard(wire) == spoken(CONVERSATION)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_resumption(version: ssl.TLSVersion) -> None:
    made = contexts(version)
    first = talk(made, CONVERSATION)
    second = talk(made, CONVERSATION, first.session)
    assert second.reused
    assert heard(second) == spoken(CONVERSATION)


@pytest.mark.parametrize(
    "suite",
    [
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    ],
)
@pytest.mark.parametrize("hello", ["first", "retry"])
def test_tls_13(tmp_path: Path, suite: str, hello: str) -> None:
    config = tmp_path / "openssl.cnf"
    lines = ["openssl_conf = a", "[a]", "ssl_conf = b", "[b]", "system_default = c", "[c]"]
    lines += [f"Ciphersuites = {suite}", "CipherString = DEFAULT:@SECLEVEL=0"]
    config.write_text("\n".join([*lines, ""]))
    script = Path(__file__).with_name("peers.py")
    said = json.dumps([[side, data.hex()] for side, data in CONVERSATION])
    env = {**os.environ, "OPENSSL_CONF": str(config)}
    done = subprocess.run([sys.executable, str(script), hello], input=said, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    sent, log, cipher = json.loads(done.stdout)
    assert cipher == suite
    assert any(RETRY.hex() in data for _, data in sent) == (hello == "retry")
    wire = Wire([(side, bytes.fromhex(data)) for side, data in sent], log.encode(), cipher)
    assert heard(wire) == heard(wire, (1,)) == spoken(CONVERSATION)
