"""The same mistake has one fingerprint, two mistakes have two, whatever text a tool prints."""

import csv
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import astuple
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.grouping_score import score
from failures import fingerprint as module
from failures.fingerprint import FINGERPRINT_VERSION, Grouping, fingerprint, grouping
from failures.significant import HEAD, LONGEST_LINE, TAIL, significant_line

# Own wording: each block is one mistake as its tool would print it at different places.
CORPUS = Path(__file__).with_name("same_mistakes.txt")


def _corpus(file: Path = CORPUS) -> list[tuple[str, list[str]]]:
    blocks = file.read_text(encoding="utf-8").strip().split("\n\n")
    parsed = []
    for block in blocks:
        error_type, *messages = block.splitlines()
        parsed.append((error_type, [m.replace("⏎", "\n") for m in messages]))
    return parsed


@pytest.mark.parametrize(("error_type", "messages"), _corpus(), ids=lambda part: str(part[0])[:60])
def test_one_mistake_printed_at_different_places_is_one_group(error_type, messages):
    found = {fingerprint(error_type, message): message for message in messages}

    assert len(found) == 1, found


def test_different_mistakes_are_never_one_group():
    owners = defaultdict(set)
    for number, (error_type, messages) in enumerate(_corpus()):
        for message in messages:
            owners[fingerprint(error_type, message)].add((number, message))

    mixed = [members for members in owners.values() if len({number for number, _ in members}) > 1]
    assert mixed == []


@pytest.mark.parametrize(
    ("message", "tool_code", "error_class"),
    [
        ("src/a.ts(3,4): error TS2322: Type 'A' is not assignable to type 'B'.", "TS2322", ""),
        ("app/a.py:3:1: F401 `os` imported but unused", "F401", ""),
        ("error[E0308]: mismatched types\n --> src/main.rs:4:18", "E0308", ""),
        ("a.py:1:0: C0114: Missing module docstring (missing-module-docstring)", "C0114", ""),
        ("lib/a.js:3:4: 'x' is never used.  no-unused-vars", "no-unused-vars", ""),
        ("/app/a.js\n  3:4  error  'x' is never used  no-unused-vars", "no-unused-vars", ""),
        ('a.py:3: error: "A" has no attribute "b"  [attr-defined]', "attr-defined", ""),
        ("a.rs:2:9: warning: unneeded thing [clippy::needless]", "clippy::needless", ""),
        (
            "warning: unneeded thing\n --> a.rs:3:5\n = help: visit"
            " https://rust-lang.github.io/rust-clippy/master/index.html#needless",
            "clippy::needless",
            "",
        ),
        ("a.c:3:5: warning: unused variable 'y' [-Wunused-variable]", "-Wunused-variable", ""),
        ("CS0103: The name 'x' does not exist here", "CS0103", ""),
        ("a.py:3:7: error[bad-call] Too many arguments", "bad-call", ""),
        ("a.js:3:7: ES2015 'Set' is forbidden.  es/no-set", "es/no-set", ""),
        ("npm ERR! code ERESOLVE\nnpm ERR! could not resolve", "ERESOLVE", ""),
        ("Error: ENOENT: no such file or directory, open '/x'", "ENOENT", ""),
        ("ModuleNotFoundError: No module named 'x'", "", "ModuleNotFoundError"),
        ("psycopg.errors.UndefinedTable: relation does not exist", "", "UndefinedTable"),
        ("wave.Error: bad width", "", "wave.Error"),
        ("Connection reset by peer", "", ""),
        ("Listening on UTF8 port 80", "", ""),
        ("", "", ""),
    ],
)
def test_tool_code_and_class_are_found_where_tools_print_them(message, tool_code, error_class):
    found = grouping("build", message)

    assert (found.tool_code, found.error_class) == (tool_code, error_class)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (
            "Traceback (most recent call last):\n  File 'a'\nKeyError: 'a'\n\nDuring handling of"
            " the above exception, another exception occurred:\n\nTraceback (most recent call"
            " last):\nRuntimeError: no configuration",
            "KeyError: 'a'",
        ),
        (
            'Exception in thread "main" java.lang.RuntimeException: x\n\tat A.b(A.java:1)\n'
            "Caused by: java.io.IOException: y\n\tat C\nCaused by: java.net.ConnectException: z",
            "java.net.ConnectException: z",
        ),
        (
            "/app/x.js:1\n  f()\n  ^\n\nReferenceError: f is gone\n    at /app/x.js:1",
            "ReferenceError: f is gone",
        ),
        ("collected 3 items\n>   f()\nE   ValueError: bad\na.py:3: ValueError", "ValueError: bad"),
        (
            "Compiling a\nCompiling b\nsrc/a.c:3:1: error: no such thing\nmake: stop",
            "src/a.c:3:1: error: no such thing",
        ),
        (
            "  \u25cf Cart adds\n\n    expect(received).toBe(expected)",
            "expect(received).toBe(expected)",
        ),
        (
            "thread 'main' panicked at src/a.rs:4:5:\nindex out of bounds",
            "thread 'main' panicked at src/a.rs:4:5: index out of bounds",
        ),
        ('{"code": 7, "detail": "Rate limit exceeded"}', "Rate limit exceeded"),
        ("\n\n  only line \n", "only line"),
    ],
)
def test_the_line_that_says_what_went_wrong_is_chosen(message, line):
    assert significant_line(message) == line


def test_error_types_are_kept_apart():
    assert fingerprint("build", "no space left") != fingerprint("test", "no space left")


def test_a_family_joins_the_groups_of_one_class_and_is_empty_without_code_or_class():
    one = grouping("test", "ValueError: month must be in 1..12")
    two = grouping("test", "ValueError: unknown year")

    assert one.fingerprint != two.fingerprint
    assert one.family == two.family != ""
    assert grouping("test", "something broke").family == ""


@pytest.mark.parametrize(
    ("message", "template"),
    [
        ("Cannot open '/etc/passwd' for bob@example.com", "Cannot open <str> for <email>"),
        ("GET https://h.example/a?t=1 took 35 ms", "GET <url> took <n> ms"),
        ("job 6fa459ea-ee8a-3ca4-894e-db77e160355e died", "job <id> died"),
        ("lost /var/run/x.sock at 10.0.0.7:5432", "lost <path> at <name>"),
        ("commit 3f2c1ab9e7d0 is gone", "commit <n> is gone"),
        ("HTTP 404 Not Found", "HTTP 404 Not Found"),
        ("Took Session@1f3c from [a, b]", "Took <obj> from <str>"),
        ("brightnessIn =38 of MAX_LIGHT", "brightnessIn =<n> of MAX_LIGHT"),
        ('level=info msg="Sold \\"tea\\"" to=ann', "Sold <str> to=<str>"),
        ('Failed with 400 {"detail": "No such cart"}', "Failed with <n> No such cart"),
        ("Process exited with code 137", "Process exited with code 137"),
    ],
)
def test_a_template_shows_placeholders_for_values_and_keeps_the_number_that_is_the_error(
    message, template
):
    assert grouping("other", message).template == template


VALUES = (
    *("7", "-1", "0x1f", "99.5", "3f2c1ab9e7d04c21", "6fa459ea-ee8a-3ca4-894e-db77e160355e"),
    *("/srv/a/b.log", "C:\\mail\\in.txt", "10.0.0.7", "10.0.0.7:5432", "fe80::1%eth0"),
    *("https://h.example/a?b=1", "bob@example.com", "db-7.dc1.example.com", "mail_queue"),
    *("orderTable", "OrderTable", "shop.mail.Sender", "'a b'", '"x"', "`f(x)`", "<Cart 7>"),
    *("Cart@1f3c9a", "Cart(id=7, name=a)", "Cart{id=7, open=true}", "[]", "[a, b]", "[1, 2, 3]"),
    *("{a=1, b=2}", "{}", "2024-01-02T03:04:05.123Z", "worker[77]"),
)


@pytest.mark.parametrize(
    "line",
    [
        "Could not hand over {} before the shop closed",
        "The yard lost {} when it rained",
        "Gave up on {} since nobody was there",
        "Parcels went astray since noon, last seen was {}",
    ],
)
def test_whatever_form_a_value_in_a_servers_line_has_the_mistake_is_the_same(line):
    found = {fingerprint("other", line.format(value)): value for value in VALUES}

    assert len(found) == 1, found


@pytest.mark.parametrize("code", ["401", "404", "429", "500"])
def test_http_statuses_and_exit_codes_are_different_mistakes(code):
    assert fingerprint("api", f"HTTP {code} from x") != fingerprint("api", "HTTP 418 from x")


def test_terminal_colours_nul_and_zero_width_characters_change_nothing():
    plain = "src/a.ts(3,4): error TS2322: Type 'A' is not assignable"
    noisy = "\x1b[31msrc/a.ts\x00(3,4): \u200berror TS2322: Type 'A' is not\x07 assignable\x1b[0m\n"

    assert grouping("build", noisy) == grouping("build", plain)


MESSAGES = st.text(
    st.one_of(st.characters(), st.sampled_from("\"'`()[]{}<>:/\\.=-_ \n\t019aAE*")), max_size=1500
)


@given(MESSAGES, st.integers(1, 100))
@settings(max_examples=150, deadline=None)
def test_any_text_up_to_100_kb_has_a_grouping_with_its_promised_form(text, times):
    message = (text * times)[:100_000]

    found = grouping("build", message)

    assert found == grouping("build", message)
    assert found.fingerprint == fingerprint("build", message)
    assert re.fullmatch(FINGERPRINT_VERSION + ":[0-9a-f]{20}", found.fingerprint)
    assert len(found.template) <= 200
    assert "\n" not in found.template


@given(MESSAGES)
@settings(max_examples=150, deadline=None)
def test_outer_space_and_nul_never_matter(text):
    wrapped = " \n\t" + text.replace("a", "a\x00") + "\x00 \r\n"

    assert grouping("test", wrapped) == grouping("test", text)


@given(MESSAGES)
@settings(max_examples=100, deadline=None)
def test_the_mistake_is_the_same_on_another_line_of_the_file(text):
    message = "".join(text.split()) or "x"

    one = fingerprint("build", f"src/one.py:3:5: error: {message} went wrong")
    two = fingerprint("build", f"src/other.py:77:1: error: {message} went wrong")

    assert one == two


WORST = (
    *[
        "(",
        "[",
        "{<",
        '"',
        "'",
        "`",
        "\\'",
        "0",
        "1.",
        "a-",
        "_a",
        "a.",
        "/a",
        "a:",
        "<a",
        "a@",
        "\x1b[",
        "\x00",
        "é",
    ],
    *("a=b ", "at x\n", "E  \n", "error: \n", "Caused by: \n", "and <n> ", "Error: ", "\n", " "),
    *("Traceback (most recent call last)\n", '{"message": '),
)


@pytest.mark.parametrize("piece", WORST)
def test_only_a_bounded_part_of_a_long_text_reaches_the_patterns(piece, monkeypatch):
    message = (piece * 100_000)[:100_000]
    seen = []

    def spy(line):
        seen.append(len(line))
        return take_apart(line)

    take_apart = module.take_apart
    monkeypatch.setattr(module, "take_apart", spy)

    assert astuple(grouping("build", message)) != ()
    assert max(seen) <= LONGEST_LINE + 100  # the name of a lint may be added


def test_what_lies_between_head_and_tail_of_a_long_text_is_not_read():
    head, tail = "first words " * 1000, "\nlast words" * 1000
    one = head[:HEAD] + "\nerror: one\n" * 5000 + tail[-TAIL:]
    two = head[:HEAD] + "\npanic: two\n" * 5000 + tail[-TAIL:]

    assert grouping("test", one) == grouping("test", two)


def test_a_grouping_is_a_value():
    assert grouping("api", "x") == Grouping(
        fingerprint=fingerprint("api", "x"), family="", template="x", tool_code="", error_class=""
    )


@pytest.mark.parametrize("call", ["fingerprint.py:fingerprint", "merging.py:MergedGrouping()"])
def test_the_file_can_be_loaded_from_anywhere_without_the_project(call, tmp_path):
    file, _, function = call.partition(":")
    code = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('alone', sys.argv[1]);"
        " m = u.module_from_spec(s); sys.modules['alone'] = m; s.loader.exec_module(m);"
        f" print(m.{function}('build', 'x.py:1:1: F401 unused'))"
    )
    path = Path(module.__file__).with_name(file)

    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        check=False,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert done.stdout.strip() == fingerprint("build", "a.py:9:1: F401 unused"), done.stderr


# Printed by three dozen tools under MIT, Apache, BSD and PSF licences over published packages. Each
# block is one rule of one tool; they were drawn by lot, so that not all of them come out right.
PRINTED = Path(__file__).with_name("tool_messages.txt")


def test_tools_messages_are_grouped_about_as_well_as_they_can_be():
    rows = [
        (label, fingerprint(error_type, message))
        for label, (error_type, messages) in enumerate(_corpus(PRINTED))
        for message in messages
    ]

    found = score(*zip(*rows, strict=True))

    assert len(rows) >= 150
    assert found.accuracy >= 0.8
    assert found.f1 >= 0.88
    assert found.over <= 0.07
    assert found.patterns >= 0.8


# Labelled messages of real tools, where a checkout has them beside it.
LABELLED = Path(__file__).parents[3] / "shared" / "data" / "grouping"


@pytest.mark.skipif(not LABELLED.is_dir(), reason="the labelled messages aren't part of EVOX")
@pytest.mark.parametrize("name", ["mypy-msg", "tsc-line", "pyexc-lib"])
def test_few_real_messages_share_a_group_with_another_mistake(name):
    labels, count = defaultdict(set), defaultdict(int)
    with (LABELLED / f"{name}.csv").open(newline="", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            key = fingerprint("build", row["message"])
            labels[key].add(row["label"])
            count[key] += 1

    mixed = sum(count[key] for key, found in labels.items() if len(found) > 1)
    assert mixed / sum(count.values()) < 0.09


def test_what_a_masked_secret_left_behind_is_one_value():
    bare, masked = (f"Type mismatch, token={value} refused" for value in ("abc", "[github-token]"))
    assert fingerprint("build", bare) == fingerprint("build", masked)
    assert grouping("build", masked).template.endswith("token=<str> refused")
