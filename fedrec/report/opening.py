"""The sentence that a report opens with: what was done, and how it stands beside baselines."""

from collections.abc import Mapping

from fedrec.baselines.names import LIGHTGCN
from fedrec.evaluation.protocols import metric_label
from fedrec.report.references import BASELINE_ENGINE, MAIN
from fedrec.runs.record import COMPLETE, Run, number

MODELS = {
    "hybrid": "the hybrid model",
    "sasrec": "SASRec",
    "bert4rec": "BERT4Rec",
    "gru4rec": "GRU4Rec",
    "narm": "NARM",
    "stamp": "STAMP",
    "sr-gnn": "SR-GNN",
    "dualrec-lstm": "DUALRec's LSTM",
    "bpr-mf": "BPR-MF",
    "fpmc": "FPMC",
    "fed-ncf": "FedNCF",
    "pfedrec": "PFedRec",
    "hstu": "HSTU",
    "unisrec": "UniSRec",
    "unisrec-id": "UniSRec with ID embeddings",
    "lora": "a language model by adapters",
}
STRATEGIES = {
    "fedavg": "FedAvg",
    "fedprox": "FedProx",
    "server-adam": "Adam on the server",
    "lora-svd": "averages of products by SVD",
    "fedavgm": "FedAvgM",
    "fedadam": "FedAdam",
    "fedyogi": "FedYogi",
    "fedadagrad": "FedAdagrad",
    "qfedavg": "q-FedAvg",
    "fedmedian": "medians",
    "fedtrimmedavg": "trimmed means",
    "krum": "Krum",
    "multikrum": "Multi-Krum",
    "bulyan": "Bulyan",
}
DATA = {
    "synthetic": "embedded synthetic data",
    "ml-1m": "MovieLens-1M",
    "ml-100k": "MovieLens-100K",
    "ml-latest-small": "MovieLens latest-small",
    "amazon-beauty-2014": "Amazon Beauty 2014",
    "amazon-office-2018": "Amazon Office 2018",
}


def opening(run: Run) -> str:
    """What was done, with which result, in one sentence; a second one for what went wrong."""
    done = _done(run)
    standing = _standing(run)
    return f"{done}; {standing}." if standing else f"{done}."


def _done(run: Run) -> str:
    """Who trained what on which data, how, and for how long."""
    engine = str(run.about.get("engine", ""))
    name = str((run.about.get("data") or {}).get("name") or "")
    data = DATA.get(name, name or "unknown data")
    model = _named(run, "model", MODELS) or "a model"
    kind = engine.removeprefix(BASELINE_ENGINE).rstrip(")")
    if not engine.startswith(BASELINE_ENGINE):
        by = _named(run, "strategy", STRATEGIES)
        with_it = f" with {by}" if by else ""
        return f"{_clients(run)} trained {model} on {data}{with_it} for {_rounds(run)}"
    if kind == "centralised":
        return f"One place with all data trained {model} on {data} for {_rounds(run)}"
    if kind == "local-only":
        each = f"{_clients(run)} trained {model} on {data}"
        return f"{each}, each alone, for {_rounds(run)}"
    if kind == LIGHTGCN:
        return f"One place with all data trained LightGCN on {data}"
    return f"A ranking by {kind.replace('-', ' ')} on {data}, without training by gradients"


def _named(run: Run, section: str, words: Mapping[str, str]) -> str:
    name = str((run.config.get(section) or {}).get("name") or "")
    return words.get(name, name.rpartition(":")[2])


def _clients(run: Run) -> str:
    parts = run.clients
    if (run.config.get("federation") or {}).get("unit") == "user":
        count, what = sum(part["users"] for part in parts), "one-person client"
    else:
        count, what = len(parts), "client"
    if not count:
        return "Clients"
    return f"{'One' if count == 1 else f'{count:,}'} {what}{'s' if count != 1 else ''}"


def _rounds(run: Run) -> str:
    """Rounds that were done, and of how many where a run did not reach its end."""
    done = max((line["round"] for line in run.history), default=0)
    word = run.round_word
    told = f"{done:,} {word}{'s' if done != 1 else ''}"
    wanted = (run.config.get("federation") or {}).get("rounds")
    is_cut = run.status not in COMPLETE and isinstance(wanted, int) and done < wanted
    return f"{done:,} of {wanted:,} {word}s" if is_cut else told


def _standing(run: Run) -> str:
    """The test NDCG@10 beside popularity, local-only and centralised, as far as they are known."""
    metrics = run.metrics or {}
    own = number((metrics.get("test") or {}).get(MAIN))
    if own is None:
        return ""
    told = f"its test {metric_label(MAIN, run.protocol)} is {own:.4f}"
    beside = []
    for name in ("popularity", "local-only", "centralised"):
        part = (metrics.get("baselines") or {}).get(name) or {}
        other = number((part.get("test") or {}).get(MAIN))
        if other:
            beside.append(f"{_times(own, other)} {name} ({other:.4f})")
    if not beside:
        return told
    return f"{told}, {', '.join(beside[:-1])}{' and ' if beside[:-1] else ''}{beside[-1]}"


def _times(own: float, other: float) -> str:
    """How many times as much, or what part of it."""
    return f"{own / other:.1f} times" if own >= 1.05 * other else f"{100 * own / other:.0f} % of"
