"""Aggregation of low-rank adapters by the mean of their products, cut back to their rank."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from flwr.app import Array, ArrayRecord, Message, MetricRecord
from flwr.serverapp.strategy import FedAvg

from fedrec import protocol
from fedrec.llm.lora.base import A, B
from fedrec.models.parameters import NamedArrays


class LoraSVD(FedAvg):
    """The best rank-r approximation of the mean of all products B A, as new B and A.

    The mean of the products is not the product of the means. FlexLoRA (Bai et al., NeurIPS 2024)
    takes the singular value decomposition of their mean; the square roots of the singular values go
    to both sides, the signs are those that make the largest entry of each row of A positive.

    Args:
        **options: Options of Flower's FedAvg.

    Attributes:
        product_error: Norm of what the last round's cut left out, as a share of the whole.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.product_error = 0.0

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Average what is no adapter, and the adapters by their products."""
        given = list(replies)
        mean, metrics = super().aggregate_train(server_round, given)
        if mean is None:
            return None, metrics
        sent = [_arrays(message) for message in given]
        weights = np.array([_weight(message) for message in given])
        combined = {name: array.numpy() for name, array in mean.items()}
        missed = whole = 0.0
        for name in sorted(name for name in combined if A in name):
            other = name.replace(A, B)
            product = mean_product(
                [arrays[name] for arrays in sent], [arrays[other] for arrays in sent], weights
            )
            a, b = cut_to_rank(product, combined[name].shape[0])
            combined[name], combined[other] = a, b
            missed += float(np.square(product - b @ a).sum())
            whole += float(np.square(product).sum())
        self.product_error = float(np.sqrt(missed / whole)) if whole else 0.0
        return ArrayRecord({name: Array(np.asarray(a)) for name, a in combined.items()}), metrics


def mean_product(a: list[np.ndarray], b: list[np.ndarray], weights: np.ndarray) -> np.ndarray:
    """Weighted mean (out, in) of the products of B (out, r) and A (r, in), in float64."""
    share = weights / weights.sum()
    products = [
        one * (right.astype(np.float64) @ left.astype(np.float64))
        for one, left, right in zip(share, a, b, strict=True)
    ]
    return np.asarray(np.sum(products, axis=0))


def cut_to_rank(product: np.ndarray, rank: int) -> tuple[np.ndarray, np.ndarray]:
    """A (r, in) and B (out, r) whose product is the best of rank r (Eckart and Young, 1936)."""
    left, values, right = np.linalg.svd(product, full_matrices=False)
    roots = np.sqrt(values[:rank])
    a, b = roots[:, None] * right[:rank], left[:, :rank] * roots
    signs = np.where(a[np.arange(len(a)), np.abs(a).argmax(axis=1)] < 0, -1.0, 1.0)
    missing = rank - len(roots)  # a layer narrower than the rank
    a, b = a * signs[:, None], b * signs
    return np.pad(a, ((0, missing), (0, 0))), np.pad(b, ((0, 0), (0, missing)))


def product_error(a: list[np.ndarray], b: list[np.ndarray], weights: np.ndarray) -> float:
    """Share by which the product of the weighted means misses the mean of the products."""
    share = weights / weights.sum()
    whole = mean_product(a, b, weights)
    mean_a = np.sum([one * left for one, left in zip(share, a, strict=True)], axis=0)
    mean_b = np.sum([one * right for one, right in zip(share, b, strict=True)], axis=0)
    norm = float(np.linalg.norm(whole))
    return float(np.linalg.norm(mean_b @ mean_a - whole)) / norm if norm else 0.0


def round_error(replies: list[NamedArrays], weights: np.ndarray) -> float | None:
    """``product_error`` over all adapters of a round's replies; None where A or B is not sent."""
    names = sorted(name for name in (replies[0] if replies else {}) if A in name)
    if not names or names[0].replace(A, B) not in replies[0]:
        return None
    missed = whole = 0.0
    for name in names:
        a = [arrays[name].astype(np.float64) for arrays in replies]
        b = [arrays[name.replace(A, B)].astype(np.float64) for arrays in replies]
        norm = float(np.square(mean_product(a, b, weights)).sum())
        missed += product_error(a, b, weights) ** 2 * norm
        whole += norm
    return float(np.sqrt(missed / whole)) if whole else 0.0


def _arrays(message: Message) -> NamedArrays:
    record = message.content.array_records[protocol.ARRAYS]
    return {name: array.numpy() for name, array in record.items()}


def _weight(message: Message) -> float:
    found = message.content.metric_records[protocol.METRICS][protocol.NUM_EXAMPLES]
    assert isinstance(found, int | float)
    return float(found)
