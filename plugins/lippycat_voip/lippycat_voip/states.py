"""The state of a call as a table: events of the initial INVITE and of the dialog it makes, and what each leads to.

The table says what docs/output.md says under "State": a stronger state is never left for a weaker one. Times, results
and who owns which event are `calls`' work; nothing here looks at a message.
"""

from __future__ import annotations

# -- events: what a message means for the call ------------------------------------------------------------------------
INVITED = 0  # an initial INVITE (no To tag) with a CSeq not seen before
TRYING = 1  # 100, and provisional answers that say nothing of the callee
RINGING = 2  # 180 Ringing, 181 Call Is Being Forwarded, 182 Queued
PROGRESS = 3  # 183 Session Progress
ACCEPTED = 4  # 2xx
CHALLENGED = 5  # 401, 407
REDIRECTED = 6  # 3xx
REFUSED = 7  # any other final answer
BUSY = 8  # 486, 600
TERMINATED = 9  # 487
CANCEL = 10
BYE = 11
REINVITED = 12  # an INVITE inside a dialog (To tag): there must have been a 2xx
EVENTS = 13

# -- states -----------------------------------------------------------------------------------------------------------
NEW = 0  # nothing of the set-up seen
CALLING = 1  # INVITE, no answer of any kind
S_TRYING = 2
S_RINGING = 3
S_PROGRESS = 4
S_CHALLENGED = 5  # the last answer is 401/407, and no INVITE is newer
S_CHALLENGED_RINGING = 6  # the same, and 180 to 182 was seen before
S_CHALLENGED_PROGRESS = 7  # the same, and 183 was seen before
S_FAILED = 8
S_REDIRECTED = 9
S_BUSY = 10
S_CANCELLED = 11
ACTIVE = 12
MID_CALL = 13  # active, but its 2xx was not captured
ENDED = 14
HUNG_UP = 15  # ended by a BYE, but its 2xx was not captured

NAMES = (
    "trying",
    "trying",  # CALLING becomes "unanswered" by time (`name`)
    "trying",
    "ringing",
    "progress",
    "challenged",
    "challenged",
    "challenged",
    "failed",
    "redirected",
    "busy",
    "cancelled",
    "active",
    "active",
    "ended",
    "ended",
)
UNANSWERED = "unanswered"

UNANSWERED_NS = 32_000_000_000
"""64 * T1 (RFC 3261, 17.1.1.2, Timer B): how long an INVITE may stay without any answer."""

_C, _T, _R, _P = CALLING, S_TRYING, S_RINGING, S_PROGRESS
_H, _HR, _HP = S_CHALLENGED, S_CHALLENGED_RINGING, S_CHALLENGED_PROGRESS
_F, _D, _B, _X = S_FAILED, S_REDIRECTED, S_BUSY, S_CANCELLED
_A, _M, _E, _U = ACTIVE, MID_CALL, ENDED, HUNG_UP

_TABLE: tuple[tuple[int, ...], ...] = (
    # INVITED TRYING RINGING PROGRESS ACCEPTED CHALLENGED REDIRECTED REFUSED BUSY TERMINATED CANCEL BYE REINVITED
    (_C, _T, _R, _P, _A, _H, _D, _F, _B, _X, _X, _U, _M),  # NEW
    (_C, _T, _R, _P, _A, _H, _D, _F, _B, _X, _X, _U, _M),  # CALLING
    (_T, _T, _R, _P, _A, _H, _D, _F, _B, _X, _X, _U, _M),  # S_TRYING
    (_R, _R, _R, _P, _A, _HR, _D, _F, _B, _X, _X, _U, _M),  # S_RINGING
    (_P, _P, _P, _P, _A, _HP, _D, _F, _B, _X, _X, _U, _M),  # S_PROGRESS
    (_C, _T, _R, _P, _A, _H, _D, _F, _B, _X, _X, _H, _H),  # S_CHALLENGED
    (_R, _R, _R, _P, _A, _HR, _D, _F, _B, _X, _X, _HR, _HR),  # S_CHALLENGED_RINGING
    (_P, _P, _P, _P, _A, _HP, _D, _F, _B, _X, _X, _HP, _HP),  # S_CHALLENGED_PROGRESS
    (_F, _F, _F, _F, _A, _F, _D, _F, _B, _X, _X, _F, _F),  # S_FAILED
    (_D, _D, _D, _D, _A, _D, _D, _D, _B, _X, _X, _D, _D),  # S_REDIRECTED
    (_B, _B, _B, _B, _A, _B, _B, _B, _B, _X, _X, _B, _B),  # S_BUSY
    (_X, _X, _X, _X, _A, _X, _X, _X, _X, _X, _X, _X, _X),  # S_CANCELLED
    (_A, _A, _A, _A, _A, _A, _A, _A, _A, _A, _A, _E, _A),  # ACTIVE
    (_M, _M, _M, _M, _A, _M, _M, _M, _M, _M, _M, _U, _M),  # MID_CALL
    (_E, _E, _E, _E, _E, _E, _E, _E, _E, _E, _E, _E, _E),  # ENDED
    (_U, _U, _U, _U, _E, _U, _U, _U, _U, _X, _X, _U, _U),  # HUNG_UP
)

NEXT: tuple[int, ...] = tuple(state for row in _TABLE for state in row)
"""`NEXT[state * EVENTS + event]`: the state after the event."""

NO_EVENT = 255


def _event_of(status: int) -> int:
    if status < 100 or status > 699:
        return NO_EVENT
    if status < 200:
        return RINGING if 180 <= status <= 182 else PROGRESS if status == 183 else TRYING
    if status < 300:
        return ACCEPTED
    if status < 400:
        return REDIRECTED
    special = {401: CHALLENGED, 407: CHALLENGED, 486: BUSY, 600: BUSY, 487: TERMINATED}
    return special.get(status, REFUSED)


EVENT_OF_STATUS = bytes(_event_of(status) for status in range(1000))
"""The event of each status code; NO_EVENT for numbers that are none."""

CHALLENGES = frozenset((S_CHALLENGED, S_CHALLENGED_RINGING, S_CHALLENGED_PROGRESS))
"""States in which the next INVITE is expected to come with credentials."""

REFUSALS = CHALLENGES | {S_FAILED, S_REDIRECTED, S_BUSY, S_CANCELLED}
"""States in which the call is over, unless an INVITE of it is still open."""

OVER = frozenset((ENDED, HUNG_UP))
"""States in which the call is over."""


def name(state: int, waited_ns: int) -> str:
    """The state's name in records. `waited_ns`: packet time since the last initial INVITE."""
    return UNANSWERED if state == CALLING and waited_ns >= UNANSWERED_NS else NAMES[state]
