"""Real TLS peers: Python's ssl over memory, which bytes each sent in which order, and the key log that OpenSSL wrote.

As a script it writes one conversation as JSON, for what OpenSSL takes from its configuration alone (suites of TLS 1.3).
"""

from __future__ import annotations

import datetime
import json
import os
import ssl
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

Said = tuple[int, bytes]
NO_ENCRYPT_THEN_MAC = 1 << 19  # SSL_OP_NO_ENCRYPT_THEN_MAC, which the ssl module has no name for


@dataclass
class Wire:
    """What went over the wire as (side, bytes); side 0 is the client."""

    sent: list[Said] = field(default_factory=list)
    log: bytes = b""
    cipher: str = ""
    session: Any = None
    reused: bool = False


@cache
def certificates() -> Path:
    """A folder with rsa.pem and ec.pem, each a key and its self-signed certificate."""
    folder = Path(tempfile.mkdtemp(prefix="lippycat-tls-"))
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example.org")])
    now = datetime.datetime(2026, 1, 1)
    for kind, key in (("rsa", rsa.generate_private_key(65537, 2048)), ("ec", ec.generate_private_key(ec.SECP256R1()))):
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=9999))
        certificate = builder.sign(key, hashes.SHA256())
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        (folder / f"{kind}.pem").write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return folder


def contexts(version: ssl.TLSVersion, ciphers: str = "", *, mac_last: bool = True) -> tuple[ssl.SSLContext, ssl.SSLContext, Path]:
    """Client's and server's context, and the file of the client's key log."""
    client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for context in (client, server):
        context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers + ":@SECLEVEL=0")
        if not mac_last:
            context.options |= NO_ENCRYPT_THEN_MAC
    for kind in ("rsa", "ec"):
        server.load_cert_chain(certificates() / f"{kind}.pem")
    descriptor, log = tempfile.mkstemp(prefix="keys", dir=certificates())
    os.close(descriptor)
    client.keylog_filename = log
    return client, server, Path(log)


def talk(made: tuple[ssl.SSLContext, ssl.SSLContext, Path], conversation: Sequence[Said], session: Any = None) -> Wire:
    """A connection in which each side says its part of the conversation in turn."""
    client_context, server_context, log = made
    before = log.stat().st_size
    wire = Wire()
    pipes = [(ssl.MemoryBIO(), ssl.MemoryBIO()) for _ in range(2)]
    client = client_context.wrap_bio(*pipes[0], server_hostname="example.org", session=session)
    server = server_context.wrap_bio(*pipes[1], server_side=True)
    ends = (client, server)

    def deliver() -> None:
        for side in (0, 1):
            if data := pipes[side][1].read():
                wire.sent.append((side, data))
                pipes[1 - side][0].write(data)

    done = [False, False]
    while not all(done):
        for side in (0, 1):
            if not done[side]:
                try:
                    ends[side].do_handshake()
                    done[side] = True
                except ssl.SSLWantReadError:
                    pass
            deliver()
    for side, data in conversation:
        ends[side].write(data)
        deliver()
        heard = b""
        while len(heard) < len(data):
            heard += ends[1 - side].read(len(data))
        assert heard == data
    cipher = client.cipher()
    assert cipher is not None
    wire.cipher, wire.session, wire.reused = cipher[0], client.session, bool(client.session_reused)
    wire.log = log.read_bytes()[before:]
    return wire


def ciphers_12() -> list[tuple[str, int]]:
    """Names and numbers of the suites of TLS 1.2 that this OpenSSL offers."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:!aNULL:!eNULL:@SECLEVEL=0")
    return [(suite["name"], suite["id"] & 0xFFFF) for suite in context.get_ciphers() if not suite["name"].startswith("TLS_")]


if __name__ == "__main__":
    made = contexts(ssl.TLSVersion.TLSv1_3)
    if sys.argv[1:] == ["retry"]:
        made[1].set_ecdh_curve("secp521r1")  # of which the client's first hello has no share
    wire = talk(made, [(side, bytes.fromhex(data)) for side, data in json.load(sys.stdin)])
    json.dump([[[side, data.hex()] for side, data in wire.sent], wire.log.decode(), wire.cipher], sys.stdout)
