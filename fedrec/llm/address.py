"""A language model behind an OpenAI-compatible address.

httpx alone, without retries of its own: every call is told to an observer before it is made and
after it, so that none is paid unseen. The key travels in a header and is never written.
"""

import datetime
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from fedrec.errors import ConfigError
from fedrec.llm.chat import Answer, Chat, Clock, Decoding, Fault, Observer
from fedrec.llm.faults import DAY_AWAY, outcome, retry_after
from fedrec.llm.pace import Breaker, Quota, back_off
from fedrec.llm.wire import ChatRequest, RequestMessage
from fedrec.randomness import generator

TRIES = 6  # calls for one chat that may bring no answer
_REPLIED = ("not-json", "wrong-shape", "error-as-answer")  # replies with status 200
HIDDEN = "(hidden)"


class _HaltedError(Exception):
    """A waiting that a stop has ended."""


class AddressModel:
    """A model behind POST ``address``/chat/completions.

    Args:
        address: Address up to and with its version, such as http://127.0.0.1:8000/v1.
        name: Name of the model there.
        revision: What tells its weights from others of that name, as far as the user knows it.
        key_variable: Environment variable with the API key, "" for none.
        parallel: Calls at a time.
        requests: Requests a minute; 0 is no limit.
        tokens: Tokens a minute; 0 is no limit.
        timeout: Seconds without a byte after which a call has failed.
        seed: Seed of the back-off.
        clock: Seconds from any start.
        sleep: Function that waits; by default one that a stop ends.

    Attributes:
        name: Name of the model.
        revision: The revision given.
        is_billed: True.

    Raises:
        ConfigError: No http address, one with a password in it, no name, or an empty variable.
    """

    is_billed = True
    group = 0

    def __init__(
        self,
        address: str,
        name: str,
        *,
        revision: str = "",
        key_variable: str = "",
        parallel: int = 4,
        requests: int = 0,
        tokens: int = 0,
        timeout: float = 120.0,
        seed: int = 0,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] | None = None,
    ) -> None:
        check_address(address)
        if not name:
            raise ConfigError(
                f"--model {address} needs the name of the model there: --model-name NAME"
            )
        self.name, self.revision = name, revision
        self.address = address.rstrip("/")
        self._key = _key_in(key_variable)
        self._parallel, self._timeout = max(1, parallel), timeout
        self._clock, self._sleep = clock, sleep or self._wait
        self._quota = Quota(requests, tokens, clock=clock, sleep=self._sleep)
        self._breaker = Breaker(sleep=self._sleep)
        self._draws = generator(seed, "language-model", "back-off")
        self._lock, self._halt, self._why = threading.Lock(), threading.Event(), ""
        self._useless: Counter[str] = Counter()  # replies to a chat that held no answer

    def ask(self, chats: Sequence[Chat], decoding: Decoding, observer: Observer) -> str:
        """Answer chats, several at a time; see ``LanguageModel``."""
        self._halt.clear()
        self._why = ""
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        limits = httpx.Limits(max_connections=self._parallel)
        # trust_env would read .netrc, and send its password to the address.
        with (
            httpx.Client(
                headers=headers, timeout=self._timeout, limits=limits, trust_env=False
            ) as client,
            ThreadPoolExecutor(self._parallel) as pool,
        ):
            calls = [pool.submit(self._answer, client, chat, decoding, observer) for chat in chats]
            try:
                for call in calls:
                    call.result()
            except BaseException:
                self._stop("interrupted")
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return self._why

    def _answer(
        self, client: httpx.Client, chat: Chat, decoding: Decoding, observer: Observer
    ) -> None:
        """Ask until there is an answer, or a fault that is final, or ``TRIES`` calls failed."""
        try:
            for tries in range(1, TRIES + 1):
                if self._halt.is_set() or self._ask_once(client, chat, decoding, observer, tries):
                    return
        except _HaltedError:
            return
        except BaseException:
            self._stop("interrupted")  # at once: its turn to be noticed may come much later
            raise

    def _ask_once(
        self,
        client: httpx.Client,
        chat: Chat,
        decoding: Decoding,
        observer: Observer,
        tries: int,
    ) -> bool:
        """Make one call in its turn; whether the chat needs no other one."""
        entered = self._breaker.enter()
        if entered == "stop":
            self._stop("the address does not answer any more")
            return True
        # The breaker is left whatever happens, or the other calls would wait for ever.
        failed = False
        try:
            self._quota.wait(chat.bytes // 4 + decoding.max_tokens)
            if self._halt.is_set() or not observer.may_ask(chat):
                self._stop("the cost limit is reached")
                return True
            reply, asked_to_wait = self._call(client, chat, decoding)
            observer.ended(chat, reply)
            failed = isinstance(reply, Fault) and not reply.is_final and reply.kind != "rate-limit"
            self._useless[chat.key] += isinstance(reply, Fault) and reply.kind in _REPLIED
        finally:
            self._breaker.leave(entered, failed=failed)
        if isinstance(reply, Answer) or reply.is_final:
            return True
        if reply.stops:
            self._stop(f"{reply.kind}: {reply.told}")
            return True
        if asked_to_wait is not None:
            self._quota.hold(asked_to_wait)
        if tries < TRIES:
            with self._lock:
                pause = back_off(tries, self._draws)
            self._sleep(max(pause, asked_to_wait or 0.0))
        return False

    def _stop(self, why: str) -> None:
        """Let no further call begin, and end every waiting; the first reason counts."""
        with self._lock:
            self._why = self._why or why
        self._halt.set()

    def _wait(self, seconds: float) -> None:
        """Wait, unless nothing is to be asked any more."""
        if self._halt.wait(seconds):
            raise _HaltedError

    def _call(
        self, client: httpx.Client, chat: Chat, decoding: Decoding
    ) -> tuple[Answer | Fault, float | None]:
        """One call: what came of it, and the seconds that the server asks to wait."""
        request = ChatRequest(
            model=self.name,
            messages=[RequestMessage(**message) for message in chat.messages],
            temperature=decoding.temperature,
            max_tokens=decoding.max_tokens,
            seed=decoding.seed if decoding.temperature else None,
        )
        begun = self._clock()
        try:
            reply = client.post(
                f"{self.address}/chat/completions",
                content=request.model_dump_json(exclude_none=True),
                # A server that knows it bills a call once, were it sent again after a kill. Where
                # its reply was of no use, the same key would bring the same reply.
                headers={
                    "Content-Type": "application/json",
                    "Idempotency-Key": f"{chat.key}/{self._useless[chat.key]}",
                },
            )
        except httpx.TimeoutException as error:
            return self._unanswered("timeout", error, begun), None
        except httpx.HTTPError as error:
            return self._unanswered("connection", error, begun), None
        seconds = self._clock() - begun
        found = outcome(reply.status_code, reply.content, seconds, max_tokens=decoding.max_tokens)
        if isinstance(found, Answer):
            return found, None
        now = datetime.datetime.now(datetime.UTC)
        wait = retry_after({name.lower(): text for name, text in reply.headers.items()}, now)
        found = replace(found, told=self._without_key(found.told))
        if found.kind == "rate-limit" and wait is not None and wait > DAY_AWAY:
            told = f"{found.told}; it asks to wait {wait:,.0f} seconds"
            return replace(found, kind="daily-quota", told=told, stops=True), wait
        return found, wait

    def _unanswered(self, kind: str, error: Exception, begun: float) -> Fault:
        """The fault of a call that no reply came to; only a refused connection is surely free."""
        told = self._without_key(f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
        is_free = isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout))
        seconds = self._clock() - begun
        return Fault(kind=kind, told=told, seconds=seconds, is_unbilled=is_free)

    def _without_key(self, text: str) -> str:
        """Text of a server without the key, which some quote."""
        return text.replace(self._key, HIDDEN) if self._key else text


def check_address(address: str) -> None:
    """Refuse what is no http address, or one that holds a password.

    Raises:
        ConfigError: With what is expected.
    """
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigError(
            f"--model {address!r} is no address; expected such as http://127.0.0.1:8000/v1"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            f"--model {parts.scheme}://{host} holds a password, a query or a fragment; give the "
            "address up to its version, and a key by --key-variable NAME"
        )


def _key_in(variable: str) -> str:
    """The API key of an environment variable."""
    if not variable:
        return ""
    key = os.environ.get(variable, "").strip()
    if not key or not key.isascii() or not key.isprintable():
        raise ConfigError(
            f"--key-variable {variable}: this environment variable is empty or holds what is no "
            f"key; expected the API key of the address (export {variable}=...)"
        )
    return key
