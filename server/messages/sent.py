"""What the clients have told of their histories, and what cannot be done without it."""

from typing import Any

from fedrec.config.config import Config
from fedrec.config.sections.federation import Federation
from fedrec.errors import ConfigError
from server.messages.registration import Registration


def sent_facts(plan: Federation, registration: Registration) -> dict[str, Any]:
    """Facts for run.json: how many clients told what.

    Args:
        plan: Section ``federation`` of the config.
        registration: Registration of the clients.
    """
    counted = sum(len(registration.users[p]) for p in registration.item_counts_of)
    is_user = plan.unit == "user"
    telling = counted if is_user else len(registration.item_counts_of)
    return {
        "share_counts": plan.share_counts,
        "min_users": plan.share_counts_min_users,
        "clients": registration.num_users if is_user else len(registration.partitions),
        # The three go together: see Federation.shares_counts.
        "item_counts": telling,
        "held_out_items": telling,
        "user_ids": telling,
        "users": registration.num_users,
        "users_counted": counted,
    }


def check_counts(config: Config, registration: Registration) -> None:
    """Refuse what needs counts per item where no client tells them.

    Args:
        config: Config of the run.
        registration: Registration of the clients.

    Raises:
        ConfigError: The model or the protocol needs them.
    """
    if registration.counts is not None:
        return
    most = max((len(users) for users in registration.users.values()), default=0)
    why = config.federation.why_no_counts(most)
    if found := list(config.lacking_counts(why)):
        raise ConfigError(*found)
