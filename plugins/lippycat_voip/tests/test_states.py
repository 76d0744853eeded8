"""The state table against the sentences of docs/output.md, worked out again from sets of what was seen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lippycat_voip import states
from lippycat_voip.states import EVENT_OF_STATUS, EVENTS, NAMES, NEXT, NO_EVENT, name

ANSWERS = [100, 180, 181, 182, 183, 199, 200, 202, 302, 401, 407, 404, 486, 600, 603, 487, 503]


def follow(story: list[int | str]) -> str:
    state = states.NEW
    for step in story:
        event = EVENT_OF_STATUS[step] if isinstance(step, int) else getattr(states, step)
        state = NEXT[state * EVENTS + event]
    return NAMES[state]


def by_the_page(story: list[int | str]) -> str:
    """ "State", strongest first, for a call whose initial INVITE was captured and whose BYE comes from inside it."""
    accepted = next((i for i, step in enumerate(story) if isinstance(step, int) and 200 <= step < 300), None)
    seen = {step for step in story if isinstance(step, int)}
    if accepted is not None:
        return "ended" if "BYE" in story[accepted:] else "active"
    if 487 in seen or "CANCEL" in story:
        return "cancelled"
    if seen & {486, 600}:
        return "busy"
    if any(300 <= code < 400 for code in seen):
        return "redirected"
    if any(code >= 400 and code not in (401, 407) for code in seen):
        return "failed"
    last = [step for step in story if isinstance(step, int) or step == "INVITED"][-1]
    if last in (401, 407):
        return "challenged"
    if 183 in seen:
        return "progress"
    if seen & {180, 181, 182}:
        return "ringing"
    return "trying"


@given(st.lists(st.sampled_from([*ANSWERS, "INVITED", "CANCEL"]), max_size=8), st.booleans())
def test_any_story_ends_in_the_strongest_state(story: list[int | str], hung_up: bool) -> None:
    story = ["INVITED", *story]
    if hung_up and any(isinstance(step, int) and 200 <= step < 300 for step in story):
        story.append("BYE")
    assert follow(story) == by_the_page(story)


@given(st.lists(st.sampled_from([*ANSWERS, "INVITED", "CANCEL", "BYE", "REINVITED"]), max_size=12))
def test_nothing_leaves_the_end(story: list[int | str]) -> None:
    assert follow(["INVITED", 200, "BYE", *story]) == "ended"


@pytest.mark.parametrize("refusal", [302, 404, 486, 487, 503, 600])
def test_a_bye_after_a_refusal_changes_nothing(refusal: int) -> None:
    assert follow(["INVITED", refusal, "BYE"]) == follow(["INVITED", refusal])


def test_a_capture_from_mid_call() -> None:
    assert follow(["REINVITED"]) == "active"
    assert follow(["REINVITED", "BYE"]) == "ended"
    assert follow([180, "BYE"]) == "ended"


def test_unanswered_needs_32_seconds_without_any_answer() -> None:
    second = 1_000_000_000
    assert name(states.CALLING, 32 * second) == "unanswered"
    assert name(states.CALLING, 32 * second - 1) == "trying"
    assert name(states.S_TRYING, 100 * second) == "trying"


def test_every_code_has_an_event_or_none() -> None:
    assert [code for code in range(1000) if EVENT_OF_STATUS[code] == NO_EVENT] == [*range(100), *range(700, 1000)]
    assert all(EVENT_OF_STATUS[code] == states.ACCEPTED for code in range(200, 300))
