"""What a text is searched by: its telling words and the paths that it names."""

from __future__ import annotations

import pytest

from failures.words import paths_in, search_words


def test_words_are_telling_different_and_the_first_ones_first():
    texts = ["ERROR: Cannot find module 'react-dom/client'", "npm run build", "Module TS2307 42"]

    assert search_words(texts, most=20) == [
        "module",
        "react",
        "dom",
        "client",
        "npm",
        "build",
        "ts2307",
    ]
    assert search_words(texts, most=2) == ["module", "react"]


def test_a_name_in_camel_case_is_found_by_its_parts_too():
    assert set(search_words(["handleClick"], most=9)) == {"handleclick", "handle", "click"}


@pytest.mark.parametrize("text", ["'; DROP TABLE x --", "a:* & !b | (c", "\x00'\\'", "' | 'x"])
def test_no_word_holds_anything_but_letters_and_digits(text):
    assert all(word.isalnum() for word in search_words([text], most=50))


def test_long_texts_are_read_to_a_limit():
    assert search_words(["x" * 9_000 + " telling"], most=5) == []
    assert len(search_words([" ".join(f"word{n}" for n in range(9_000))], most=40)) == 40


def test_paths_are_words_with_a_slash_or_an_ending():
    text = "Fix src/app/main.py, `web/*.ts`, README.md and (see https://x.example/a.py) --flag /"

    assert paths_in(text, most=9) == ["src/app/main.py", "web/*.ts", "README.md"]
    assert paths_in("a/1 a/2 a/3", most=2) == ["a/1", "a/2"]
