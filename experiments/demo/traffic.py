"""What left the devices of a run, in arrays and bytes, and what stayed on them."""

from typing import Any

from experiments.recommend.opened import Opened
from fedrec.config.values.choices import names_in
from fedrec.models.parameters import groups_of
from fedrec.runs.sent import told, withheld


def sent_and_kept(opened: Opened) -> dict[str, Any]:
    """Arrays by name, shape and bytes: "left" with every update, "private", "frozen"; and totals.

    Bytes of arrays are those of float32; the totals are what the run has counted on the wire.
    """
    model = opened.shared.search.model
    groups = groups_of(model, names_in(opened.shared.config.model.private))
    tensors = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    answer: dict[str, Any] = {
        part: [
            {"name": name, "shape": list(tensors[name].shape), "bytes": 4 * tensors[name].numel()}
            for name in names
        ]
        for part, names in (
            ("left", groups.shared),
            ("private", groups.private),
            ("frozen", groups.frozen),
        )
    }
    run = opened.run
    if run is None:
        return answer | {"run": None}
    data = run.about.get("data", {})
    sent = run.about.get("sent") or {}
    trained = [line for line in run.history if line["round"] > 0]
    answer["run"] = {
        "rounds": len(trained),
        "clients": len(run.about.get("partitions") or ()),
        "users": data.get("users"),
        "events": data.get("events"),
        "bytes_up": sum(line.get("bytes_up", 0) for line in trained),
        "bytes_down": sum(line.get("bytes_down", 0) for line in trained),
        "client_megabytes": trained[-1].get("client_megabytes") if trained else None,
        "upload": opened.shared.config.federation.upload,
        "told": [line for line in (told(sent), withheld(sent) if sent else "") if line],
    }
    return answer
