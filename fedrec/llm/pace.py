"""How fast and how long an address is asked: quotas a minute, back-off, circuit breaker."""

import threading
import time
from collections import deque
from collections.abc import Callable

import numpy as np

from fedrec.llm.chat import Clock

MINUTE = 60.0
BASE = 1.0  # seconds; the first back-off is drawn from 0 to this
CAP = 60.0  # seconds; no back-off is longer, unless the server asks for it


class Quota:
    """Requests and tokens a minute, over the last 60 seconds, for any number of threads.

    Args:
        requests: Requests a minute; 0 is no limit.
        tokens: Tokens a minute, read and written; 0 is no limit.
        clock: Seconds from any start.
        sleep: Function that waits.
    """

    def __init__(
        self,
        requests: int = 0,
        tokens: int = 0,
        *,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._requests, self._tokens = requests, tokens
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._begun: deque[tuple[float, int]] = deque()  # time and expected tokens
        self._not_before = 0.0

    def wait(self, tokens: int) -> None:
        """Wait until a call of so many tokens is within the quota, and count it.

        A call that alone exceeds the tokens of a minute waits for an empty minute.
        """
        while True:
            with self._lock:
                now = self._clock()
                pause = max(self._not_before - now, self._pause(now, tokens))
                if pause <= 0:
                    self._begun.append((now, tokens))
                    return
            self._sleep(pause)

    def hold(self, seconds: float) -> None:
        """Let nobody begin for some seconds, as a server asked for."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def _pause(self, now: float, tokens: int) -> float:
        """Seconds until the window has room."""
        while self._begun and self._begun[0][0] <= now - MINUTE:
            self._begun.popleft()
        pause = 0.0
        if self._requests and len(self._begun) >= self._requests:
            pause = self._begun[-self._requests][0] + MINUTE - now
        if self._tokens:
            room = self._tokens - sum(count for _, count in self._begun)
            for begun, count in self._begun:
                if room >= tokens:
                    break
                room += count
                pause = max(pause, begun + MINUTE - now)
        return pause


def back_off(failures: int, stream: np.random.Generator) -> float:
    """Seconds to wait after so many failures in a row: full jitter, 0 to min(60, 2^n).

    Drawn from the whole range, so that clients which failed together do not come back together.
    AWS Architecture Blog, "Exponential Backoff And Jitter", 2015.
    """
    return float(stream.uniform(0, min(CAP, BASE * 2 ** (failures - 1))))


class Breaker:
    """Circuit breaker: after many failures in a row, one call at a time tries whether it is over.

    Args:
        failures: Failures in a row that open it.
        pause: Seconds before the first try; they double with each that fails.
        tries: Tries that may fail before it gives up.
        sleep: Function that waits.
    """

    def __init__(
        self,
        failures: int = 10,
        pause: float = 5.0,
        tries: int = 5,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit, self._pause, self._tries = failures, pause, tries
        self._sleep = sleep
        self._lock, self._trying = threading.Lock(), threading.Lock()
        self._failures = self._failed_tries = 0

    @property
    def is_open(self) -> bool:
        """Whether calls wait for a try."""
        return self._failures >= self._limit

    @property
    def has_given_up(self) -> bool:
        """Whether nothing is to be asked any more."""
        return self._failed_tries >= self._tries

    def enter(self) -> str:
        """Wait for the turn of a call: "go", "try" (the breaker is open), or "stop" (given up).

        Whoever is let through must call ``leave``; while one tries, the others wait.
        """
        if self.has_given_up:
            return "stop"
        if not self.is_open:
            return "go"
        self._trying.acquire()
        if self.has_given_up or not self.is_open:
            self._trying.release()
            return "stop" if self.has_given_up else "go"
        try:
            self._sleep(self._pause * 2**self._failed_tries)
        except BaseException:
            self._trying.release()
            raise
        return "try"

    def leave(self, entered: str, *, failed: bool) -> None:
        """Tell how a call ended.

        Args:
            entered: What ``enter`` answered to it.
            failed: Whether the address failed; a refusal of this one call is no failure.
        """
        with self._lock:
            if failed:
                self._failures += 1
                self._failed_tries += entered == "try"
            else:
                self._failures = self._failed_tries = 0
        if entered == "try":
            self._trying.release()
