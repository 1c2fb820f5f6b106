"""WordNet files are read as specified, and uncertain senses are excluded."""

from pathlib import Path

import pytest

from leaven.datasets.catalog import Catalog
from leaven.transforms.text import Synonyms, wordnet

LICENCE = "  1 this is the licence, indented as in the real files\n"
ADJECTIVES = """00000001 00 s 03 stool 0 bold(p) 1 daring 0 000 | willing to take risks
00000002 00 a 02 fearful 0 bold 0 000 | a rare sense of bold
00000003 00 s 02 all_right 0 fine 0 000 | one single word
"""
NOUNS = "00000001 04 n 02 stool 0 faeces 0 000 | solid waste\n00000002 06 n 02 stool 0 seat 0 000 | a simple seat\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A WordNet of five synsets; only some uses were counted."""
    place = tmp_path / "wordnet"
    place.mkdir()
    (place / "data.adj").write_text(LICENCE + ADJECTIVES)
    (place / "index.adj").write_text(
        LICENCE
        + "bold a 2 0 2 1 00000001 00000002\ndaring a 1 0 1 0 00000001\nfearful a 1 0 1 0 00000002\n"
        + "stool a 1 0 1 0 00000001\nfine a 1 0 1 0 00000003\nall_right a 1 0 1 0 00000003\n"
    )
    (place / "data.noun").write_text(LICENCE + NOUNS)
    (place / "index.noun").write_text(
        LICENCE + "stool n 2 0 2 2 00000002 00000001\nfaeces n 1 0 1 0 00000001\nseat n 1 0 1 0 00000002\n"
    )
    (place / "cntlist.rev").write_text("bold%5:00:00:x:00 1 9\nbold%3:00:00:: 2 1\nstool%1:06:00:: 1 3\n")
    for name in ("data.verb", "index.verb", "data.adv", "index.adv"):
        (place / name).write_text(LICENCE)
    monkeypatch.setenv("LEAVEN_WORDNET", str(place))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return place


def test_ranks_and_shares_are_those_of_the_less_certain_word(files: Path) -> None:
    table = wordnet.compile_wordnet(files)
    pairs = {
        (table.words[one], table.words[two]): (wordnet.PARTS_OF_SPEECH[part], int(sense), round(float(share), 2))
        for one, two, part, sense, share in zip(
            table.word_index, table.synonym_index, table.part_of_speech, table.sense, table.share, strict=True
        )
    }
    assert pairs[("daring", "bold")] == pairs[("bold", "daring")] == ("adjective", 1, 0.9)
    assert pairs[("bold", "fearful")] == ("adjective", 2, 0.1)
    assert pairs[("stool", "seat")] == ("noun", 1, 1.0)
    assert pairs[("stool", "faeces")] == ("noun", 2, 0.0)
    assert not any("right" in word for pair in pairs for word in pair)


def test_default_filters_keep_the_first_certain_sense(files: Path) -> None:
    catalog = Catalog(["a", "b", "c"], {"title": ["bold daring fearful faeces seat"] * 3})
    found = Synonyms(sources=("wordnet",)).build_thesaurus(catalog)
    assert found == {"bold": ("daring",), "daring": ("bold",)}
    loose = Synonyms(sources=("wordnet",), max_sense=3, min_share=0.0, parts_of_speech=("noun",)).build_thesaurus(
        catalog
    )
    assert loose["stool"] == ("seat",)  # "faeces" is blocked


def test_the_cached_table_equals_the_compiled_table(files: Path) -> None:
    first, again = wordnet.load_wordnet(files), wordnet.load_wordnet(files)
    assert first.words == again.words
    assert (first.word_index == again.word_index).all()
    assert (first.share == again.share).all()


def test_a_broken_cache_is_compiled_again(files: Path) -> None:
    first = wordnet.load_wordnet(files)
    (cached,) = wordnet._find_cache_folder().glob("*.npz")
    cached.write_bytes(b"PK\x03\x04 broken")
    assert wordnet.load_wordnet(files).words == first.words


def test_without_wordnet_files_other_sources_work(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LEAVEN_WORDNET", str(tmp_path))
    assert wordnet.find_wordnet_folder() is None
    assert Synonyms().build_thesaurus(Catalog(ids=[]))["gentle"] == ("mild",)


def test_installed_wordnet_files_are_read() -> None:
    place = wordnet.find_wordnet_folder()
    if place is None:
        pytest.skip("WordNet's files are not on this machine: Debian's wordnet-base has them")
    found = wordnet.load_wordnet(place).build_synonyms(1, 0.9, ("adjective",))
    assert "wily" in found["crafty"]
    assert "negro" not in found.get("black", ())
