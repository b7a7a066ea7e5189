import numpy as np
import pytest

from fedrec.data.preparation.store import open_dataset, prepare
from fedrec.data.splits import training_counts
from fedrec.data.synthetic.generator import generate
from fedrec.data.synthetic.themes import THEMES
from fedrec.data.synthetic.world import OWN_TASTE, SyntheticSpec, make_world, read_spec
from fedrec.errors import ConfigError


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return open_dataset(prepare("synthetic", home=tmp_path_factory.mktemp("home"), seed=1))


def ndcg_at_10(ranks):
    return np.where(ranks <= 10, 1 / np.log2(1 + ranks), 0).mean()


def test_the_same_seed_gives_the_same_events_and_another_seed_others():
    spec = SyntheticSpec(users=30)
    first, again, other = (generate(spec, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.items, again.items)
    np.testing.assert_array_equal(first.times, again.times)
    assert first.catalog == again.catalog
    assert first.attributes == again.attributes
    assert first.items.tolist() != other.items.tolist()


def test_the_numbers_of_a_seed_never_change_in_silence():
    # When this fails on purpose, raise VERSION: prepared data must be made anew.
    data = generate(SyntheticSpec(users=10, items=60), seed=7)
    assert data.items[:6].tolist() == [3, 4, 0, 23, 24, 20]
    assert data.catalog.titles[0] == "Orbital Station and Space Dock"


def test_moves_and_tastes_are_probabilities():
    world = make_world(SyntheticSpec(users=20), seed=3)
    np.testing.assert_allclose(world.moves.sum(axis=1), 1 - OWN_TASTE)
    users = np.arange(20)
    np.testing.assert_allclose(world.probabilities(users, users).sum(axis=1), 1)
    assert ((world.tastes > 0).sum(axis=1) <= 3).all()


def test_most_moves_go_to_the_next_topic_of_the_same_theme():
    world = make_world(SyntheticSpec(users=10), seed=3)
    item = int(np.argmax(world.topics == 4))  # the last topic of the first theme
    assert world.moves[item][world.topics == 0].sum() > 0.65
    item = int(np.argmax(world.topics == 5))
    assert world.moves[item][world.topics == 6].sum() > 0.65


def test_events_follow_the_true_probabilities():
    # Second way: count how often a next item lies in the following topic of its theme.
    data = generate(SyntheticSpec(users=400), seed=5)
    topics = make_world(SyntheticSpec(users=400), seed=5).topics
    same_user = data.users[1:] == data.users[:-1]
    before, after = topics[data.items[:-1]][same_user], topics[data.items[1:]][same_user]
    following = np.where(before % 5 == 4, before - 4, before + 1)
    assert 0.6 < np.mean(after == following) < 0.8


def test_no_item_comes_twice_and_times_rise(dataset):
    for user in range(dataset.sequences.num_users):
        items = dataset.sequences.of(user)
        assert len(set(items.tolist())) == len(items)
    data = generate(SyntheticSpec(users=20), seed=1)
    same_user = data.users[1:] == data.users[:-1]
    assert (np.diff(data.times)[same_user] > 0).all()


def test_the_default_has_a_thousand_users_and_a_long_tail(dataset):
    assert dataset.manifest["users"] == 1000
    assert 260 <= dataset.manifest["items"] <= 300
    counts = np.sort(training_counts(dataset.sequences, dataset.catalog.num_items)[1:])
    assert counts[: len(counts) // 4].max() <= 12
    assert counts[-(len(counts) // 10) :].min() >= 40


def test_titles_are_unique_also_when_there_are_many():
    for items in (60, 300, 2000):
        titles = make_world(SyntheticSpec(users=10, items=items), seed=0).titles
        assert len(set(titles)) == items
    assert len({topic for theme in THEMES for topic in theme.topics}) == 60


def test_genres_tell_only_a_part_of_the_theme():
    data = generate(SyntheticSpec(users=10), seed=1)
    world = make_world(SyntheticSpec(users=10), seed=1)
    own = [THEMES[theme].genre for theme in world.themes]
    right = np.mean([genre in names for genre, names in zip(own, data.catalog.genres, strict=True)])
    assert 0.75 < right < 0.95
    assert len({theme.genre for theme in THEMES}) < len(THEMES)


def test_every_user_has_all_four_attributes(dataset):
    assert set(dataset.attributes) == {"gender", "age", "occupation", "zip"}
    assert set(dataset.attributes["zip"]) == set("0123456789")


def test_sizes_are_read_from_the_source():
    assert read_spec("synthetic") == SyntheticSpec(users=1000, items=300)
    assert read_spec("synthetic:users=20, items=60") == SyntheticSpec(users=20, items=60)


@pytest.mark.parametrize("source", ["synthetic:user=5", "synthetic:users=x", "synthetic:users=1.5"])
def test_a_size_that_is_none_is_refused(source):
    with pytest.raises(ConfigError, match="is not one of users=NUMBER, items=NUMBER"):
        read_spec(source)


@pytest.mark.parametrize("source", ["synthetic:users=2", "synthetic:items=5"])
def test_a_size_out_of_range_is_refused(source):
    with pytest.raises(ConfigError, match="must lie in"):
        read_spec(source)
