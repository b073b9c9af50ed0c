"""Texts that are hard to mask: dense with what secrets stand beside, and repeated to 100 kB."""

from __future__ import annotations

import random

from tests.failures import secret_shapes as shapes

SIZE = 100_000

SNIPPETS = [
    *("password=", "pwd:", '"token": ', "api_key", "secret", "--token ", "--password", "auth=("),
    *(
        '"',
        "'",
        "`",
        '\\"',
        '\\\\\\"',
        "\\",
        "\n",
        "\\n",
        " ",
        "\t",
        "=",
        ":",
        ",",
        ";",
        "&",
        "%3D",
    ),
    *(
        "%22",
        "://",
        "@",
        "<",
        ">",
        "</",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        "-----BEGIN PRIVATE KEY-----",
    ),
    *(
        "-----END PRIVATE KEY-----",
        "Authorization: ",
        "Bearer ",
        "Basic ",
        "Cookie: ",
        "curl -u a:",
    ),
    *("mysql -p", "ghp_", "sk-", "eyJ", "AKIA", "AIza", "xoxb-", "SG.", "hf_", "npm_", "glpat-"),
    *(
        "hunter2",
        "abc123def456",
        "[password]",
        "[token]",
        "[github-token]",
        "x",
        "İ",
        "\u017f",
        "\u212a",
        "é",
    ),
    *(
        "Ab1" * 12,
        "a" * 40,
        "0f" * 16,
        "12345678:",
        "value=",
        "name: ",
        "is ",
        "login a ",
        "identified by ",
    ),
]


BURSTS = [
    *("a", "0", " ", "-", "--", "_", ".", "/", ":", '"', "'", "\\", '\\"', "\n", "%", "%3D", "@"),
    *(
        "://",
        "://a:",
        "://a:b@",
        "a@",
        "password",
        "password=",
        'password="',
        "password: ",
        "pwd=x",
    ),
    *(
        "pwd=abcd ",
        "pwd=ab1;",
        "pwd=pwd=",
        "token=token=",
        "token: token: ",
        "token ",
        "secret is ",
    ),
    *("key ", "api_key", '"token":"a b c" ', "pwd='a\n", 'pwd=\\"a\n', "token value ", "token,   "),
    *("password = x.y = ", "password: str = ", "--token ", "--password a ", "login a password "),
    *(
        "<password>",
        "<password>a",
        "authorization: ",
        "authorization: bearer ",
        "bearer a",
        "basic ",
    ),
    *("authorization: digest a", "cookie: a=", "cookie: a=b; ", "cookie", "ghp_", "sk-a", "eyJ"),
    *(
        "eyJaaaaaaaa.",
        "eyJ0",
        "AKIA",
        "a/" * 20 + " ",
        "SG.",
        "SG." + "a" * 16 + ".",
        "hf_",
        "12345678:",
    ),
    *(
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "A" * 64 + "\n",
        "-----BEGIN A A A ",
    ),
    *("abcdefghijklmnop\n-----END PRIVATE KEY-----", "hooks.slack.com/services/", "curl -u a:"),
    *(
        "mysql -p",
        "mysql -pa1b2c3 ",
        "a" * 63 + ":",
        "%3a%2f%2fa%3ab%40",
        "password=hunter2\n",
        "İ",
    ),
    *("A_PASSWORD=hunter2 ", '{"password": "hunter2", "token": "abc123def456"}, ', "[password]"),
    *(
        "cookies={",
        "cookies={'a':'",
        "<cookie a",
        ":\\/\\/",
        ":\\/\\/a:",
        "setenv token ",
        '("token","',
    ),
    *("-----BEGIN PRIVATE KEY-----\n1 ", "\n1 -----END PRIVATE KEY-----", "Private-Lines: 1\nab"),
    *(
        "-----BEGIN PRIVATE KEY-----\n1 " + "Ab1" * 20,
        "\n1 " + "Ab1" * 20,
        'token: ["',
        "token:[a1",
    ),
    *("/services/T", "webhookb2/", "api/webhooks/", "hf_ab", "пароль: ", "пароль от базы: a1b2c3"),
    *(
        "密码: x1y2",
        "ключ",
        "?key=",
        "SECRET_KEY=a-b-c ",
        "PHPSESSID=",
        "&amp;token=a",
        "a=b#c",
        "\x1b",
    ),
    *("password: |\n   ", "name: token\n  value: ", "password=[password]", "\u3042", "\U0001f511"),
]


GATES = (
    "ghp_0123 AKIA 1// hooks.slack curl -u mysql -p https://@ password token auth cookie bearer "
)
"""Before each: a rule is tried only where its hints are."""


KEYWORDS = [
    *("ghp_", "AKIA", "sk-", "eyJ", "SG.", "SK", "npm_", "hf_", "pypi-", "xoxb-", "AIza", "1//0"),
    *("password=", "token: ", "secret", "key", "--token ", "authorization: ", "cookie: "),
    *("bearer ", "basic ", "curl -u ", "mysql -p", "12345678:", "hooks.slack.com/services/"),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "://", "@", '"', '\\"', "\n"),
    *(" ", "=", ".", ":", "</", "%3D", "%22", "a1B2", "abc", "0"),
]
VALUES = ["hunter2", "a1B2c3D4e5F6", "Ab1" * 12, "0f" * 16, "s3cr3t "]


def worst_texts() -> dict[str, str]:
    """Each of SIZE characters or a little less, by a name that says what it is made of."""
    texts = {repr(burst): (GATES + burst * (SIZE // len(burst) + 1))[:SIZE] for burst in BURSTS}
    rng = random.Random(5)
    for n in range(4):
        texts[f"snippets {n}"] = "".join(rng.choices(SNIPPETS, k=SIZE // 3))[:SIZE]
        texts[f"all {n}"] = "".join(rng.choices([*SNIPPETS, *BURSTS], k=SIZE // 2))[:SIZE]
        texts[f"keywords {n}"] = (GATES + "".join(rng.choices(KEYWORDS, k=SIZE // 2)))[:SIZE]
        texts[f"values {n}"] = (
            GATES
            + "".join(
                rng.choice(KEYWORDS) + rng.choice(VALUES) + rng.choice(' \n;"') for _ in range(SIZE)
            )
        )[:SIZE]
    for _ in range(100):
        unit = "".join(rng.choices([*SNIPPETS, *BURSTS], k=rng.randint(2, 4)))
        texts[f"few {unit!r}"] = (unit * (SIZE // len(unit) + 1))[:SIZE]
    texts["a dense unit"] = ("Ὡpassword = x.y = --[password]" * (SIZE // 30 + 1))[:SIZE]
    texts["pairs"] = "\n".join(text for *_, text in shapes.pair_cases(rng))[:SIZE]
    texts["tokens"] = "\n".join(text for *_, text in shapes.token_cases(rng, each=20))[:SIZE]
    texts["base64"] = "".join(rng.choices(shapes.BASE64, k=SIZE))
    texts["log"] = ("2026-11-21 10:11:12 ERROR api.views: GET /v1/things/42 failed [w-7]\n" * 2000)[
        :SIZE
    ]
    return texts
