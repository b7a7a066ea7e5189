"""What went wrong with a call, told from the reply: what to do next depends on it."""

import datetime
import email.utils
import json
import re
from collections.abc import Mapping

from fedrec.llm.chat import Answer, Fault
from fedrec.llm.wire import error_in, reply_in, usage_in

DAY_AWAY = 600.0  # seconds; a server that asks to wait longer does not mean the minute's quota

_DAILY = re.compile(
    r"insufficient_quota|billing|per[ _-]?day|daily|\b[rt]pd\b|monthly|"
    r"exceeded your current quota|credit balance",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(r"context.{0,10}length|maximum context|too (?:long|large|many tokens)", re.I)
_FILTERED = re.compile(r"content.{0,3}(?:filter|policy|management)|safety", re.IGNORECASE)
_AGAIN = {408, 409, 425, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
# Error texts of gateways that come as an answer with status 200.
_ERROR_AS_ANSWER = re.compile(
    r"^\W*(?:error\b|rate limit|too many requests|service unavailable|internal server error|"
    r"(?:the )?(?:server|model) is (?:overloaded|busy)|you exceeded your)",
    re.IGNORECASE,
)


def outcome(status: int, body: bytes, seconds: float, *, max_tokens: int) -> Answer | Fault:
    """The answer that a reply of the server holds, or the fault that it tells of.

    Args:
        status: HTTP status.
        body: Body of the reply.
        seconds: Seconds of the call.
        max_tokens: Tokens after which the answer was to be cut.
    """
    if status != 200:
        return _refused(status, body, seconds)
    usage, reply = usage_in(body), reply_in(body)
    tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
    spent = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "seconds": seconds}
    if reply is None:
        return Fault(**_wrong_body(body), **spent)  # type: ignore[arg-type]  # names as in Fault
    choice = reply.choices[0]
    text = (choice.message.content or "").strip()
    if choice.finish_reason == "content_filter" or choice.message.refusal:
        told = choice.message.refusal or "the server's content filter"
        return Fault(kind="refused", told=told[:200], is_final=True, **spent)  # type: ignore[arg-type]
    if _ERROR_AS_ANSWER.match(text) and not text.startswith(("{", "[")):
        return Fault(kind="error-as-answer", told=text[:200], **spent)  # type: ignore[arg-type]
    return Answer(
        text=text,
        is_cut=choice.finish_reason == "length" or tokens[1] >= max_tokens,
        prompt_tokens=tokens[0],
        completion_tokens=tokens[1],
        seconds=seconds,
    )


def _wrong_body(body: bytes) -> dict[str, str]:
    """Name and text of a reply with status 200 that is none."""
    if error := error_in(body):
        return {"kind": "server", "told": f"status 200 with the error {error.message[:160]!r}"}
    try:
        json.loads(body)
    except ValueError:
        start = body[:80].decode("utf-8", "replace")
        return {"kind": "not-json", "told": f"{len(body):,} bytes that are no JSON: {start!r}"}
    return {"kind": "wrong-shape", "told": "JSON without choices[0].message"}


def _refused(status: int, body: bytes, seconds: float) -> Fault:
    """The fault of a status other than 200."""
    error = error_in(body)
    said = error.message if error else body[:200].decode("utf-8", "replace")
    text = f"{said} {error.type if error else ''} {error.code if error else ''}"
    told = f"status {status}: {' '.join(said.split())[:200]}"
    if status in (401, 403):
        return Fault(kind="not-allowed", told=told, seconds=seconds, stops=True, is_unbilled=True)
    if status == 402 or (status == 429 and _DAILY.search(text)):
        return Fault(kind="daily-quota", told=told, seconds=seconds, stops=True, is_unbilled=True)
    if status == 429:
        return Fault(kind="rate-limit", told=told, seconds=seconds, is_unbilled=True)
    if status == 404:
        return Fault(kind="not-found", told=told, seconds=seconds, stops=True, is_unbilled=True)
    if status in _AGAIN or status >= 500:
        return Fault(kind="server", told=told, seconds=seconds)
    kind = "bad-request"
    if _TOO_LONG.search(text) or status == 413:
        kind = "too-long"
    elif _FILTERED.search(text):
        kind = "refused"
    return Fault(kind=kind, told=told, seconds=seconds, is_final=True, is_unbilled=True)


def retry_after(headers: Mapping[str, str], now: datetime.datetime) -> float | None:
    """Seconds that the server asks to wait, from Retry-After in seconds or as a date, or None.

    Args:
        headers: Headers of the reply, in lower case.
        now: Time of the reply.
    """
    if (milliseconds := headers.get("retry-after-ms", "")).isdigit():
        return int(milliseconds) / 1000
    value = headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(value)) if value and float(value) < float("inf") else None
    except ValueError:
        pass
    try:
        until = email.utils.parsedate_to_datetime(value)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=datetime.UTC)
    return max(0.0, (until - now).total_seconds())
