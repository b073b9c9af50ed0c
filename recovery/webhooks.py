"""GitHub's webhook: authenticated by its signature alone, whatever keys EVOX asks of agents."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import parse_qs

import rest_framework.views  # noqa: F401 - first: it imports the parsers while they import it
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.exceptions import APIException, ParseError

from agents.api.errors import error_body
from agents.api.parsers import PayloadTooLargeError
from agents.clock import db_now
from agents.masking import scrub
from recovery.bodies import read_body
from recovery.models import WebhookDelivery
from recovery.services import deliveries
from recovery.signatures import is_signed, secrets_in
from recovery.states import DeliveryStatus

BODY_LIMIT = 25 * 1024 * 1024
"""GitHub's own: it sends nothing larger."""
CHUNK = 64 * 1024
GUID_LENGTH = 100
FORM = "application/x-www-form-urlencoded"
FORM_FIELDS = 8


class NotConfiguredError(APIException):
    """No secret is set, so nobody can be believed. HTTP 503."""

    status_code = 503
    default_code = "webhook_not_configured"
    default_detail = "No webhook secret is set: set GITHUB_WEBHOOK_SECRET."


class BadSignatureError(APIException):
    """The body isn't signed by a secret of ours. HTTP 401."""

    status_code = 401
    default_code = "bad_signature"
    default_detail = "X-Hub-Signature-256 is missing, or not this body's signature."


@csrf_exempt
def github(request: HttpRequest) -> JsonResponse:
    """Receive one delivery; a 2xx says that it is written down and its effect is done."""
    if request.method != "POST":
        answer = JsonResponse(error_body("method_not_allowed", "Only POST."), status=405)
        answer["Allow"] = "POST"
        return answer
    try:
        incoming = _incoming(request, _signed_body(request))
    except APIException as error:
        code = str(getattr(error.detail, "code", error.default_code))
        return JsonResponse(error_body(code, str(error.detail)), status=error.status_code)
    return _answer(deliveries.receive(incoming, now=db_now()))


def _signed_body(request: HttpRequest) -> bytes:
    """The raw body, once its signature holds. Raises APIException."""
    secrets = secrets_in(settings.GITHUB_WEBHOOK_SECRET)
    if not secrets:
        raise NotConfiguredError
    signature = request.headers.get("X-Hub-Signature-256", "")
    if not signature:
        deliveries.count_refusal("unsigned")
        raise BadSignatureError
    body = _read(request)
    if not is_signed(body, signature, secrets):
        deliveries.count_refusal("bad_signature")
        raise BadSignatureError
    return body


def _read(request: HttpRequest) -> bytes:
    """At most BODY_LIMIT bytes, and what is announced as more isn't read at all."""
    announced = request.META.get("CONTENT_LENGTH") or "0"
    if announced.isdigit() and int(announced) > BODY_LIMIT:
        raise PayloadTooLargeError(f"The body is over {BODY_LIMIT:,} bytes.")
    body = bytearray()
    while chunk := request.read(CHUNK):
        body += chunk
        if len(body) > BODY_LIMIT:
            raise PayloadTooLargeError(f"The body is over {BODY_LIMIT:,} bytes.")
    return bytes(body)


def _incoming(request: HttpRequest, body: bytes) -> deliveries.Incoming:
    event = request.headers.get("X-GitHub-Event", "")
    if not event:
        raise ParseError("The header X-GitHub-Event is missing.")
    guid = scrub(request.headers.get("X-GitHub-Delivery", ""))
    if not guid:
        # The same body is the same delivery then.
        guid = "sha256:" + hashlib.sha256(event.encode() + b"\n" + body).hexdigest()
    if len(guid) > GUID_LENGTH:
        raise ParseError(f"X-GitHub-Delivery is over {GUID_LENGTH} characters.")
    form = request.content_type == FORM
    payload = read_body(_form_payload(body) if form else body)
    return deliveries.Incoming(guid=guid, event=scrub(event), body=payload)


def _form_payload(body: bytes) -> bytes:
    try:
        fields = parse_qs(body, max_num_fields=FORM_FIELDS, strict_parsing=True)
        return fields[b"payload"][0]
    except (ValueError, KeyError):
        raise ParseError("The form has no field `payload`.") from None


def _answer(received: deliveries.Received) -> JsonResponse:
    delivery = received.delivery
    if delivery.status == DeliveryStatus.FAILED:
        return _failed(delivery)
    body: dict[str, Any] = {"duplicate": True} if received.duplicate else {}
    body |= {
        "processed": delivery.status == DeliveryStatus.PROCESSED,
        "event": delivery.event,
        "action": delivery.action or None,
        "prNumber": delivery.number,
        "dispatchedToQuinn": delivery.dispatched,
        "dispatchId": delivery.dispatch_id,
        "note": delivery.note,
    }
    return JsonResponse(body)


def _failed(delivery: WebhookDelivery) -> JsonResponse:
    if deliveries.is_malformed(delivery):
        return JsonResponse(error_body("invalid", delivery.error), status=400)
    message = f"Delivery {delivery.guid} is written down, but failed; EVOX tries again by itself."
    return JsonResponse(error_body("processing_failed", message), status=500)
