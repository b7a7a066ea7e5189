"""Head of a run's page: its opening, banners, warnings and tiles."""

from fedrec.evaluation.client_figures import far_out_clients
from fedrec.evaluation.protocols import metric_label
from fedrec.report.excluded import excluded_replies, resumptions
from fedrec.report.figures import style
from fedrec.report.opening import opening
from fedrec.report.ranks import hidden
from fedrec.report.references import below_popularity
from fedrec.report.repeat import beside_command, missing_references
from fedrec.report.sections import described
from fedrec.report.tables import num_users
from fedrec.report.words import duration, moment, seconds_between
from fedrec.runs.record import COMPLETE, Record, Run, number
from fedrec.runs.sent import withheld

BANNERS = {
    "degraded": "The run reached its end, but some replies are missing.",
    "failed": "The run failed: its numbers are those of an unfinished training.",
    "interrupted": "The run was interrupted: its numbers are those of an unfinished training.",
    "running": "The run had not ended when this page was made.",
}


def head(run: Run) -> Record:
    """Title, banner, warnings and tiles of the page."""
    about, data = run.about, run.about.get("data") or {}
    reason = str(about.get("reason") or "")
    banner = BANNERS.get(run.status, "")
    excluded = len(excluded_replies(run))
    warnings = [str(note) for note in data.get("notes") or []]
    warnings += [f"{line}." for line in run.about.get("adapted") or []]
    warnings += resumptions(run)
    if line := withheld(about.get("sent") or {}):
        warnings.append(f"{line[:1].upper()}{line[1:]}.")
    if remark := below_popularity(run):
        warnings.append(remark)
    if run.no_model:
        warnings.append(f"{run.no_model[:1].upper()}{run.no_model[1:]}.")
    if run.torn_line:
        warnings.append("rounds.jsonl ended in half a line, which was ignored.")
    warnings += far_out_clients((run.metrics or {}).get("client_figures") or {})
    if excluded and run.status in ("done", "running"):
        warnings.append(f"Excluded replies: {excluded}; they are listed under Clients.")
    started, finished = moment(about.get("started")), moment(about.get("finished"))
    count = len(about.get("partitions") or [])
    parts = [
        str(data.get("name", "")),
        f"{count:,} partition{'s' if count > 1 else ''}" if count else "",
        f"seed {about['seed']}" if "seed" in about else "",
        f"{started} to {finished}" if started and finished else started,
    ]
    return {
        "name": run.name,
        "opening": opening(run),
        "missing": missing_references(run) if beside_command(run) else [],
        "beside": beside_command(run),
        "status": run.status,
        "subtitle": " · ".join(part for part in parts if part),
        "banner": f"{banner} {reason}".strip(),
        "warnings": warnings,
        "tiles": _tiles(run),
        "protocol": described(run, run.protocol),
        "scenario": hidden(run),
    }


def _tiles(run: Run) -> list[Record]:
    metrics, last = run.metrics or {}, run.history[-1] if run.history else {}
    tiles = []
    for name in style.METRICS:
        label, popular = metric_label(name, run.protocol), _baseline(run, "popularity", name)
        value, note = number((metrics.get("test") or {}).get(name)), ""
        if value is not None and popular:
            note = f"{value / popular:.1f} times popularity"
        if value is not None and (count := num_users(metrics.get("test") or {})):
            note = f"{note}; {count:,} users" if note else f"{count:,} users"
        if value is not None:
            tiles.append({"name": f"Test {label}", "value": f"{value:.4f}", "note": note})
    done = max((r["round"] for r in run.history), default=0)
    kept = f"weights of round {run.best_round}" if run.best_round is not None else ""
    kept += "; early stopping" if kept and _stopped_early(run, done) else ""
    tiles.append({"name": "Rounds", "value": f"{done:,}", "note": kept})
    passes = last.get("passes")
    notes = [f"data passes: {passes:,.3g}"] if passes else []
    megabytes = last.get("megabytes", 0)
    whole = f"{megabytes:,.1f} MB" if megabytes < 1e4 else f"{megabytes / 1e3:,.1f} GB"
    of_one = last.get("client_megabytes")
    if of_one:
        notes.append(f"{whole} in all")
        whole = f"{of_one:,.3g} MB"
    name = "Training traffic a client" if of_one else "Training traffic"
    tiles.append({"name": name, "value": whole, "note": "; ".join(notes)})
    tiles.append(_time(run))
    return tiles


def _time(run: Run) -> Record:
    """Time from start to end, with that of the rounds beside it; of the rounds alone, if need be.

    Preparation and the evaluations before and after training belong to no round.
    """
    last = run.history[-1] if run.history else {}
    in_rounds = run.about.get("seconds") or last.get("elapsed") or 0
    whole = seconds_between(run.about.get("started"), run.about.get("finished"))
    machine = run.about.get("machine") or {}
    notes = [f"{machine['cores']} cores"] if "cores" in machine else []
    if whole is None or whole < in_rounds - 1:  # not over yet, or a clock that was set back
        return {"name": "Time in rounds", "value": duration(in_rounds), "note": "; ".join(notes)}
    notes.insert(0, f"{duration(in_rounds)} in rounds")
    if resumptions(run):
        notes.append("interruptions included")
    return {"name": "Time", "value": duration(max(whole, in_rounds)), "note": "; ".join(notes)}


def _stopped_early(run: Run, done: int) -> bool:
    """Whether a complete run ended before its last round for want of improvement."""
    plan = run.config.get("federation") or {}
    return run.status in COMPLETE and bool(plan.get("patience")) and done < plan.get("rounds", 0)


def _baseline(run: Run, baseline: str, metric: str) -> float | None:
    parts = ((run.metrics or {}).get("baselines") or {}).get(baseline) or {}
    return number((parts.get("test") or {}).get(metric))
