"""What a reply of a server is taken for."""

import datetime
import json

import pytest

pytest.importorskip("pydantic")

from fedrec.llm.chat import Answer, Fault
from fedrec.llm.faults import outcome, retry_after

NOW = datetime.datetime(2026, 1, 31, 12, tzinfo=datetime.UTC)


def reply(text="Hello", finish="stop", **more):
    choice = {"message": {"content": text} | more, "finish_reason": finish}
    usage = {"prompt_tokens": 11, "completion_tokens": 7}
    return json.dumps({"choices": [choice], "usage": usage}).encode()


def error(message, code=None):
    return json.dumps({"error": {"message": message, "type": None, "code": code}}).encode()


def found(status, body):
    return outcome(status, body, 1.5, max_tokens=100)


def test_an_answer_with_its_tokens():
    assert found(200, reply(" Hello\n")) == Answer(
        text="Hello", is_cut=False, prompt_tokens=11, completion_tokens=7, seconds=1.5
    )


def test_an_answer_at_its_limit_is_cut():
    assert found(200, reply(finish="length")).is_cut
    assert outcome(200, reply(), 1.0, max_tokens=7).is_cut


def test_an_answer_without_text_is_an_answer():
    """It was paid; the next prompt is another one."""
    assert found(200, reply("")).text == ""
    assert found(200, reply(None)).text == ""


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, error("Rate limit reached for requests per min (RPM)"), "rate-limit"),
        (429, b"slow down", "rate-limit"),
        (429, error("You exceeded your current quota", "insufficient_quota"), "daily-quota"),
        (429, error("Limit 200 requests per day (RPD)"), "daily-quota"),
        (402, error("Insufficient credits"), "daily-quota"),
        (401, error("Incorrect API key"), "not-allowed"),
        (403, b"", "not-allowed"),
        (404, error("The model does not exist"), "not-found"),
        (400, error("This model's maximum context length is 8192 tokens"), "too-long"),
        (413, b"", "too-long"),
        (400, error("content management policy", "content_filter"), "refused"),
        (422, error("temperature is no number"), "bad-request"),
        (500, error("The server had an error"), "server"),
        (503, b"<html>busy</html>", "server"),
        (529, error("Overloaded"), "server"),
        (200, b"<html>busy</html>", "not-json"),
        (200, reply()[:40], "not-json"),
        (200, b'{"choices": []}', "wrong-shape"),
        (200, b"[]", "wrong-shape"),
        (200, error("Upstream failed"), "server"),
        (200, reply("Rate limit exceeded, please try again later"), "error-as-answer"),
        (200, reply("Error: 502 Bad Gateway"), "error-as-answer"),
        (200, reply("", "content_filter"), "refused"),
        (200, reply(None, refusal="I cannot do that."), "refused"),
    ],
)
def test_a_fault_has_its_name(status, body, kind):
    fault = found(status, body)
    assert isinstance(fault, Fault)
    assert fault.kind == kind
    assert fault.is_final == (kind in ("too-long", "refused", "bad-request"))
    assert fault.stops == (kind in ("daily-quota", "not-allowed", "not-found"))


def test_tokens_of_a_failed_call_are_known_where_the_reply_says_so():
    fault = found(200, reply("", "content_filter"))
    assert (fault.prompt_tokens, fault.completion_tokens) == (11, 7)
    wrong = found(200, b'{"choices": [], "usage": {"prompt_tokens": 5}}')
    assert (wrong.kind, wrong.prompt_tokens) == ("wrong-shape", 5)


def test_an_answer_about_errors_is_an_answer():
    assert isinstance(found(200, reply('{"theme": "Error of a clerk."}')), Answer)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250", "retry-after": "7"}, 0.25),
        ({"retry-after": "Sat, 31 Jan 2026 12:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 31 Jan 2026 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_what_the_server_asks_to_wait(headers, seconds):
    assert retry_after(headers, NOW) == seconds
