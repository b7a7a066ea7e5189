"""Names of all records, arrays and values in messages between server and clients.

Train message     arrays (shared weights, float32), frequency, config -> weights, metrics, metadata
  of users        the same and which users                            -> sum, metrics, metadata
Evaluate message  arrays, frequency, config                           -> ranks, metrics, metadata
Query message     config                                     -> registration, metrics, metadata

A reply carries the client's float32 weights. Its update, ``weights - sent``, is taken in float64
by the server: that difference is exact, so a single client with everybody's data walks the very
path of a plain training loop; a float32 difference would round it. Where every user is a client
(``federation.unit = "user"``), a train message says which users of the partition take part, and
the reply carries the float64 sum of their weighted updates.
"""

import hashlib
from functools import lru_cache
from pathlib import Path

import fedrec

FORMAT = 7  # of messages; both sides refuse another
PACKAGES = ("fedrec", "clients", "server")  # one release: both sides must run the same

# Records of a message.
ARRAYS = "arrays"  # weights, as Flower's strategies call them
FREQUENCY = "frequency"  # array (V + 1,): training events per item over all clients
CONFIG = "config"
METRICS = "metrics"
METADATA = "metadata"  # who replied: partition, round, hashes
REGISTRATION = "registration"  # arrays of the reply to the first query
USERS = "users"  # arrays of a train message and its reply, where every user is a client
RANKS = "ranks"  # arrays of an evaluate reply

# Arrays of a registration; the ids are a value of the metadata. Ids, counts and held-out items come
# of clients for which ``Federation.shares_counts`` holds, and of no other.
USER_NUMBERS = "users"  # (n,) also in replies about users
USER_IDS = "user-ids"
USER_TARGETS = "targets"  # (n,) training targets of one pass, where every user is a client
ITEM_COUNTS = "counts"  # (V + 1,) training events per item of this client

# Arrays about the users of a train reply, where every user is a client.
LOSSES = "losses"  # (n,) mean over the training targets of each user in the sum
NORMS = "norms"  # (n,) Euclidean lengths of their updates
ROWS_READ = "rows"  # (n,) item rows that their training reads
TRAINED = "trained"  # (n,) targets that they trained on
EXCLUDED = "excluded"  # (m,) users that are not in the sum
TOO_LARGE = "too-large"  # (m,) whether for a finite update or loss that is out of bounds
EXCLUDED_ROWS = "excluded-rows"  # (m,)
ROW_WEIGHTS = "row-weights"  # (V + 1,) summed weights of those who read each row (sparse averaging)

# Arrays of an evaluate reply; USER_NUMBERS is another.
CANDIDATES = "candidates"  # (n,) items ranked under "full"
EVENTS = "events"  # (n,) length of each whole sequence
GATES = "gates"  # sums of gate weights
PERSONAL_RANKS = "personal"  # (n,) ranks by the personalised models
HELD_OUT_ITEMS = "targets"  # (n,) the items that are ranked
POSITIONS = "positions"  # (n, 2, 6) sums over every position of unseen users
JACCARD = "jaccard"  # (n, 2) genres in common with the held-out item, NaN where it has none

# Metrics.
NUM_EXAMPLES = "num-examples"  # training targets of the client, as declared in its registration
TRAIN_LOSS = "train-loss"
TRAINED_TARGETS = "trained-targets"

# Values of config and metadata.
ROUND = "server-round"  # Flower's strategies set this one
PROXIMAL_MU = "proximal-mu"  # and FedProx this one
LAST_ACCEPTED = "last-accepted"  # round whose reply of this client was used last, 0 for none
PRIVATE = (
    "private-sha256"  # of the private file of that round; in a reply, of the file just written
)
KEEP = "keep"  # rounds whose private files a checkpoint or the best model needs, as in "3,5"
DELETE_STATE = "delete-state"  # in a query: the run is over, its private files may go
CHECK = "check"  # in a query: private files that must be there, as in "3:sha256,5:sha256"
TOKEN = "run-token"  # names the client's private files of this run
STAGE = "stage"
SCORER = "scorer"  # "model", or the name of a baseline
PROTOCOLS = "protocols"
FURTHER = "further"  # whether POSITIONS and JACCARD are asked for, as far as the config has them
PARTITION = "partition"
CODE = "code"
USER_CODE = "user-code"  # of the modules that the user names in the config
DATA_HASH = "data-hash"
TABLE_HASH = "table-hash"
VIEWS_HASH = "views-hash"  # of the views of the user's own
FORMAT_KEY = "format"
ERROR = "error"  # why a client could not reply, instead of its reply
EXIT_CODE = "exit-code"
TRACEBACK = "traceback"


def rank_array(protocol_name: str) -> str:
    """Name of the array (n,) of ranks under an evaluation protocol, in an evaluate reply."""
    return f"rank/{protocol_name}"


@lru_cache(maxsize=1)
def code_files() -> dict[str, str]:
    """File -> sha256, over the sources of fedrec, and of clients and server where they lie beside.

    The files are read, never imported.
    """
    root = Path(fedrec.__file__).parent.parent
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for package in PACKAGES
        for path in sorted((root / package).rglob("*.py"))
    }


@lru_cache(maxsize=1)
def code_fingerprint() -> str:
    """sha256 over all those files and their names.

    A service that was started in another checkout would otherwise train that checkout's code in
    silence.
    """
    listed = "".join(f"{name} {digest}\n" for name, digest in code_files().items())
    return hashlib.sha256(listed.encode()).hexdigest()
