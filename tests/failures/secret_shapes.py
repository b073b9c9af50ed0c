"""Made-up secrets of each kind, and the texts that carry them.

No token stands whole here, so that scanners of repositories have nothing to find.
"""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

Made = Callable[[random.Random], str]

ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "_-"
BASE64 = ALNUM + "+/"
HEX = "0123456789abcdef"


def some(rng: random.Random, length: int, alphabet: str = ALNUM) -> str:
    """`length` characters with a digit, a capital and a small letter, as issued tokens have."""
    while True:
        text = "".join(rng.choices(alphabet, k=length))
        if alphabet in {HEX, string.digits} or (
            any(c.isdigit() for c in text)
            and any(c.isupper() for c in text)
            and any(c.islower() for c in text)
            and text[0].isalnum()
            and text[-1].isalnum()
        ):
            return text


def _shape(prefix: str, length: int, alphabet: str = ALNUM) -> Made:
    return lambda rng: prefix + some(rng, length, alphabet)


def _jwt(rng: random.Random) -> str:
    def part(value: dict[str, object]) -> str:
        raw = json.dumps(value, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(raw).decode().rstrip("=")

    head = part({"alg": rng.choice(["HS256", "RS256"]), "typ": "JWT"})
    body = part({"sub": str(rng.randrange(10**9)), "iat": rng.randrange(2 * 10**9)})
    return f"{head}.{body}.{some(rng, 43, URLSAFE)}"


def _openai(rng: random.Random) -> str:
    kind = rng.choice(["", "proj-", "svcacct-", "admin-"])
    middle = "T3Blbk" + "FJ"
    return f"sk-{kind}" + some(rng, 20) + middle + some(rng, 20)


def _slack(rng: random.Random) -> str:
    kind = rng.choice(["b", "p", "a", "r", "s"])
    return f"xox{kind}-{rng.randrange(10**10, 10**12)}-{rng.randrange(10**12)}-" + some(rng, 24)


def _slack_hook(rng: random.Random) -> str:
    upper = string.ascii_uppercase + string.digits
    ids = "/".join(c + "".join(rng.choices(upper, k=10)) for c in "TB")
    return "https://hooks.slack" + f".com/services/{ids}/" + some(rng, 24)


def _discord_hook(rng: random.Random) -> str:
    host = rng.choice(["discord", "discordapp", "ptb.discord", "canary.discord"])
    number = rng.randrange(10**17, 10**19)
    return f"https://{host}.com/api/" + f"webhooks/{number}/" + some(rng, 68, URLSAFE)


def _github(rng: random.Random) -> str:
    prefix = rng.choice(["ghp", "gho", "ghu", "ghs", "ghr", "pat", "jwt"])
    if prefix == "pat":
        return "github_" + "pat_" + some(rng, 22) + "_" + some(rng, 59)
    if prefix == "jwt":
        return f"ghs_{rng.randrange(10**6)}_" + _jwt(rng)
    return prefix + "_" + some(rng, 36)


def _gitlab(rng: random.Random) -> str:
    prefix = rng.choice(["glpat", "gldt", "glrt", "glcbt", "glptt", "glft", "glimt", "glsoat"])
    routable = "." + some(rng, 2, HEX) + "." + some(rng, 9) if rng.random() < 0.3 else ""
    return f"{prefix}-" + some(rng, 20, URLSAFE) + routable


def _telegram(rng: random.Random) -> str:
    return f"{rng.randrange(10**7, 10**10)}:" + "AA" + some(rng, 33, URLSAFE)


def _google_oauth(rng: random.Random) -> str:
    whole = {"GOCSPX-": 28, "ya29.": 120, "1//0": 60}
    prefix = rng.choice(list(whole))
    return prefix + some(rng, whole[prefix], URLSAFE)


def _slack_app(rng: random.Random) -> str:
    return f"xapp-1-A{some_upper(rng, 10)}-{rng.randrange(10**12)}-" + some(rng, 64, HEX)


def _stripe(rng: random.Random) -> str:
    mode = rng.choice(["_live_", "_test_"])
    return rng.choice(["sk", "rk"]) + mode + some(rng, rng.choice([24, 99]))


def _anthropic(rng: random.Random) -> str:
    kind = rng.choice(["api03-", "admin01-", "oat01-"])
    return "sk-ant-" + kind + some(rng, 93, URLSAFE) + "AA"


def _sendgrid(rng: random.Random) -> str:
    return "SG." + some(rng, 22, URLSAFE) + "." + some(rng, 43, URLSAFE)


def _letters(prefix: str, length: int) -> Made:
    return lambda rng: prefix + "".join(rng.choices(string.ascii_letters, k=length))


def _teams_hook(rng: random.Random) -> str:
    """Of both hosts, the older one's first."""
    guid = "-".join(some(rng, length, HEX) for length in (8, 4, 4, 4, 12))
    host = rng.choice(["outlook.office" + ".com/webhook", "x.webhook.office" + ".com/webhookb2"])
    return f"https://{host}/{guid}@{guid}/IncomingWebhook/{some(rng, 32, HEX)}/{guid}"


TOKENS: dict[str, tuple[str, Made]] = {
    "aws": ("aws-access-key", lambda rng: rng.choice(["AK", "AS"]) + "IA" + some_upper(rng, 16)),
    "github": ("github-token", _github),
    "gitlab": ("gitlab-token", _gitlab),
    "slack": ("slack-token", _slack),
    "slack app": ("slack-token", _slack_app),
    "slack webhook": ("slack-webhook", _slack_hook),
    "stripe": ("stripe-key", _stripe),
    "stripe webhook": ("stripe-key", _shape("whsec_", 32)),
    "openai": ("openai-key", _openai),
    "anthropic": ("anthropic-key", _anthropic),
    "google api": ("google-api-key", lambda rng: "AI" + "za" + some(rng, 35, URLSAFE)),
    "google oauth": ("google-oauth", _google_oauth),
    "npm": ("npm-token", _shape("npm_", 36)),
    "pypi": ("pypi-token", _shape("pypi-AgEIcHlwaS5vcmc", 120, URLSAFE)),
    "sendgrid": ("sendgrid-key", _sendgrid),
    "twilio": ("twilio-key", _shape("S" + "K", 32, HEX)),
    "telegram": ("telegram-token", _telegram),
    "hugging face": ("huggingface-token", _shape("hf_", 34)),
    "hugging face letters": ("huggingface-token", _letters("hf_", 34)),
    "stripe letters": ("stripe-key", _letters("sk_" + "live_", 24)),
    "gitlab letters": ("gitlab-token", _letters("glpat-", 20)),
    "google service": ("google-oauth", _shape("ya29.c.b0A", 80, URLSAFE)),
    "teams webhook": ("webhook", _teams_hook),
    "linear": ("linear-key", _shape("lin_" + "api_", 40)),
    "discord webhook": ("discord-webhook", _discord_hook),
    "jwt": ("jwt", _jwt),
}


def some_upper(rng: random.Random, length: int) -> str:
    return "".join(rng.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", k=length))


CARRIERS: dict[str, str] = {
    "plain": "{}",
    "sentence": "The call failed with {} on Monday.",
    "end": "rejected credential {}",
    "parens": "Client({}) could not connect",
    "json": '{{"error": "bad", "value": "{}", "retry": 3}}',
    "json in json": '{{"body": "{{\\"value\\": \\"{}\\"}}"}}',
    "curl": "curl -sS -H 'X-Thing: {}' https://api.example.com/v1/things",
    "traceback": 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n'
    "    client = Client({!r})\nValueError: no such account",
    "env": "HOME=/home/sam\nTHING={}\nLANG=C.UTF-8",
    "url": "GET https://example.com/cb?state=1&x={}&y=2 -> 403",
    "yaml": "service:\n  thing: {}\n  port: 80\n",
    "diff": "-THING={}\n+THING=\n",
    "newline": "first line\\n{}\\nlast line",
    "colour": "\x1b[31m{}\x1b[0m",
    "backticks": "`{}` is no good",
    "comma": "a,{},b",
    "urlencoded": "body=x%3D{}%26y%3D1",
}


def token_cases(rng: random.Random, each: int) -> Iterator[tuple[str, str, str, str]]:
    """Kind, placeholder, secret and text, `each` times for every kind in every carrier."""
    for kind, (placeholder, made) in TOKENS.items():
        for name, carrier in CARRIERS.items():
            for _ in range(each):
                secret = made(rng)
                written = quote(secret, safe="") if name == "urlencoded" else secret
                yield f"{kind} in {name}", placeholder, written, carrier.format(written)


def pem(rng: random.Random, kind: str = "RSA ", lines: int = 12) -> str:
    body = "\n".join(some(rng, 64, BASE64) for _ in range(lines))
    tail = some(rng, 30, BASE64) + "=="
    begin, end = (f"-----{word} {kind}PRIVATE" + " KEY-----" for word in ("BEGIN", "END"))
    return f"{begin}\n{body}\n{tail}\n{end}"


PASSWORDS = (
    *("hunter2", "S3cr3t!pass", "correct-horse-battery", "letmein", "Tr0ub4dor&3", "p@ssw0rd#9"),
    *("x9$Kq!2mZ", "winter2024", "qwerty123", "Zx8-!kd_92", "aB3.dE6.gH9", "swordfish"),
)
NAMES = {
    "password": (
        *("password", "passwd", "pwd", "DB_PASSWORD", "DB_PASS", "PGPASSWORD", "MYSQL_PWD"),
        *("userPassword", "smtp_pass", "passphrase", "admin-password", "dbPassword"),
    ),
    "token": (
        *("token", "access_token", "AUTH_TOKEN", "refreshToken", "GITHUB_TOKEN", "bot-token"),
        *("id_token", "x-auth-token", "slackToken", "TWILIO_AUTH_TOKEN", "AWS_SESSION_TOKEN"),
    ),
    "secret": (
        *("secret", "client_secret", "clientSecret", "JWT_SECRET", "CLIENT_SECRET"),
        *("app-secret", "webhookSecret"),
    ),
    "key": (
        *("api_key", "apikey", "apiKey", "API_KEY", "x-api-key", "access_key", "secret_key"),
        *("SECRET_KEY", "AWS_SECRET_ACCESS_KEY", "aws_secret_access_key", "private_key"),
        *("encryption_key", "AccountKey", "OPENAI_API_KEY"),
    ),
}
PAIRS = (
    *("{n}={v}", "export {n}={v}", "login failed: {n}={v} for sam", "{n} = '{v}'", '{n}="{v}"'),
    *("{n}: {v}", '{n}: "{v}"', '{{"{n}": "{v}"}}', '{{"user":"sam","{n}":"{v}","port":5432}}'),
    *("{{'{n}': '{v}', 'a': 1}}", '{{\\"{n}\\": \\"{v}\\"}}', "connect(host='h', {n}='{v}')"),
    *('"{{\\\\\\"{n}\\\\\\": \\\\\\"{v}\\\\\\"}}"', "--{n}={v}", "tool --{n} {v} --verbose"),
    *("https://h.example/x?a=1&{n}={v}&b=2", "A=1\n{n}={v}\nB=2", "db:\n  {n}: {v}\n  host: h\n"),
    *('const {n} = "{v}";', "{n} => '{v}'", '{n} := "{v}"', "<{n}>{v}</{n}>", "-e {n}={v}"),
    *("- name: {n}\n  value: {v}\n", '{{"name": "{n}", "value": "{v}"}}', "self.{n} = '{v}'"),
    *("os.environ['{n}'] = '{v}'", "E   AssertionError: assert {{'{n}': '{v}'}} == {{}}"),
    *("x%3D1%26{n}%3D{v}%26y%3D2", 'Environment="{n}={v}"', '{n}: str = "{v}"', "{n}='{v}"),
    *("INFO {n}={v}, user=sam", "SET {n}={v};", 'config["{n}"] = "{v}"', "'--{n}', '{v}'"),
)


def value_for(rng: random.Random, kind: str) -> str:
    """What a name of that kind might hold."""
    if kind == "password":
        return rng.choice(PASSWORDS)
    length, alphabet = rng.choice(
        [(16, ALNUM), (32, ALNUM), (32, HEX), (40, BASE64), (24, URLSAFE)]
    )
    return some(rng, length, alphabet)


def pair_cases(rng: random.Random) -> Iterator[tuple[str, str, str]]:
    """Kind, value and text, for every name in every writing."""
    for kind, names in NAMES.items():
        for name in names:
            for pair in PAIRS:
                value = value_for(rng, kind)
                if "%3D" in pair or "?a=" in pair:
                    value = quote(value, safe="")
                yield kind, value, pair.format(n=name, v=value)


PLACES = r"""
aws_access_key_id = {akia}\naws_secret_access_key = {secret}
{akia}:{secret}
{akia},{secret}
{"AccessKeyId": "{akia}", "SecretAccessKey": "{secret}", "SessionToken": "x"}
aws configure set aws_secret_access_key {secret}
client('s3', aws_access_key_id='{akia}', aws_secret_access_key='{secret}')
credentials: {akia} / {secret}
Authorization: Bearer {secret}
authorization: bearer {secret}
curl -H "Authorization: Bearer {secret}" https://x.example
curl -H 'Authorization: token {secret}' https://x.example
curl --header 'X-Api-Key: {secret}' https://x.example
{'Authorization': 'Bearer {secret}', 'Accept': '*/*'}
headers: { Authorization: "Bearer {secret}" }
headers: { Authorization: `Bearer {secret}` }
('Authorization', 'Bearer {secret}')
[b'Authorization: Bearer {secret}\\r\\n']
> Authorization: Bearer {secret}\n> Host: x
"Authorization":"Bearer {secret}"
{\"Authorization\":\"Bearer {secret}\"}
Authorization: Basic {basic}
Basic {basic} was refused
X-Auth-Token: {secret}
PRIVATE-TOKEN: {secret}
X-Vault-Token: {secret}
x-goog-api-key: {secret}
Ocp-Apim-Subscription-Key: {secret}
Authorization: {secret}
Authorization: ApiKey {secret}
Authorization: Token token={secret}
Authorization: Digest username="sam", realm="x", nonce="1", response="{secret}"
Authorization: AWS4-HMAC-SHA256 Credential={akia}/s3, SignedHeaders=host, Signature={secret}
req.headers["authorization"] = "Bearer {secret}"
Authorization%3A%20Bearer%20{secret}
Bearer {secret}
Cookie: sessionid={secret}; theme=dark
Cookie: theme=dark; csrftoken={secret}
Set-Cookie: sid={secret}; Path=/; HttpOnly; Secure
'Cookie': 'sessionid={secret}'
"set-cookie": ["sid={secret}; Path=/"]
curl -b 'sessionid={secret}' https://x.example
curl --cookie "sid={secret}" https://x.example
cookies={'sessionid': '{secret}'}
document.cookie = "session={secret}; path=/"
cookie: {secret}
postgres://evox:{password}@db:5432/evox
redis://:{password}@localhost:6379/0
mongodb+srv://user:{password}@cluster0.x.mongodb.net/?retryWrites=true
mysql://root:{password}@127.0.0.1/db
postgres://u:p@{password}@host/db
https://{secret}@github.com/o/r.git
https://x-access-token:{secret}@github.com/o/r.git
fatal: unable to access 'https://sam:{password}@git.example.com/r.git/': 403
pip install --index-url https://u:{password}@pypi.example.com/simple x
postgres%3A%2F%2Fu%3A{password}%40h%2Fdb
user:{password}@tcp(127.0.0.1:3306)/db
host=db port=5432 user=u password={password} dbname=d
Server=db;Database=x;User Id=sa;Password={password};Encrypt=true
jdbc:postgresql://h/db?user=u&password={password}
jdbc:oracle:thin:scott/{password}@h:1521:orcl
DefaultEndpointsProtocol=https;AccountName=x;AccountKey={secret}==;EndpointSuffix=x
https://x.blob.core.windows.net/c?sv=2022&sig={secret}%3D&se=1
https://s3.example/x?X-Amz-Credential={akia}%2F2026&X-Amz-Signature={hex}
mysql -u root -p{password} db
mysqldump --password={password} db
sshpass -p '{password}' ssh h
docker login -u sam -p {password} r.example.com
curl -u sam:{password} https://x.example
['curl', '-u', 'sam:{password}', 'https://x.example']
Command '["mysql", "-p{password}"]' returned 1
Command '['psql', '--password', '{password}']' failed
PGPASSWORD={password} psql -h db
redis-cli -a {password} ping
kubectl create secret generic x --from-literal=password={password}
ALTER USER evox WITH PASSWORD '{password}';
CREATE USER x IDENTIFIED BY '{password}'
machine h login u password {password}
password is {password}
requirepass {password}
<add key="Password" value="{password}"/>
<input type="password" name="password" value="{password}">
password: |\n  {password}\n
"password":\n  "{password}"
password="{password}
{"Env": ["DB_PASSWORD={password}", "A=1"]}
environ({'DB_PASSWORD': '{password}', 'HOME': '/'})
$env:DB_PASSWORD = "{password}"
setx DB_PASSWORD "{password}"
ENV DB_PASSWORD {password}
DB_PASSWORD={password}\\nDB_HOST=h
username=sam&password={password}
User(name='sam', password='{password}')
define('DB_PASSWORD', '{password}');
os.environ.setdefault("DB_PASSWORD", "{password}")
setPassword("{password}")
auth=("sam", "{password}")
auth: { user: "u", pass: "{password}" }
password=SecretStr("{password}")
password: Annotated[str, x] = "{password}"
password="correct horse {password} staple"
//registry.npmjs.org/:_authToken={secret}
"auth": "{secret}"
API Key = {secret}
api key: {secret}
SECRET_KEY_BASE={secret}
JWT_SECRET='{secret}'
--api-key {secret}
"--token", "{secret}"
GH_TOKEN={secret} gh pr list
TWILIO_AUTH_TOKEN={hex}
DD_API_KEY={hex}
%22password%22%3A%22{password}%22
&quot;password&quot;:&quot;{password}&quot;
Client("AC0123456789abcdef0123456789abcdef", "{hex}")
MAILGUN_KEY={secret}
postgres://u:pa/{password}@h:5432/db
user:sam pass:{password}
password = '''{password}'''
[('password', '{password}'), ('x', 'y')]
-Dpassword={password}
--db.password={password}
"DB_PASSWORD" => "{password}"
'password': b'{password}'
csrfmiddlewaretoken={secret}
JSESSIONID={secret}
x-amz-security-token: {secret}
CREATE USER 'x'@'%' IDENTIFIED WITH mysql_native_password BY '{password}'
CREATE USER x IDENTIFIED BY "{password}"
<entry key="password">{password}</entry>
API_KEY ?= {secret}
let token: &str = "{secret}";
client.withApiKey("{secret}")
Incorrect API key provided: {secret}.
the token {secret} was revoked
HTTPBasicAuth('sam', '{secret}')
http --auth sam:{password} https://x.example
keytool -storepass {password} -list
'set-cookie': [ 'sid={secret}; Path=/' ]
Authorization: AWS {akia}:{secret}
<RequestsCookieJar[<Cookie sid={secret} for h/>]>
cookies={'theme': 'dark', 'sid': '{hex}'}
PHPSESSID={hex}
<QueryDict: {'user': ['sam'], 'password': ['{password}']}>
{"X-Api-Key":["{secret}"]}
map[Accept:[*/*] X-Api-Key:[{secret}]]
AWS Secret Access Key [None]: {secret}
setenv API_TOKEN {secret}
#define API_TOKEN "{secret}"
setProperty("password", "{secret}");
Map.of("accessToken","{secret}")
headers.put("X-Api-Key", "{secret}")
https://x.example/v1?q=a&key={secret}
https:\\/\\/sam:{password}@x.example\\/v1
https://{secret}:x-oauth-basic@git.example.com/r.git
twine upload -u sam -p {password} dist/*
пароль от базы: {password}
密码: {password}
contraseña: {password}
mot de passe : {password}
パスワード「」。トークン: {secret}
password: {dated}
A temporary password is generated for root@localhost: {password}
Authorization: Bearer -l{secret}
"token":"-g{secret}"
https://hooks.zapier.com/hooks/catch/9182736/{secret}
https://open.feishu.example/open-apis/bot/v2/hook/{secret}
https://qyapi.example/cgi-bin/webhook/send?key={hex}
https://maker.example/trigger/built/with/key/{secret}
https://hook.eu2.make.com/{hex}
addCookies([{ name: 'sid', value: '{secret}', domain: 'x.example' }])
{"cookies":[{"name":"a","value":"b"},{"name":"sid","value":"{secret}"}]}
{"acme:dbPassword":{"value":"{password}"}}
missing "=" after "postgresql:/sam:{password}@x.example:5432/db"
connecting with sam/{password}@//x.example:1521/DB
RABBITMQ_ERLANG_COOKIE={secret}
.ASPXAUTH={hex}
{"bearer":"{secret}"}
jdbc:sqlserver://h:1433;user=sa;password=bC3@{password};encrypt=true
""".strip().split("\n")
"""Where secrets without a shape of their own stand; in each `\\n` is a new line."""


def place_cases(rng: random.Random) -> Iterator[tuple[str, str]]:
    """Secret and text, for every place."""
    for place in PLACES:
        fill = {
            "akia": "AK" + "IA" + some_upper(rng, 16),
            "secret": some(rng, 40),
            "password": rng.choice(["hunter2", "Tr0ub4dor3", "x9Kq!2mZ"]),
            "hex": some(rng, 32, HEX),
            "dated": f"Summer@{rng.randrange(2000, 2030)}",
            "basic": base64.b64encode(f"sam:{some(rng, 12)}".encode()).decode(),
        }
        text = place.replace("\\\\", "\0").replace("\\n", "\n").replace("\0", "\\")
        secret = next(
            fill[name]
            for name in ("basic", "hex", "dated", "secret", "password")
            if "{" + name + "}" in text
        )
        for name, value in fill.items():
            text = text.replace("{" + name + "}", value)
        yield secret, text
