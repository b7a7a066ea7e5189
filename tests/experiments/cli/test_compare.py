"""`fedrec compare`: one table, one page, one line for what cannot be compared."""

from tests.experiments.cli.conftest import refused


def test_two_configs_are_compared_and_a_page_is_written(fedrec, run_once, small_config, tmp_path):
    one = run_once(small_config())
    other = run_once(small_config({"strategy.name": "fedadam"}))
    result = fedrec("compare", one, other, "--metric", "NDCG@10", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for words in ("strategy.name=fedadam", "Holm", "two sets of weights differ"):
        assert words in " ".join(result.output.split())
    assert "better" not in result.output
    assert result.output.splitlines()[-1] == f"page: {tmp_path / 'out' / 'compare.html'}"
    assert (tmp_path / "out" / "compare.html").exists()


def test_what_cannot_be_paired_is_one_line(fedrec, run_once, small_config):
    one = run_once(small_config())
    other = run_once(small_config({"evaluation.protocol": "candidates-20"}))
    refused(
        fedrec("compare", one, other), 2, "another evaluation.protocol", "candidates-20",
        "expected full", "--unpaired",
    )  # fmt: skip
    assert fedrec("compare", one, other, "--unpaired").exit_code == 0
    refused(fedrec("compare", one, one), 2, "leave one of them out")
    refused(fedrec("compare", one, other, "--against", "sgd"), 2, "--against sgd names no group")
    refused(fedrec("compare", one, "--metric", "HR"), 2, "--metric HR is none", "HR@10")
    refused(fedrec("compare", "no-such-run"), 4, "run.json is missing")


def test_a_folder_that_cannot_be_made_is_one_line(fedrec, run_once, small_config, tmp_path):
    (tmp_path / "file").write_text("")
    one = run_once(small_config())
    refused(fedrec("compare", one, "--out", tmp_path / "file" / "out"), 5, "cannot be made")
