"""Files that only who has the key can read: AES-256-GCM in numbered chunks (docs/encryption.md has the format).

Each file has a key of its own, made of the user's key and a random salt. A chunk's nonce says its number and whether it is the
last, so that chunks that were changed, moved, left out or cut off are found out; the header is authenticated with each.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from lippycat_core.builtin.outputs import Output
from lippycat_core.errors import InputError, UsageError
from lippycat_core.writing.stage import Stage

ENDING = ".lcenc"
MAGIC = b"lcenc\x00\x01\n"
KEY_BYTES = 32
SALT_BYTES = 16
PREFIX_BYTES = 7
TAG_BYTES = 16
CHUNK = 64 << 10
MOST_CHUNK = 1 << 20
LAST = 1 << 31

RAW, SCRYPT = 0, 1
"""How the user's key is made: of 32 bytes as they are, or of a passphrase."""

SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P = 15, 8, 1
MOST_LOG_N = 20
SHORTEST_PASSPHRASE = 12
INFO = b"lippycat lcenc 1"

_HEADER = struct.Struct(f">8sBBBB{SALT_BYTES}s{SALT_BYTES}s{PREFIX_BYTES}s")


class Damaged(InputError):
    """A file that is not what was written, from some chunk on."""

    exit_code = 1


class Cut(Damaged):
    """A file whose end is missing."""


@dataclass(frozen=True, slots=True)
class Secret:
    """What a key file holds: 32 bytes, or a passphrase."""

    content: bytes
    kind: int


def read_secret(path: str) -> Secret:
    """The key or passphrase of a file. UsageError where it cannot be read, others can read it, or it holds neither."""
    try:
        with open(path, "rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(64 << 10)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: {reason}: make a key with `lc decrypt --new-key FILE`") from None
    if stat.S_ISREG(mode) and mode & 0o077:
        raise UsageError(f"{path}: others can read this key: chmod 600 it")
    if len(content) == KEY_BYTES:
        return Secret(content, RAW)
    text = content.strip()
    if re.fullmatch(rb"[0-9A-Fa-f]{64}", text):
        return Secret(bytes.fromhex(text.decode()), RAW)
    if re.fullmatch(rb"[A-Za-z0-9+/]{43}=", text):
        try:
            return Secret(base64.b64decode(text, validate=True), RAW)
        except binascii.Error:
            pass  # a passphrase that only looks like a key
    if len(text) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"{path}: neither a key (32 bytes, 64 hexadecimal digits or base64) nor a passphrase of {SHORTEST_PASSPHRASE} "
            "characters: make a key with `lc decrypt --new-key FILE`"
        )
    return Secret(text, SCRYPT)


def new_key(path: str) -> None:
    """Make a key file of mode 0600. UsageError where there is a file already, or none can be made."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with open(fd, "w") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{path}: {reason}: a key is never overwritten: name a new file") from None


def _crypto() -> Any:
    """The parts of `cryptography` that are used. UsageError where it is not installed."""
    try:
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.ciphers import aead
        from cryptography.hazmat.primitives.kdf import hkdf, scrypt
    except ImportError:
        raise UsageError("encryption is not installed: install lippycat-core[encryption], or leave the key out") from None
    return hashes, aead, hkdf, scrypt


class Key:
    """A secret that is ready to make keys of files. For new files it has a salt of its own; a file that is read names its."""

    def __init__(self, secret: Secret) -> None:
        self._hashes, self._aead, self._hkdf, self._scrypt = _crypto()
        self._secret = secret
        self.head = (secret.kind, 0, 0, 0, bytes(SALT_BYTES))
        if secret.kind == SCRYPT:
            self.head = (SCRYPT, SCRYPT_LOG_N, SCRYPT_R, SCRYPT_P, secrets.token_bytes(SALT_BYTES))
        self._masters: dict[tuple[int, int, int, int, bytes], bytes] = {}

    def cipher(self, head: tuple[int, int, int, int, bytes], salt: bytes) -> Any:
        """The AES-256-GCM of a file. InputError where its key is made of something else than this secret."""
        master = self._masters.get(head)
        if master is None:
            master = self._masters[head] = self._master(head)
        derived = self._hkdf.HKDF(self._hashes.SHA256(), KEY_BYTES, salt, INFO).derive(master)
        return self._aead.AESGCM(derived)

    def _master(self, head: tuple[int, int, int, int, bytes]) -> bytes:
        kind, log_n, r, p, salt = head
        if kind != self._secret.kind:
            names = {RAW: "a key of 32 bytes", SCRYPT: "a passphrase"}
            raise InputError(f"was encrypted with {names.get(kind, 'something unknown')}, and this key file holds another kind")
        if kind == RAW:
            return self._secret.content
        if not (1 <= log_n <= MOST_LOG_N and 1 <= r <= 16 and 1 <= p <= 4):
            raise InputError("asks for more work than a passphrase is worth: the header is damaged")
        made: bytes = self._scrypt.Scrypt(salt, KEY_BYTES, 1 << log_n, r, p).derive(self._secret.content)
        return made


class Sealer:
    """Makes the bytes of one encrypted file."""

    def __init__(self, key: Key) -> None:
        salt, self._prefix = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(PREFIX_BYTES)
        kind, log_n, r, p, of_passphrase = key.head
        self._header = _HEADER.pack(MAGIC, kind, log_n, r, p, of_passphrase, salt, self._prefix)
        self._cipher = key.cipher(key.head, salt)
        self._number = 0
        self._begun = False

    def seal(self, data: bytes | memoryview) -> bytes:
        """Whole chunks of `data`, behind the header at first."""
        view = memoryview(data)
        parts = [self._head()]
        parts += [self._chunk(view[at : at + CHUNK], last=False) for at in range(0, len(view), CHUNK)]
        return b"".join(parts)

    def end(self) -> bytes:
        """What says that nothing follows."""
        return self._head() + self._chunk(memoryview(b""), last=True)

    def _head(self) -> bytes:
        """The header, once."""
        begun, self._begun = self._begun, True
        return b"" if begun else self._header

    def _chunk(self, data: memoryview, *, last: bool) -> bytes:
        sealed: bytes = self._cipher.encrypt(nonce(self._prefix, self._number, last=last), bytes(data), self._header)
        self._number += 1
        return struct.pack(">I", len(sealed) | (LAST if last else 0)) + sealed


def nonce(prefix: bytes, number: int, *, last: bool) -> bytes:
    """12 bytes that no other chunk of the file has."""
    return prefix + struct.pack(">IB", number, last)


def chunks(file: BinaryIO, key: Key) -> Iterator[bytes]:
    """What an encrypted file holds, a chunk at a time. InputError where it is none, or not for this key; Damaged where it was
    changed, Cut where it ends too soon: what came before is what was written."""
    header = file.read(_HEADER.size)
    if header[: len(MAGIC)] != MAGIC[: len(header)]:
        raise InputError("is no file that lippycat encrypted")
    if len(header) < _HEADER.size:
        raise Cut("ends within its header: nothing of it can be read")
    _, kind, log_n, r, p, of_passphrase, salt, prefix = _HEADER.unpack(header)
    cipher = key.cipher((kind, log_n, r, p, of_passphrase), salt)
    number = 0
    while True:
        head = file.read(4)
        if len(head) < 4:
            raise Cut(f"ends after {number} chunks, without its end: the rest was never written, or cut off")
        length = int.from_bytes(head, "big")
        last, length = length >= LAST, length % LAST
        if not TAG_BYTES <= length <= MOST_CHUNK:
            raise Damaged(f"chunk {number + 1} was changed")
        sealed = file.read(length)
        if len(sealed) < length:
            raise Cut(f"ends in chunk {number + 1}: what came before it is whole")
        try:
            data: bytes = cipher.decrypt(nonce(prefix, number, last=last), sealed, header)
        except Exception as error:  # InvalidTag, whose module need not be there
            if type(error).__name__ != "InvalidTag":
                raise
            if not number:
                raise InputError("cannot be decrypted: another key, or its begin was changed") from None
            raise Damaged(f"chunk {number + 1} was changed, moved or left out") from None
        number += 1
        yield data
        if last:
            break
    if file.read(1):
        raise Damaged("something was put behind its end")


class EncryptedOutput(Stage):
    """An `Output` that encrypts what goes to another."""

    def __init__(self, output: Output, key: Key) -> None:
        sealer = Sealer(key)
        super().__init__(output, sealer.seal, sealer.end)
