"""Names of the baselines that are no federated models, as the command line takes them."""

POPULARITY = "popularity"
ITEM_KNN = "item-knn"
RECENT_ITEM_KNN = "recent-item-knn"
MARKOV = "markov"
SESSION_KNN = "v-sknn"
EASE = "ease"
SLIM = "slim"
LIGHTGCN = "lightgcn"
NEAREST_TEXT = "nearest-text"
BASELINES = (
    POPULARITY,
    ITEM_KNN,
    RECENT_ITEM_KNN,
    SESSION_KNN,
    EASE,
    SLIM,
    LIGHTGCN,
    MARKOV,
    NEAREST_TEXT,
)

ORACLE = "oracle"  # of the synthetic data: what a ranking by the true probabilities reaches
SCORERS = (*BASELINES, ORACLE)
