import numpy as np
import pandas as pd
import pytest

import fedrec

SMALL = {"width": 8, "hidden": 8, "max_length": 8, "negatives": 8, "epochs": 2, "batch_size": 4}
HASHED = {"semantics_encoder": "hashed", "semantics_width": 6}


@pytest.fixture(scope="session")
def ratings() -> pd.DataFrame:
    """30 users with 8 events each among 40 items that have titles, in the order of time."""
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(40) for _ in range(6)])
    return pd.DataFrame(
        {
            "user": np.repeat(np.arange(30), 8),
            "item": items,
            "time": np.arange(240),
            "title": [f"story {item % 7} of {item}" for item in items],
        }
    )


@pytest.fixture
def dataset(ratings):
    return fedrec.Dataset.from_frame(ratings, min_item_events=1)


@pytest.fixture(autouse=True)
def one_thread(monkeypatch):
    """More threads than free cores would make a step many times slower."""
    monkeypatch.setattr("fedrec.estimator.fitting.usual_threads", lambda: 1)
