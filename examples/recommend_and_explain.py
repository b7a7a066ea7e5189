"""Recommend with a hybrid model, say why, and score an item that came after training.

The hybrid reads three views of an item: its trained ID embedding, the frozen embedding of its text
and its genres and year. A gate weighs them at each position; the weights are the explanation.

Run it: ``python examples/recommend_and_explain.py``.
"""

import fedrec

dataset = fedrec.Dataset.load("synthetic:users=300,items=120")
model = fedrec.Hybrid(
    width=16, hidden=32, max_length=20, loss="softmax", learning_rate=0.01, epochs=4,
    semantics_encoder="hashed", semantics_width=16,
).fit(dataset)  # fmt: skip

user = dataset.user_ids[0]
print(f"for user {user}:")
print(model.recommend([user], k=3).to_string(index=False))

recommender = model.recommender
weights = recommender.view_weights(user)
print("views:", ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items()))

first = recommender.recommend(user, k=1)[0]
print(f"nearest to {first.title!r}:")
for other in recommender.nearest(first.item, k=2):
    print(f"  {other.title} (cosine {other.score:.2f})")

# A title that training never saw: its text and genres stand in for an ID embedding.
row = dataset.catalog.item_ids.index(first.item)
larger = recommender.with_items(
    [f"{first.title} II"], ids=["sequel"], genres=[dataset.catalog.genres[row]], years=[2020]
)
print(f"its sequel, never seen in training, ranks {larger.rank_of('sequel', user):.0f}")
