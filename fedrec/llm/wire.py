"""Messages of the OpenAI-compatible chat protocol, as far as they are used here.

Servers add fields of their own; those are ignored. What is needed and missing is a fault.
"""

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class RequestMessage(BaseModel):
    """One message of a chat."""

    model_config = ConfigDict(extra="forbid")

    role: str
    content: str


class ChatRequest(BaseModel):
    """The body of POST /chat/completions."""

    model_config = ConfigDict(extra="forbid")

    model: str
    messages: list[RequestMessage]
    temperature: float
    max_tokens: int
    seed: int | None = None  # left out at temperature 0, where it says nothing


class ReplyMessage(BaseModel):
    """What the model said."""

    content: str | None = None
    refusal: str | None = None


class Choice(BaseModel):
    """One answer; only the first is read."""

    message: ReplyMessage
    finish_reason: str | None = None


class Usage(BaseModel):
    """Tokens as the server bills them."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(default=0, ge=0)


class ChatReply(BaseModel):
    """The body of a reply with status 200."""

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None


class ErrorBody(BaseModel):
    """What servers say about a failure; ``type`` and ``code`` are not the same everywhere."""

    message: str = ""
    type: str | None = None
    code: str | int | None = None


class ErrorReply(BaseModel):
    """The body of a reply with another status."""

    error: ErrorBody


class UsageReply(BaseModel):
    """The usage of a reply whose rest is not as expected: those tokens are billed all the same."""

    usage: Usage


def error_in(body: bytes) -> ErrorBody | None:
    """The error that a body tells of, or None."""
    try:
        return ErrorReply.model_validate_json(body).error
    except ValidationError:
        return None


def usage_in(body: bytes) -> Usage | None:
    """The usage that a body tells of, or None."""
    try:
        return UsageReply.model_validate_json(body).usage
    except ValidationError:
        return None


def reply_in(body: bytes) -> ChatReply | None:
    """The chat reply that a body holds, or None."""
    try:
        return ChatReply.model_validate_json(body)
    except ValidationError:
        return None
