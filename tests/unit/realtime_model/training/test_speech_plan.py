from dataclasses import replace
from pathlib import Path

import pytest

from realtime_model.errors import ConfigError
from realtime_model.training.speech import sentences
from realtime_model.training.speech.config import CorpusConfig, SourceConfig, load_config
from realtime_model.training.speech.plan import mixture, plan_corpus

RECIPE = Path(__file__).parents[4] / "configs" / "corpus.yaml"


def recorded_texts(engine: str, language: str) -> list[str]:
    return [f"{engine} in {language} {number}" for number in range(9)]


@pytest.fixture(scope="module")
def config() -> CorpusConfig:
    return load_config(RECIPE)


def test_the_shipped_recipe_trains_many_voices_and_holds_some_out(config: CorpusConfig) -> None:
    plans = plan_corpus(config, recorded_texts)
    trained = {(p.engine, one) for p in plans if p.split == "train" for one in mixture(p.voice)}
    held_out = {(p.engine, p.voice) for p in plans if p.split == "heldout"}
    assert len(trained) >= 16
    assert len(held_out) >= 4
    assert not trained & held_out


def test_held_out_sentences_and_languages_are_never_trained(config: CorpusConfig) -> None:
    plans = plan_corpus(config, recorded_texts)
    shared = set(sentences.written("short"))
    trained = {t for p in plans if p.split == "train" for t in p.texts} - shared
    held_out = {t for p in plans if p.split == "heldout" for t in p.texts} - shared
    assert held_out
    assert not trained & held_out
    assert not {"it", "ja"} & {p.language for p in plans if p.split == "train"}


def test_the_same_recipe_gives_the_same_corpus(config: CorpusConfig) -> None:
    assert plan_corpus(config, recorded_texts) == plan_corpus(config, recorded_texts)
    other = plan_corpus(replace(config, seed=config.seed + 1), recorded_texts)
    assert other != plan_corpus(config, recorded_texts)


def test_a_larger_corpus_begins_with_the_smaller_one(config: CorpusConfig) -> None:
    few = replace(config, sources=(replace(config.sources[0], clips=5),))
    many = replace(config, sources=(replace(config.sources[0], clips=50),))
    assert plan_corpus(many, recorded_texts)[:5] == plan_corpus(few, recorded_texts)


def test_every_text_has_a_pause_before_it_and_one_at_the_end(config: CorpusConfig) -> None:
    plans = plan_corpus(config, recorded_texts)
    assert all(len(plan.pauses_s) == len(plan.texts) + 1 for plan in plans)
    paused = [pause for plan in plans for pause in plan.pauses_s if pause]
    assert config.pause_s[0] <= min(paused) <= max(paused) <= config.pause_s[1]


def test_a_voice_listed_twice_is_refused(config: CorpusConfig) -> None:
    source = SourceConfig("hibari", "en-us", ("heart",), "train", 3)
    with pytest.raises(ConfigError, match="listed twice"):
        plan_corpus(replace(config, sources=(source, source)), recorded_texts)


def test_a_source_without_sentences_is_refused(config: CorpusConfig) -> None:
    source = SourceConfig("prompts", "ru", ("maxim",), "heldout", 3)
    with pytest.raises(ConfigError, match="no heldout sentences in ru"):
        plan_corpus(replace(config, sources=(source,)), lambda engine, language: [])


def test_a_typo_in_the_recipe_names_its_key(tmp_path: Path) -> None:
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text(RECIPE.read_text(encoding="utf-8").replace("pause_share:", "pause_shard:"))
    with pytest.raises(ConfigError, match="pause_shard: unknown key"):
        load_config(recipe)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"engine": "parrot"}, "parrot"),
        ({"split": "test"}, "neither train nor heldout"),
        ({"clips": 0}, "must not be empty"),
        ({"mixed": True}, "needs two voices of kokoro"),
    ],
)
def test_an_impossible_source_is_refused(wrong: dict[str, object], sentence: str) -> None:
    source = SourceConfig("hibari", "en-us", ("heart",), "train", 3)
    with pytest.raises(ConfigError, match=sentence):
        replace(source, **wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["speech: [", "speech:", "other: 1", "3"])
def test_a_file_that_is_no_recipe_is_refused(tmp_path: Path, text: str) -> None:
    recipe = tmp_path / "corpus.yaml"
    recipe.write_text(text)
    with pytest.raises(ConfigError, match=r"corpus\.yaml"):
        load_config(recipe)


def test_a_missing_recipe_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: No such file"):
        load_config(tmp_path / "nowhere.yaml")


def test_made_sentences_differ_from_each_other_and_repeat_with_the_seed() -> None:
    made = sentences.made(100, seed=1)
    assert len(set(made)) == 100
    assert made == sentences.made(100, seed=1)
    assert 4 <= sum(map(sentences.is_held_out, made)) <= 25


def test_songs_are_planned_beside_speech_and_leave_it_as_it_was(config: CorpusConfig) -> None:
    spoken = SourceConfig("kokoro", "en-us", ("am_eric",), "heldout", 4)
    alone = plan_corpus(replace(config, sources=(spoken,)), recorded_texts)
    both = plan_corpus(
        replace(config, sources=(spoken, replace(spoken, style="sung"))), recorded_texts
    )
    assert both[:4] == alone
    songs = both[4:]
    assert {song.style for song in songs} == {"sung"}
    assert all("-sung-heldout-" in song.name and len(song.texts) == 1 for song in songs)
    assert len({song.seed for song in songs}) == 4


def test_lines_written_for_held_out_voices_are_said_by_them_alone(config: CorpusConfig) -> None:
    plans = plan_corpus(config, recorded_texts)
    apart = set(sentences.only_held_out("pt"))
    said: dict[str, set[str]] = {"train": set(), "heldout": set()}
    for plan in plans:
        said[plan.split] |= set(plan.texts)
    assert len(apart & said["heldout"]) >= 4
    assert not apart & said["train"]
    assert sentences.only_held_out("en") == []


def test_at_least_seven_languages_and_singing_are_held_out(config: CorpusConfig) -> None:
    held_out = [p for p in plan_corpus(config, recorded_texts) if p.split == "heldout"]
    assert {p.language.split("-")[0] for p in held_out} >= {
        "en",
        "it",
        "es",
        "fr",
        "ru",
        "pt",
        "hi",
    }
    assert sum(p.style == "sung" for p in held_out) >= 8


def test_mixed_voices_are_all_different_and_lie_between_two_of_the_list(
    config: CorpusConfig,
) -> None:
    voices = ("am_adam", "af_sky", "ff_siwis")
    source = SourceConfig("kokoro", "en-us", voices, "train", 20, mixed=True)
    plans = plan_corpus(replace(config, sources=(source,)), recorded_texts)
    mixtures = [mixture(plan.voice) for plan in plans]
    assert len({plan.name for plan in plans}) == 20
    assert len({plan.voice for plan in plans}) > 10
    for shares in mixtures:
        assert len(shares) == 2
        assert set(shares) <= set(voices)
        assert sum(shares.values()) == pytest.approx(1)
        assert min(shares.values()) >= 0.2


def test_a_voice_of_its_own_is_no_mixture() -> None:
    assert mixture("af_sky") == {"af_sky": 1.0}
