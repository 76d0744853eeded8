"""What messages of a call do to its media: offers, answers, refusals (RFC 3264), and the end of the call.

Before anything changes, packets in front of the message's record are counted under what was in force (`Media.advance`).
"""

from __future__ import annotations

from lippycat_voip.calls import NEVER, Call, Dialog
from lippycat_voip.media import Media
from lippycat_voip.offers import CALLEE, CALLER, Path, Session, Transaction
from lippycat_voip.sdp import SessionDescription
from lippycat_voip.writing import Writer

LINGER_NS = 32_000_000_000
"""A call is written so much packet time after its end (64 * T1: no transaction lives longer)."""

CHALLENGED_LINGER_NS = 3_600_000_000_000
"""The same for calls that were challenged and not tried again yet: somebody may still be typing a password."""

DIALOG_LINGER_NS = 86_400_000_000_000
"""The same for other dialogs behind their last message. Registrations, subscriptions, keep-alives and chats go on for hours
under one Call-ID (RFC 3261, 10.2.4; RFC 6665; RFC 3903), and one Call-ID is one record."""


class Negotiation:
    """Applies messages to the sessions of their calls."""

    def __init__(self, media: Media, writer: Writer) -> None:
        self._media = media
        self._writer = writer

    def describe(
        self,
        dialog: Dialog,
        call: Call,
        by: bytes,
        transaction: Transaction,
        path: Path,
        record: int,
        now_ns: int,
        sdp: SessionDescription,
        *,
        answering: bool = False,
    ) -> None:
        """`by` (a tag) sent a description: the party that began the transaction, or the one that is `answering`."""
        self._media.advance(record)
        session = call.session
        if session is None:
            session = call.session = Session(dialog, dialog.serial)
            self._set_end(session, call)
        role = call.role(transaction[0])
        if answering:
            role = CALLEE if role == CALLER else CALLER
        ends = session.describe(self._media, by, role, transaction, dialog.kept(path), sdp)
        self._media.changed(session, now_ns, ends)

    def accept(self, call: Call, transaction: Transaction) -> None:
        """What was said in the transaction holds; `describe` came before with the same record."""
        if call.session is not None:
            call.session.accept(self._media, transaction)

    def answer(
        self,
        dialog: Dialog,
        call: Call,
        to_tag: bytes,
        transaction: Transaction,
        status: int,
        path: Path,
        record: int,
        now_ns: int,
        sdp: SessionDescription | None,
    ) -> None:
        """An answer to a request that may have carried an offer: 1xx may describe, 2xx settles, the rest takes back."""
        self._media.advance(record)
        if sdp is not None and status < 300:
            self.describe(dialog, call, to_tag, transaction, path, record, now_ns, sdp, answering=True)
        session = call.session
        if session is None or status < 200:
            return
        if status < 300:
            session.accept(self._media, transaction)
        else:
            session.refuse(self._media, transaction, path)

    def end(self, dialog: Dialog, call: Call, record: int) -> None:
        """The call's end may have come, moved, or been taken back."""
        due_ns = call.due_ns(LINGER_NS, CHALLENGED_LINGER_NS)
        if due_ns == dialog.due_ns:
            return
        session = call.session
        if session is not None:
            self._media.advance(record)
            self._set_end(session, call)
            self._media.ended(session)
        self._writer.schedule(dialog, due_ns)

    @staticmethod
    def _set_end(session: Session, call: Call) -> None:
        expire_ns = call.over_ns(LINGER_NS)
        session.over = call.over
        session.expire_ns = expire_ns if expire_ns != NEVER else 0
