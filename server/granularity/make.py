"""From a run config to the granularity of its clients."""

from collections.abc import Collection

from fedrec.config.config import Config
from fedrec.errors import ConfigError, DataError, MessageError
from fedrec.factory.training import make_cohort_loss, make_cohort_plan
from fedrec.models.recommender import Recommender
from server.granularity.base import ClientGranularity
from server.granularity.partitions import PartitionClients
from server.granularity.traffic import traffic_of
from server.granularity.users import UserClients
from server.messages.registration import Registration
from server.sampling.population import Population
from server.sampling.unavailable import Unavailability


def granularity_class(config: Config) -> type[PartitionClients] | type[UserClients]:
    """Class of clients that ``federation.unit`` names."""
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
    """Make the clients of a run.

    Args:
        config: Config of the run.
        registration: Registration of the clients.
        unavailability: Clients that are known beforehand not to reply.
        model: Model of the run, which determines the bytes that a user moves.
        shared: Names of its shared parameters.
        num_items: V.

    Raises:
        ConfigError: The cohort is larger than the number of users.
        DataError: No user has a training target.
        MessageError: The clients did not declare the training targets of each user.
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
        plan=make_cohort_plan(config, proximal_mu=0.0),  # no check depends on the FedProx term
        loss=make_cohort_loss(config, num_items),
        seed=config.seed,
        cohort_size=plan.cohort,
        sampling=plan.sampling,
        num_items=num_items,
        is_sparse=plan.row_averaging == "sparse",
        names_items=plan.shares_counts(1),
    )


def population_of(registration: Registration, cohort: int) -> Population:
    """Make the population that client sampling draws from, where every user is a client.

    Args:
        registration: Registration of the clients.
        cohort: ``federation.cohort``.

    Raises:
        ConfigError: The cohort is larger than the number of users.
        DataError: No user has a training target.
        MessageError: The clients did not declare the training targets of each user.
    """
    if set(registration.user_targets) != set(registration.partitions):
        raise MessageError("the SuperNodes did not declare how many training targets each user has")
    population = Population.of(registration.users, registration.user_targets)
    if not len(population.users):
        raise DataError("no user has two training events; raise data.min-user-events")
    if cohort > (most := len(population.users)):
        raise ConfigError(
            f"federation.cohort is {cohort}, but {most} users have two training "
            f"events; set federation.cohort = {most} or less"
        )
    return population
