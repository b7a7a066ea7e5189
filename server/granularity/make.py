"""From a run config to the granularity of its clients."""

from collections.abc import Collection

from fedrec.config.config import Config
from fedrec.errors import ConfigError, DataError, MessageError
from fedrec.factory.training import make_cohort_loss, make_cohort_plan
from fedrec.models.recommender import Recommender
from server.granularity.base import ClientGranularity
from server.granularity.partitions import PartitionClients
from server.granularity.users import UserClients
from server.messages.registration import Registration
from server.sampling.population import Population
from server.sampling.unavailable import Unavailability
from server.traffic import traffic_of


def granularity_class(config: Config) -> type[PartitionClients] | type[UserClients]:
    """The class of clients that ``federation.unit`` names."""
    return UserClients if config.federation.unit == "user" else PartitionClients


def make_clients(
    config: Config,
    registration: Registration,
    unavailability: Unavailability,
    *,
    model: Recommender,
    shared: Collection[str],
    num_items: int,
) -> ClientGranularity:
    """The clients of a run.

    Args:
        config: Config of the run.
        registration: What the partitions hold.
        unavailability: Who is known beforehand not to answer.
        model: Model of the run, for the bytes that a user moves.
        shared: Names of its parameters that travel.
        num_items: V.

    Raises:
        ConfigError: A cohort of more users than there are.
        DataError: No user has anything to train on.
        MessageError: The clients did not say how much each user has.
    """
    plan, local = config.federation, config.local
    if granularity_class(config) is PartitionClients:
        most = config.most_targets
        return PartitionClients(
            registration=registration,
            unavailability=unavailability,
            seed=config.seed,
            fraction=plan.fraction,
            outlier_limit=plan.outlier_limit,
            steps=local.steps,
            epochs=local.epochs,
            batch_targets=None if most is None else local.batch_size * most,
        )
    return UserClients(
        registration=registration,
        unavailability=unavailability,
        population=population_of(registration, plan.cohort),
        traffic=traffic_of(model, shared, download=plan.download, upload=plan.upload),
        plan=make_cohort_plan(config, proximal_mu=0.0),  # the FedProx term bears on no check
        loss=make_cohort_loss(config, num_items),
        seed=config.seed,
        cohort_size=plan.cohort,
        is_poisson=plan.sampling == "poisson",
        num_items=num_items,
        is_sparse=plan.row_averaging == "sparse",
        names_items=plan.share_counts,
    )


def population_of(registration: Registration, cohort: int) -> Population:
    """The users that rounds sample from.

    Args:
        registration: What the partitions hold.
        cohort: ``federation.cohort``.

    Raises:
        ConfigError: A cohort of more users than there are.
        DataError: No user has anything to train on.
        MessageError: The clients did not say how much each user has.
    """
    if set(registration.user_targets) != set(registration.partitions):
        raise MessageError("the SuperNodes did not say how many training targets each user has")
    population = Population.of(registration.users, registration.user_targets)
    if not len(population.users):
        raise DataError("no user has two training events; raise data.min-user-events")
    if cohort > (most := len(population.users)):
        raise ConfigError(
            f"federation.cohort is {cohort}, but {most} users have two training "
            f"events; set federation.cohort = {most} or less"
        )
    return population
