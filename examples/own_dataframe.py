"""Your own events in a DataFrame: fit SASRec, evaluate it, recommend to two users.

Run it: ``python examples/own_dataframe.py``.
"""

import numpy as np
import pandas as pd

import fedrec
from fedrec.data import Columns

# 200 listeners who mostly go from a song to the next one of the same album.
rng = np.random.default_rng(0)
rows = []
for listener in range(200):
    song = int(rng.integers(60))
    for hour in range(12):
        rows.append((f"listener-{listener}", f"song-{song}", 1_700_000_000 + 3600 * hour))
        song = (song + 1) % 60 if rng.random() < 0.8 else int(rng.integers(60))
events = pd.DataFrame(rows, columns=["listener", "song", "played_at"])
events["name"] = "Track " + events["song"].str.removeprefix("song-")

dataset = fedrec.Dataset.from_frame(
    events,
    columns=Columns(user="listener", item="song", time="played_at", title="name"),
    name="songs",
)
print(f"{dataset.sequences.num_users} users, {dataset.catalog.num_items} items")

model = fedrec.SASRec(width=32, max_length=12, loss="softmax", learning_rate=0.01, epochs=6)
model.fit(dataset)
print(f"best epoch by validation: {model.best_epoch}")
print(model.evaluate().loc[["HR@10", "NDCG@10", "MRR"]].round(3))
print(events[events["listener"] == "listener-7"].tail(3).to_string(index=False))
print(model.recommend(["listener-7", "listener-8"], k=3))
