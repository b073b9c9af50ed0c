"""What leaves a text as a secret, what stays as ordinary, and that neither takes long."""

from __future__ import annotations

import csv
import random
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from agents.masking import Scrubber
from failures.masking import scrub, scrub_value
from tests.failures import secret_shapes as shapes
from tests.failures.mask_texts import BURSTS, SIZE, SNIPPETS, worst_texts

HERE = Path(__file__).parent
ORDINARY = HERE / "ordinary_texts.txt"
REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "grouping"
HANGS = 2.0
"""Seconds, for 0.03 that it takes: what grows with the square takes a minute. The speed itself is
`python -m benchmarks.masking`'s."""


@pytest.mark.parametrize("kind", shapes.TOKENS)
def test_a_token_of_known_shape_is_masked_wherever_it_stands_and_named_by_its_kind(kind):
    missed = []
    for group, placeholder, secret, text in shapes.token_cases(random.Random(kind), each=3):
        if not group.startswith(f"{kind} in "):
            continue
        masked = scrub(text)
        if secret in masked or f"[{placeholder}]" not in masked:
            missed.append((text, masked))

    assert missed == []


def test_what_stands_around_a_token_stays_byte_for_byte():
    whole = {"plain", "sentence", "json", "curl", "env", "url", "yaml", "colour", "comma"}
    for group, placeholder, secret, text in shapes.token_cases(random.Random(7), each=2):
        if group.split(" in ")[1] not in whole or "webhook" in group or "telegram" in group:
            continue
        assert scrub(text) == text.replace(secret, f"[{placeholder}]")


@pytest.mark.parametrize("kind", shapes.NAMES)
def test_a_value_beside_a_name_that_says_secret_is_masked_and_the_name_stays(kind):
    rng, total, missed = random.Random(kind), Counter(), []
    for group, value, text in shapes.pair_cases(rng):
        if group != kind:
            continue
        total[group] += 1
        masked = scrub(text)
        before, _, after = text.partition(value)
        if value in masked or not masked.startswith(before) or not masked.endswith(after):
            missed.append((text, masked))

    assert len(missed) <= 0.005 * total[kind], missed


@pytest.mark.parametrize("seed", range(3))
def test_a_secret_of_no_shape_is_masked_by_where_it_stands(seed):
    missed = [
        (text, scrub(text))
        for secret, text in shapes.place_cases(random.Random(seed))
        if secret in scrub(text)
    ]

    assert missed == []


def pem_texts() -> list[str]:
    whole = shapes.pem(random.Random(1))
    lines = whole.split("\n")
    return [
        whole,
        whole.replace("\n", "\\n"),
        whole.replace("\n", "\\\\n"),
        whole.replace("\n", "\r\n"),
        whole.replace("\n", " "),
        whole.replace("\n", ""),
        "\n".join(f"    {line}" for line in lines),
        "\n".join(f"> {line}" for line in lines),
        "\n".join(f"+{line}" for line in lines),
        "\n".join(lines[:5]),
        "\n".join(lines[2:]),
        "\n".join(lines[:6])[:-20] + "…",
        shapes.quote(whole),
        f"ValueError: no key: {whole!r}",
        whole.replace("-----\n", "-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n", 1),
        "\n".join(f"#12 0.101 {line}" for line in lines),
        "\n".join(f"2026-11-21T10:00:00.123Z  {line}" for line in lines),
        "\n".join(f"#12 0.101 {line}" for line in lines[:5]),
        "\n".join(f"#12 0.101 {line}" for line in lines[2:]),
        "\n".join(f"\x1b[32m{line}\x1b[0m" for line in lines[:5]),
        "\\n".join(lines[2:]),
        "[" + ", ".join(f'"{line}"' for line in lines[:6]) + "]",
        (" " * 120 + "|\n").join(lines),
        "(" + "\n".join(f'    "{line}\\n"' for line in lines) + ")",
        "PuTTY-User-Key-File-3: x\nPrivate-Lines: 12\n" + "\n".join(lines[1:-1]),
        whole.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK").replace(
            "-----\n", "-----\nVersion: GnuPG v2\n\n", 1
        ),
    ]


@pytest.mark.parametrize("text", pem_texts())
def test_a_private_key_is_masked_whole_or_cut_off(text):
    secret = shapes.pem(random.Random(1)).split("\n")[3]

    masked = scrub(f"before\n{text}\nafter the key")

    assert secret not in masked
    assert "[private-key]" in masked
    assert masked.startswith("before\n")
    assert masked.endswith("after the key")


def test_a_certificate_and_a_marker_alone_are_no_secrets():
    for text in (
        "-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBaMQswCQ\n",
        "expected '-----BEGIN PRIVATE KEY-----' at line 1",
        "-----BEGIN PUBLIC KEY-----\nMFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAJ\n-----END PUBLIC KEY-----",
    ):
        assert scrub(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("SECRET_KEY=my-super-secret-key", "SECRET_KEY=[secret]"),
        ("API_KEY=test-key-99", "API_KEY=[api-key]"),
        ("DB_PASSWORD=my_secret_password", "DB_PASSWORD=[password]"),
        ("DB_PASSWORD=SuperSecretPassword", "DB_PASSWORD=[password]"),
        ("client_secret: winter-planet-monkey95", "client_secret: [secret]"),
        ("jwt_secret: my-jwt-secret", "jwt_secret: [secret]"),
        ('"api_key": "my-own-api-key"', '"api_key": "[api-key]"'),
        ("CLIENT_SECRET=XeHpamLiYL", "CLIENT_SECRET=[secret]"),
        ("[db]\nsecretKey = harbor-velvet-silver45", "[db]\nsecretKey = [secret]"),
        ("az login --password SQyNJSoiHg", "az login --password [password]"),
        ("sessionid=y798q7q8wx68ipj7fe6zs2ho6snjyk6k", "sessionid=[session]"),
        ("password: 123456", "password: [password]"),
        ("postgres://app:super_secret@db/x", "postgres://app:[password]@db/x"),
        ("mysql://root:secret@db/x", "mysql://root:[password]@db/x"),
        ("password=a%d8b12cd", "password=[password]"),
    ],
)
def test_what_people_make_up_as_a_secret_is_one(text, masked):
    assert scrub(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("/a?a=1&amp;token=a1B2c3D4e5&amp;b=2", "/a?a=1&amp;token=[token]&amp;b=2"),
        ("密码\uff1aa1B2c3D4e5\u3002", "密码\uff1a[password]\u3002"),
        ("/a?token=a1B2c3D4e5#top", "/a?token=[token]#top"),
        ("PASSWORD=hunter2\x1b[0m", "PASSWORD=[password]\x1b[0m"),
        ("-----BEGIN PRIVATE KEY----- expected", "-----BEGIN PRIVATE KEY----- expected"),
    ],
)
def test_a_value_ends_where_its_address_or_colour_goes_on(text, masked):
    assert scrub(text) == masked


def test_a_webhook_is_masked_without_its_host_and_with_escaped_slashes():
    rng = random.Random(2)
    for made in ("slack webhook", "discord webhook", "teams webhook"):
        placeholder, make = shapes.TOKENS[made]
        address = make(rng)
        secret = address.rsplit("/", 2)[1 if made == "teams webhook" else 2]
        for text in (
            f"with url: /{address.split('/', 3)[3]} (Caused by it)",
            address.replace("/", "\\/"),
            address.replace("/", "%2F"),
        ):
            assert secret not in scrub(text)
            assert f"[{placeholder}]" in scrub(text)


def test_an_aws_secret_key_is_called_so_by_its_name():
    secret = shapes.some(random.Random(4), 40, shapes.BASE64)

    assert scrub(f"AWS_SECRET_ACCESS_KEY={secret}") == "AWS_SECRET_ACCESS_KEY=[aws-secret-key]"
    assert scrub_value({"SecretAccessKey": secret}) == {"SecretAccessKey": "[aws-secret-key]"}


def test_ordinary_texts_stay_as_they_are():
    lines = ORDINARY.read_text(encoding="utf-8").splitlines()

    assert len(lines) > 200
    assert [(line, scrub(line)) for line in lines if scrub(line) != line] == []


@pytest.mark.skipif(not REAL.is_dir(), reason="the labelled messages are not in the repository")
def test_of_real_messages_of_tools_hardly_any_is_touched():
    csv.field_size_limit(SIZE)
    messages = []
    for path in sorted(REAL.glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            messages += [row["message"] for row in csv.DictReader(file)]

    touched = [message for message in messages if scrub(message) != message]

    assert len(messages) > 30_000
    assert len(touched) <= 0.0003 * len(messages), touched[:20]


TEXTS = st.lists(st.sampled_from(SNIPPETS) | st.text(max_size=6), max_size=24).map("".join)


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
@example("token=token=hunter2")
@example("password: str = x.y = password: str = ")
@example('password="token: \\"abc123def456')
def test_a_second_time_changes_nothing_and_no_text_raises(text):
    once = scrub(text)

    assert scrub(once) == once


def test_every_masked_case_of_this_file_stays_as_it_is():
    rng = random.Random(3)
    texts = [text for *_, text in shapes.token_cases(rng, each=1)]
    texts += [text for *_, text in shapes.pair_cases(rng)]
    texts += [text for *_, text in shapes.place_cases(rng)]

    assert [text for text in map(scrub, texts) if scrub(text) != text] == []


def seconds(text: str) -> float:
    """CPU time: what else the machine does is no fault of the text."""
    begin = time.process_time()
    scrub(text)
    return time.process_time() - begin


def test_no_100_kb_take_out_of_all_proportion():
    slow = {name: took for name, text in worst_texts().items() if (took := seconds(text)) > HANGS}

    assert slow == {}


def test_of_a_text_too_dense_to_judge_the_rest_is_masked_and_stays_so():
    token = "ghp" + "_" + shapes.some(random.Random(1), 36)
    dense = "the key of a token, " * 4000

    masked = scrub(f"{dense}\nGET {token}\n")

    assert masked.startswith("the key of a token, " * 500)
    assert masked.endswith("[masked]")
    assert len(masked) < len(dense)
    assert [name for name, text in worst_texts().items() if scrub(scrub(text)) != scrub(text)] == []


def test_a_text_is_cut_between_words_and_never_within_a_key():
    lines = shapes.pem(random.Random(1)).split("\n")
    for many in range(880, 1050, 2):
        dense = "secret key " * many + "\n" + "\n".join(lines[1:])
        masked = scrub(dense + "\n" + "token " * 3000)

        assert not any(line[:16] in masked for line in lines[2:])


def test_logs_and_code_are_never_cut():
    for path in (HERE / "test_masking.py", HERE / "secret_shapes.py", ORDINARY):
        assert not scrub(path.read_text(encoding="utf-8")).endswith("[masked]")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.sampled_from([*SNIPPETS, *BURSTS]) | st.text(max_size=4), min_size=1, max_size=4)
)
def test_no_few_texts_repeated_to_100_kb_take_out_of_all_proportion(parts):
    unit = "".join(parts) or "x"

    assert seconds((unit * (SIZE // len(unit) + 1))[:SIZE]) < HANGS


def test_a_value_from_json_is_masked_at_every_depth_by_text_by_key_and_by_neighbour():
    token = "ghp" + "_" + shapes.some(random.Random(1), 36)

    masked = scrub_value(
        {
            "message": f"pushed with {token}",
            "context": {
                "password": "hunter2",
                "attempt": 3,
                "ok": True,
                "nothing": None,
                "argv": ["psql", "--password", "hunter2", "db"],
                "env": [
                    {"name": "DB_PASSWORD", "value": "hunter2"},
                    {"name": "HOME", "value": "/"},
                ],
                "headers": {"Authorization": "Bearer abcdef123456", "Accept": "*/*"},
                "raw": [["Authorization", "Basic c2FtOmh1bnRlcjI="]],
                token: 1,
                "password_reset": "sent",
                "api_key": 123456789012345678,
                "form": {"password": ["Tr0ub4dor3", "This is too short.", "too_short"]},
                "multi": {"X-Api-Key": ["a1B2c3D4e5F6"], "Authorization": ["Bearer abcdef123456"]},
            },
        }
    )

    assert masked == {
        "message": "pushed with [github-token]",
        "context": {
            "password": "[password]",
            "attempt": 3,
            "ok": True,
            "nothing": None,
            "argv": ["psql", "--password", "[password]", "db"],
            "env": [{"name": "DB_PASSWORD", "value": "[password]"}, {"name": "HOME", "value": "/"}],
            "headers": {"Authorization": "Bearer [bearer-token]", "Accept": "*/*"},
            "raw": [["Authorization", "Basic [basic-auth]"]],
            "[github-token]": 1,
            "password_reset": "sent",
            "api_key": "[api-key]",
            "form": {"password": ["[password]", "This is too short.", "too_short"]},
            "multi": {"X-Api-Key": ["[api-key]"], "Authorization": ["Bearer [bearer-token]"]},
        },
    }


def test_a_text_that_is_repeated_costs_once(monkeypatch):
    asked = []
    monkeypatch.setattr("agents.masking.scrub", lambda text: asked.append(text) or text)

    mask = Scrubber()
    for _ in range(1000):
        mask.value({"message": "the same text", "context": {"file": "a_long_name.py"}})

    assert sorted(asked) == ["a_long_name.py", "the same text"]
