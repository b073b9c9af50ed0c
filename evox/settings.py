"""Django's settings, read from the environment; see README for each variable."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

import dj_database_url
from csp.constants import NONE, SELF

from agents.states import AgentStatus, AttemptOutcome, DispatchStatus
from evox import env
from evox.beat import BEAT_SCHEDULE
from failures.states import (
    AliasKind,
    ErrorType,
    GroupStatus,
    IncidentKind,
    IncidentStatus,
    ResolutionOutcome,
)
from learnings.states import LearningStatus

BASE_DIR = env.BASE_DIR
EVOX_DATA_DIR = env.data_dir()
EVOX_HOST = env.text("EVOX_HOST", "127.0.0.1")
EVOX_PORT = env.integer("EVOX_PORT", 8000, minimum=1, maximum=65535)
EVOX_REQUIRE_KEY = env.require_key(EVOX_HOST)
EVOX_ALLOWED_HOSTS = env.text("EVOX_ALLOWED_HOSTS")
EVOX_ADMIN_PASSWORD = env.text("EVOX_ADMIN_PASSWORD")

EVOX_RETRY_BACKOFF = env.durations("EVOX_RETRY_BACKOFF", "60,300,900")
EVOX_RETRY_JITTER = env.number("EVOX_RETRY_JITTER", 0.2, minimum=0, maximum=1)
EVOX_LEASE = env.seconds("EVOX_LEASE_SECONDS", 300, minimum=2)
EVOX_FLAT_LEASE = env.seconds("EVOX_FLAT_LEASE_SECONDS", 3600, minimum=2)
EVOX_DEADLINE = env.seconds("EVOX_DEADLINE_SECONDS", 14_400, minimum=2)
EVOX_HEARTBEAT = env.seconds("EVOX_HEARTBEAT_SECONDS", 60)
EVOX_HEARTBEAT_GRACE = env.seconds("EVOX_HEARTBEAT_GRACE", 120)
EVOX_ESCALATION_LADDER = env.durations("EVOX_ESCALATION_LADDER", "900,1800,3600", exactly=3)
EVOX_ERROR_LOOP = env.integer("EVOX_ERROR_LOOP", 3, minimum=2, maximum=1000)
EVOX_SWEEP = env.seconds("EVOX_SWEEP_SECONDS", 10, maximum=300)
EVOX_PATTERN_THRESHOLD = env.integer("EVOX_PATTERN_THRESHOLD", 3, minimum=2, maximum=1000)
EVOX_PATTERNS_DIR = BASE_DIR / Path(env.text("EVOX_PATTERNS_DIR", "docs/patterns")).expanduser()
EVOX_LEARNING_APPROVAL = env.choice("EVOX_LEARNING_APPROVAL", "auto", ("auto", "review"))
EVOX_SINK_ALLOW = env.targets("EVOX_SINK_ALLOW")
EVOX_LEAD = env.text("EVOX_LEAD")
EVOX_REVIEWER = env.text("EVOX_REVIEWER")
EVOX_REVIEW_DRAFTS = bool(env.flag("EVOX_REVIEW_DRAFTS", default=True))
EVOX_RECONCILE = env.seconds("EVOX_RECONCILE_SECONDS", 300, minimum=5)
GITHUB_TOKEN = env.text("GITHUB_TOKEN")
GITHUB_API_URL = env.http_url("GITHUB_API_URL", "https://api.github.com")
GITHUB_WEBHOOK_SECRET = env.text("GITHUB_WEBHOOK_SECRET")
EVOX_TIME_ZONE = env.time_zone("EVOX_TIME_ZONE", "UTC")


def _kept_secret(data_dir: Path) -> str:
    """The secret of this data folder, made at first need and readable by its owner alone."""
    file = data_dir / "secret_key"
    if not file.exists():
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = data_dir / f"secret_key.{os.getpid()}"
        temporary.touch(mode=0o600)
        temporary.write_text(secrets.token_urlsafe(50), encoding="utf-8")
        try:
            os.link(temporary, file)
        except FileExistsError:
            pass  # Another process was first; both use what it wrote.
        finally:
            temporary.unlink()
    return file.read_text(encoding="utf-8").strip()


SECRET_KEY = env.text("SECRET_KEY") or _kept_secret(EVOX_DATA_DIR)
DEBUG = False
ALLOWED_HOSTS = [
    "localhost",
    "127.0.0.1",
    "[::1]",
    *([] if EVOX_HOST in {"0.0.0.0", "::"} else [EVOX_HOST]),  # noqa: S104 - compared, not bound
    *[host.strip() for host in EVOX_ALLOWED_HOSTS.split(",") if host.strip()],
]

INSTALLED_APPS = [
    "agents",
    "failures",
    "recovery",
    "learnings",
    "monitoring",
    "monitoring.admin_config.EvoxAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "rest_framework",
    "rest_framework_api_key",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_celery_beat",
    "csp",
]
MIDDLEWARE = [
    "evox.short_way.ShortWay",
    "agents.api.middleware.refuse_unreadable",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "evox.gzip_pages.GzipPagesMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    # Below the one that counts the answer's bytes.
    "evox.plain_pages.PlainPagesMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "evox.urls"
WSGI_APPLICATION = "evox.wsgi.application"
APPEND_SLASH = False
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

DATABASES: dict[str, Any] = {"default": dict(dj_database_url.parse(env.database_url()))}
# A pool rather than persistent connections: the web server's threads come and go.
DATABASES["default"]["OPTIONS"] = {
    **DATABASES["default"].get("OPTIONS", {}),
    "pool": {"min_size": 1, "max_size": 16, "timeout": 10},
    # Of what agents.services.statements sends; the ORM's statements are never prepared.
    "prepare_threshold": 0,
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.redis_url()
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": env.cache_url(REDIS_URL),
    }
}

USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
LANGUAGE_CODE = "en-gb"
FORMAT_MODULE_PATH = ["evox.formats"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True  # Served from where they lie: nothing to collect, nothing to forget.
WHITENOISE_MAX_AGE = 300

SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
# Cookies ignore ports: without names of their own, two servers on one machine log each other out.
SESSION_COOKIE_NAME = f"evox_session_{EVOX_PORT}"
CSRF_COOKIE_NAME = f"evox_csrf_{EVOX_PORT}"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
LOGIN_URL = "/admin/login/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}
# The parsers bound each body by themselves, and read it only once it is known whose it is.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "agents.api.authentication.AgentKeyAuthentication",
        "agents.api.authentication.StaffSessionAuthentication",
        "agents.api.authentication.LoopbackAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["agents.api.authentication.KnownCaller"],
    "DEFAULT_PARSER_CLASSES": ["agents.api.parsers.BoundedJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "agents.api.errors.handle_exception",
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "EVOX",
    "DESCRIPTION": "Keeps AI coding agents working.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "evox.schema.finish",
    ],
    "ENUM_NAME_OVERRIDES": {
        "AgentStatus": [status.value for status in AgentStatus],
        "AliasKind": [kind.value for kind in AliasKind],
        "ErrorType": [error_type.value for error_type in ErrorType],
        "DispatchStatus": [status.value for status in DispatchStatus],
        "GroupStatus": [status.value for status in GroupStatus],
        "IncidentKind": [kind.value for kind in IncidentKind],
        "IncidentStatus": [status.value for status in IncidentStatus],
        "LearningStatus": [status.value for status in LearningStatus],
        "AttemptOutcome": [outcome.value for outcome in AttemptOutcome],
        "ResolutionOutcome": [outcome.value for outcome in ResolutionOutcome],
    },
}

CELERY_BROKER_URL = env.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_TIME_LIMIT = 60
CELERY_TASK_SOFT_TIME_LIMIT = 45
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BEAT_SCHEDULER = "django_celery_beat.schedulers:DatabaseScheduler"
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
CELERY_BEAT_MAX_LOOP_INTERVAL = 5

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "class": "agents.masking_logs.ScrubbingFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
        },
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        # Its lines hold paths of sinks, which may be passwords.
        "urllib3": {"level": "ERROR"},
        # Django gives them handlers of their own, whose lines nobody would scrub.
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "INFO", "propagate": True},
    },
}
