"""A federation whose partitions have 20, 19 and 1 users, with the default that asks for 20."""

from collections.abc import Callable

import pytest

from fedrec.config.config import Config
from tests.server.lifecycle.few_users import DEFAULT, HOMES, MIN_USERS, SMALL, events_of


@pytest.fixture
def mixed(own_events, small_config) -> Callable[..., Config]:
    """``mixed(changes)``: config of 40 users in partitions of 20, 19 and 1, with the default."""
    homes = [home for home, count in HOMES.items() for _ in range(count)]
    keys = own_events(events_of(homes)) | SMALL | {MIN_USERS: DEFAULT}
    return lambda changes=None: small_config(keys | (changes or {}))
