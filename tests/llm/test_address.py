"""Calls to an address: what is sent, what is kept secret, what is refused before."""

import json

import httpx
import pytest

from fedrec.errors import ConfigError
from fedrec.llm.address import TRIES, AddressModel
from fedrec.llm.chat import Answer, Chat, Decoding, Fault

REPLY = {
    "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


class Told:
    """An observer that allows so many calls."""

    def __init__(self, allowed=1000):
        self.allowed, self.replies = allowed, []

    def may_ask(self, chat):
        self.allowed -= 1
        return self.allowed >= 0

    def ended(self, chat, reply):
        self.replies.append(reply)


@pytest.fixture
def asked(monkeypatch):
    """``asked(handler, ...)``: the model, the observer and what ``ask`` returned."""

    def ask(handler, chats=1, observer=None, decoding=None, **how):
        client = httpx.Client
        monkeypatch.setattr(
            httpx, "Client", lambda **more: client(transport=httpx.MockTransport(handler), **more)
        )
        waited = []
        clock = {"parallel": 1, "sleep": waited.append, "clock": lambda: float(sum(waited))}
        how = clock | how
        model = AddressModel("http://host/v1/", "model", **how)
        observer = observer or Told()
        messages = ({"role": "user", "content": "Say hello."},)
        all_chats = [Chat(key=f"k{number}/1", messages=messages) for number in range(chats)]
        stopped = model.ask(all_chats, decoding or Decoding(max_tokens=9), observer)
        return observer, stopped, waited

    return ask


def test_the_request_is_that_of_the_protocol(asked):
    seen = []

    def handler(request):
        seen.append(request)
        return httpx.Response(200, json=REPLY)

    observer, stopped, _ = asked(handler)
    (request,) = seen
    assert str(request.url) == "http://host/v1/chat/completions"
    assert json.loads(request.content) == {
        "model": "model",
        "messages": [{"role": "user", "content": "Say hello."}],
        "temperature": 0.0,
        "max_tokens": 9,
    }
    assert "authorization" not in request.headers
    assert stopped == ""
    assert observer.replies[0].text == "Hello"


def test_a_seed_is_sent_where_it_says_something(asked):
    seen = []

    def handler(request):
        seen.append(json.loads(request.content))
        return httpx.Response(200, json=REPLY)

    asked(handler, decoding=Decoding(temperature=0.7, seed=5))
    assert (seen[0]["seed"], seen[0]["temperature"]) == (5, 0.7)


def test_what_the_server_asks_to_wait_is_waited_at_least(asked):
    replies = [httpx.Response(429, headers={"Retry-After": "33"}), httpx.Response(200, json=REPLY)]
    observer, _, waited = asked(lambda request: replies.pop(0))
    assert max(waited) >= 33
    assert [type(one) for one in observer.replies] == [Fault, Answer]


def test_a_wait_of_an_hour_is_the_quota_of_a_day(asked):
    observer, stopped, waited = asked(
        lambda request: httpx.Response(429, headers={"Retry-After": "3600"}), chats=5
    )
    assert stopped.startswith("daily-quota: status 429")
    assert len(observer.replies) == 1
    assert waited == []


def test_a_chat_is_tried_so_often_and_no_more(asked):
    observer, stopped, waited = asked(lambda request: httpx.Response(429))
    assert len(observer.replies) == TRIES
    assert len(waited) == TRIES - 1
    assert stopped == ""


@pytest.mark.parametrize(
    ("error", "kind", "is_unbilled"),
    [
        (httpx.ReadTimeout("no byte"), "timeout", False),
        (httpx.ConnectTimeout("no host"), "timeout", True),
        (httpx.ConnectError("refused"), "connection", True),
        (httpx.RemoteProtocolError("closed"), "connection", False),
    ],
)
def test_a_call_without_a_reply_is_billed_unless_it_never_reached_the_server(
    asked, error, kind, is_unbilled
):
    def handler(request):
        raise error

    observer, _, _ = asked(handler)
    assert {(one.kind, one.is_unbilled) for one in observer.replies} == {(kind, is_unbilled)}


def test_what_the_observer_forbids_is_not_sent(asked):
    observer, stopped, _ = asked(
        lambda request: httpx.Response(200, json=REPLY), chats=5, observer=Told(allowed=2)
    )
    assert len(observer.replies) == 2
    assert stopped == "the cost limit is reached"


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://", "is no address"),
        ("ftp://host/v1", "is no address"),
        ("http://[::1", "is no address"),
        ("https://me:secret@host/v1", "holds a password"),
        ("https://host/v1?key=secret", "holds a password, a query"),
    ],
)
def test_addresses_that_are_refused(address, told):
    with pytest.raises(ConfigError, match=told) as error:
        AddressModel(address, "model")
    assert "secret" not in str(error.value)


def test_a_name_is_needed():
    with pytest.raises(ConfigError, match="needs the name of the model there: --model-name NAME"):
        AddressModel("http://host/v1", "")


@pytest.mark.parametrize("value", ["", "  ", "sk-\u00e9", "two\nlines"])
def test_an_empty_or_odd_key_is_refused_without_being_shown(monkeypatch, value):
    monkeypatch.setenv("THE_KEY", value)
    with pytest.raises(ConfigError, match=r"--key-variable THE_KEY: .*export THE_KEY=") as error:
        AddressModel("http://host/v1", "model", key_variable="THE_KEY")
    assert not value.strip() or value not in str(error.value)


def test_an_interruption_ends_every_waiting():
    """Ctrl-C while others wait for a back-off: nobody waits a minute for them."""

    class Interrupting(Told):
        def ended(self, chat, reply):
            super().ended(chat, reply)
            if len(self.replies) == 3:
                raise KeyboardInterrupt

    model = AddressModel("http://127.0.0.1:9/v1", "model", parallel=3)
    chats = [Chat(key=f"k{n}/1", messages=({"role": "user", "content": "x"},)) for n in range(9)]
    observer = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        model.ask(chats, Decoding(), observer)
    assert len(observer.replies) < 9


def test_a_call_that_is_sent_again_has_its_key_unless_its_reply_was_of_no_use(asked):
    keys, replies = [], [503, "<html>", 200]

    def handler(request):
        keys.append(request.headers["idempotency-key"])
        reply = replies.pop(0)
        if reply == 503:
            return httpx.Response(503)
        return httpx.Response(200, json=REPLY) if reply == 200 else httpx.Response(200, text=reply)

    asked(handler)
    assert keys == ["k0/1/0", "k0/1/0", "k0/1/1"]
