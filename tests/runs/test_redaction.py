"""Secrets stay out of what a run shows."""

import pytest

from fedrec.runs.redaction import (
    hide_secrets,
    hide_secrets_in_text,
    mark_secrets,
    secret_texts,
)


def test_values_of_secret_keys_are_hidden_at_any_depth():
    config = {
        "llm": {"api-key": "k1", "url": "http://x"},
        "wandb_token": 7,
        "db": [{"PASSWORD": "p"}],
    }
    assert hide_secrets(config) == {
        "llm": {"api-key": "(hidden)", "url": "http://x"},
        "wandb_token": "(hidden)",
        "db": [{"PASSWORD": "(hidden)"}],
    }


def test_ordinary_keys_and_empty_secrets_stay():
    config = {"max-tokens": 12, "keyword": "x", "api-key": ""}
    assert hide_secrets(config) == config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("run --set llm.api-key=abc --seed 7", "run --set llm.api-key=(hidden) --seed 7"),
        ("run --token 'a b' x", "run --token (hidden) x"),
        ('{"client_secret": "a", "mu": 1}', '{"client_secret": (hidden), "mu": 1}'),
        (r'api-key = "a\"b", mu = 1', "api-key = (hidden), mu = 1"),
        ('keys = 1, key = ["a", "b"], mu = 1', "keys = 1, key = (hidden), mu = 1"),
        ("key = '''a 'b' c''', mu = 1", "key = (hidden), mu = 1"),
        ("https://me:pw@host/x.zip", "https://(hidden)@host/x.zip"),
        ("unknown key: local.epoch", "unknown key: local.epoch"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_in_text(text, expected):
    assert hide_secrets_in_text(text, {}) == expected


def test_a_secret_of_the_config_is_hidden_wherever_it_appears():
    config = {"llm": {"api-key": "s3cr3tvalue"}}
    assert hide_secrets_in_text("401 for s3cr3tvalue", config) == "401 for (hidden)"


def test_a_marked_config_tells_two_secrets_apart_and_neither_of_them():
    one, same, other = (
        mark_secrets({"options": f'api-key = "{secret}", mu = 1', "seed": 7})
        for secret in ("s3cr3tvalue", "s3cr3tvalue", "an0therone")
    )
    assert one == same
    assert one["options"] != other["options"]
    assert one["options"].startswith("api-key = (hidden), mu = 1 #")
    assert one["seed"] == 7


def test_the_texts_under_secret_keys_are_found_at_any_depth():
    options = {
        "mu": 1,
        "name": "x",
        "key": "a",
        "llm": {"tokens": "b", "token": ["c", {"of": "d"}]},
    }
    assert secret_texts(options) == {"key": "a", "llm/token/0": "c", "llm/token/1/of": "d"}
