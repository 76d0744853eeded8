"""What is kept of calls, dialogs and streams as the fields of docs/output.md, in its order. Header text is parsed here."""

from __future__ import annotations

from itertools import islice

from lippycat_core.addresses import Endpoint, endpoint
from lippycat_core.timetext import rfc3339
from lippycat_voip.calls import HEAD_FIELDS, HEAD_SEPARATOR, Attempt, Call, Dialog
from lippycat_voip.columns import F_TRUNCATED, M_CSEQ, M_CSEQ_TEXT, M_FLAGS, M_METHOD_TEXT, M_REASON, M_STATUS, M_TRANSPORT, Row
from lippycat_voip.losses import LossLog
from lippycat_voip.media import Media
from lippycat_voip.offers import Tie
from lippycat_voip.sdp import SessionDescription
from lippycat_voip.sip import address, q850_cause, text, unfold
from lippycat_voip.states import (
    CALLING,
    NAMES,
    OVER,
    REFUSALS,
    S_CANCELLED,
    UNANSWERED,
    UNANSWERED_NS,
    name,
)
from lippycat_voip.transports import TRANSPORTS


def _ms(begin_ns: int | None, end_ns: int | None) -> float | None:
    """A duration in milliseconds, None where an end is missing or it would be negative."""
    if begin_ns is None or end_ns is None or end_ns < begin_ns:
        return None
    return (end_ns - begin_ns) / 1e6


def _text(value: bytes | None) -> str | None:
    return text(unfold(value).strip()) or None if value else None


def _party(value: bytes, tag: bytes | None) -> dict[str, object] | None:
    if not value:
        return None
    found = address(value)
    return {
        "uri": found.uri,
        "user": found.user,
        "display": found.display,
        "tag": text(tag) if tag else found.tag,
    }


def _uri(value: bytes | None) -> str | None:
    return address(value).uri or None if value else None


def call_state(call: Call, now_ns: int) -> str:
    """The state's name at packet time `now_ns`."""
    return name(call.state, now_ns - call.invited_now_ns)


def _head(dialog: Dialog, state: str) -> dict[str, object]:
    result = dialog.result
    src, dst = dialog.path
    head = dict(zip(HEAD_FIELDS, dialog.head.split(HEAD_SEPARATOR), strict=False))
    return {
        "call_id": text(dialog.call_id),
        "method": dialog.method or None,
        "state": state,
        "code": result.code if result.rank else None,
        "reason": text(result.reason) or None,
        "src": endpoint(src),
        "dst": endpoint(dst),
        "hops": max(1, len(dialog.paths)),
        "transport": [TRANSPORTS[number] for number in dialog.transports],
        "from": _party(head.get("from_value", b""), None),
        "to": _party(head.get("to_value", b""), dialog.to_tag),
        "request_uri": _text(head.get("request_uri")),
        "user_agent": _text(head.get("user_agent")),
        "server": _text(dialog.server),
        "p_asserted_identity": _uri(head.get("identity")),
        "diversion": _uri(head.get("diversion")),
        "q850_cause": q850_cause(dialog.reason_header) if dialog.reason_header else None,
        "refer_to": _uri(dialog.refer_to or head.get("refer_to")),
        "replaces": _text(head.get("replaces")),
        "first": rfc3339(dialog.first_ns),
        "last": rfc3339(dialog.last_ns),
        "first_ns": dialog.first_ns,
    }


def _tail(dialog: Dialog) -> dict[str, object]:
    return {"messages": dialog.messages, "retransmissions": dialog.retransmissions, "copies": dialog.copies}


def _attempt(call: Call) -> Attempt | None:
    """The INVITE from which times run: the one that was answered 2xx, else the last one."""
    for attempt in call.attempts:
        if attempt.cseq == call.accepted_cseq:
            return attempt
    return call.attempts[-1] if call.attempts and call.answer_ns is None else None


def _end_ns(dialog: Dialog, call: Call) -> int | None:
    if call.state in OVER:
        return call.bye_ns
    if call.state == S_CANCELLED:
        return call.terminated_ns if call.terminated_ns is not None else call.cancel_ns
    return dialog.result.ts_ns if dialog.result.rank in (1, 2) and call.state in REFUSALS else None


def _ended_by(call: Call) -> str | None:
    if call.state in OVER and call.caller_tag:
        return "caller" if call.bye_tag == call.caller_tag else "callee"
    return "caller" if call.state == S_CANCELLED and call.cancel_ns is not None else None


def call_fields(dialog: Dialog, call: Call, state: str, one_way: bool | None, streams: list[int]) -> dict[str, object]:
    """The fields of a `call` record; `streams` are ids in ascending order."""
    attempt = _attempt(call)
    invited_ns = attempt.invited_ns if attempt is not None else None
    heard_ns = attempt.ringing_ns if attempt is not None and attempt.ringing_ns is not None else call.answer_ns
    end_ns = _end_ns(dialog, call)
    return {
        **_head(dialog, state),
        "ringing_ns": call.ringing_ns,
        "answer_ns": call.answer_ns,
        "end_ns": end_ns,
        "last_ns": dialog.last_ns,
        "pdd_ms": _ms(invited_ns, heard_ns),
        "setup_ms": _ms(invited_ns, call.answer_ns),
        "duration_ms": _ms(call.answer_ns, end_ns),
        "ended_by": _ended_by(call),
        "one_way": one_way,
        "dtmf_info": call.digits or None,
        **_tail(dialog),
        "streams": streams,
    }


def dialog_state(dialog: Dialog, now_ns: int) -> str:
    """How the first method's requests fared: answered, redirected, failed, challenged, unanswered or trying."""
    result = dialog.result
    if result.rank == 3:
        return "answered"
    if result.rank == 2:
        return "redirected" if result.code < 400 else "failed"
    if result.rank == 1:
        return "challenged"
    return UNANSWERED if now_ns - dialog.started_now_ns >= UNANSWERED_NS else NAMES[CALLING]


def dialog_fields(dialog: Dialog, now_ns: int) -> dict[str, object]:
    """The fields of a `dialog` record."""
    return {**_head(dialog, dialog_state(dialog, now_ns)), "last_ns": dialog.last_ns, **_tail(dialog)}


# -- streams ----------------------------------------------------------------------------------------------------------

MAX_COMPARED = 1024
"""Streams of one call among which the one is looked for that another continues."""

_BEFORE_TRANSPORT = ("ssrc", "src", "dst", "transport")


def _continues(media: Media, tie: Tie) -> int | None:
    """The stream of the same call that this SSRC was before it moved to this socket: it was silent when this one began."""
    if not tie.owners:
        return None
    streams = media.streams
    begin_ns, number = streams.first_ns(tie.slot), streams.record_id(tie.slot)
    best: tuple[int, int, int] | None = None
    ties = tie.owners[0].ties
    for other in islice(reversed(ties), MAX_COMPARED):
        if other.ssrc != tie.ssrc or streams.record_id(other.slot) >= number or streams.last_ns(other.slot) > begin_ns:
            continue
        same_src, same_dst = other.src.end == tie.src.end, other.dst.end == tie.dst.end
        if (same_src and same_dst) or (other.src.end == tie.dst.end and other.dst.end == tie.src.end):
            continue  # a new stream on the same sockets, or the other direction under the same number
        # On each hop that a relay makes of the call the number is the same: the hosts say which one this is.
        hosts = (other.src.end[:4] == tie.src.end[:4]) + (other.dst.end[:4] == tie.dst.end[:4])
        rank = (hosts + same_src + same_dst, streams.last_ns(other.slot), streams.record_id(other.slot))
        if best is None or rank > best:
            best = rank
    return best[2] if best is not None else None


def stream_record(media: Media, tie: Tie, losses: LossLog) -> dict[str, object]:
    """The fields of a `stream` record: what packets say, and what signalling says of it."""
    fields = dict(media.streams.record(tie.slot))
    rtcp = fields.pop("rtcp", None)
    owners = [owner.call for owner in tie.owners]
    ids = [text(owner.call_id) for owner in owners if isinstance(owner, Dialog)]
    record: dict[str, object] = {"id": fields.pop("id"), "call_id": ids[0] if ids else None, "call_ids": ids}
    for key in _BEFORE_TRANSPORT:
        record[key] = fields.pop(key)
    session = tie.owners[0] if tie.owners else None
    record["found_by"] = "sdp" if session is not None else "heuristic"
    record.update(fields)
    record["srtp"] = True if media.is_secured(tie) else session.secure(tie) if session is not None else None
    record["nat"] = session is not None and session.behind_nat(tie)
    record["continues"] = _continues(media, tie)
    streams, slot = media.streams, tie.slot
    record["capture_loss"] = losses.during(streams.first_ns(slot), streams.last_ns(slot))
    record["rtcp"] = rtcp
    return record


# -- messages ---------------------------------------------------------------------------------------------------------


def sdp_fields(description: SessionDescription | None) -> list[dict[str, object]] | None:
    """The media lines of a body for a `message` record; None without one."""
    if description is None:
        return None
    lines: list[dict[str, object]] = []
    for media in description.media:
        at = None if media.address is None else endpoint((*media.address, media.port))
        lines.append(
            {
                "media": media.type,
                "address": at,
                "port": media.port,
                "protocol": media.proto,
                "direction": media.direction,
                "payload_types": list(media.formats),
            }
        )
    return lines


def message_fields(
    call_id: bytes,
    mem: memoryview,
    row: Row,
    record: int,
    ts_ns: int,
    kind: str,
    src: Endpoint,
    dst: Endpoint,
    sdp: SessionDescription | None,
) -> dict[str, object]:
    """The fields of a `message` record; `row` is the message's row of the message table, `mem` holds its bytes."""

    def span(at: int) -> str:
        return text(mem[row[at] : row[at] + max(0, row[at + 1])].tobytes())

    status, cseq = row[M_STATUS], row[M_CSEQ]
    what: dict[str, object] = {"code": status, "reason": span(M_REASON) or None} if status else {"method": span(M_METHOD_TEXT)}
    return {
        "call_id": text(call_id) or None,
        "ns": ts_ns,
        "frame": record,
        "src": endpoint(src),
        "dst": endpoint(dst),
        "transport": TRANSPORTS[row[M_TRANSPORT]],
        **what,
        "cseq": f"{cseq} {span(M_CSEQ_TEXT)}" if cseq >= 0 else None,
        "kind": kind,
        "truncated": row[M_FLAGS] & F_TRUNCATED != 0,
        "sdp": sdp_fields(sdp),
    }
