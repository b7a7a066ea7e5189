"""`fedrec sweep`: runs are made once, what fails stops nobody, what falls behind is stopped."""

import pytest

from experiments.sweep.compared import compare_sweep
from fedrec.errors import ConfigError
from fedrec.runs.record import read_json
from fedrec.runs.write import write_about

NOBODY = "federation.drop-out=0.0,0.99"  # of the second, no client ever answers


def test_runs_are_made_once_and_what_fails_stops_nobody(swept, plain_page):
    prepared, left, made, _ = swept(NOBODY)
    good, bad = "drop-out-0.0-seed{}", "drop-out-0.99-seed{}"
    assert made == [good.format(0), bad.format(0)]
    assert set(left.failed) == {bad.format(0)}
    assert "\n" not in left.failed[bad.format(0)]
    assert read_json(prepared.out / "sweep.json")["failed"] == left.failed
    # Again: what is complete is not touched; what failed may not any more. Another seed is added.
    before = (prepared.out / good.format(0) / "run.json").stat().st_mtime_ns
    prepared, left, made, _ = swept(NOBODY, seeds=2)
    assert made == [bad.format(0), good.format(1), bad.format(1)]
    assert set(left.failed) == {bad.format(0), bad.format(1)}
    assert (prepared.out / good.format(0) / "run.json").stat().st_mtime_ns == before
    [compared] = compare_sweep(prepared.plan, prepared.out)
    assert compared.page == prepared.out / "compare.html"
    [group] = compared.comparison.groups
    assert (group.label, list(group.runs)) == ("federation.drop-out=0.0", [0, 1])


def test_a_folder_with_something_else_in_it_is_not_used(swept, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("")
    with pytest.raises(ConfigError, match=r"out is not empty and holds no sweep .*--out"):
        swept("local.epochs=1,2")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_a_sweep_of_other_settings_or_other_code_is_not_gone_on_with(swept, preset):
    prepared, _, _, _ = swept("federation.drop-out=0.0")
    with pytest.raises(ConfigError, match=rf"holds the sweep of {preset} with local\.epochs = 1"):
        swept("federation.drop-out=0.0", sets=["local.epochs=2"])
    about = read_json(prepared.out / "drop-out-0.0-seed0" / "run.json")
    write_about(prepared.out / "drop-out-0.0-seed0" / "run.json", about | {"code": "other"})
    with pytest.raises(ConfigError, match="holds a run of another config or other code"):
        swept("federation.drop-out=0.0")


def test_what_falls_behind_is_stopped_and_the_others_are_as_without(swept, run_once, small_config):
    pytest.importorskip("optuna")
    rates = "local.learning-rate=0.00001,0.01"
    prepared, left, made, told = swept(rates, prune="median", prune_at=[1])
    slow, fast = (prepared.out / f"learning-rate-{rate}-seed0" for rate in ("1e-05", "0.01"))
    assert left.pruned == {"local.learning-rate=1e-05": 1}
    assert told[0].startswith("local.learning-rate=1e-05: stopped after round 1 by the sweep")
    assert made == [slow.name, fast.name, fast.name]  # to the rung, and what is left to the end
    about = read_json(slow / "run.json")
    assert (about["status"], about["reason"][:20]) == ("interrupted", "stopped after round ")
    assert read_json(fast / "run.json")["resumed"][0]["after"] == 1
    whole = run_once(small_config({"local.learning-rate": 0.01}))
    for name in ("model.safetensors", "ranks.npz"):
        assert (fast / name).read_bytes() == (whole / name).read_bytes()
    # The same call makes nothing, and stops the same; without pruning, all are gone on with.
    assert swept(rates, prune="median", prune_at=[1])[1:3] == (left, [])
    assert swept(rates)[2] == [slow.name]
