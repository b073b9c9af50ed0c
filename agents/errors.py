"""What can go wrong with a request, as exceptions that the API turns into answers."""

from __future__ import annotations

from agents.states import IllegalMoveError

__all__ = [
    "EvoxError",
    "IllegalMoveError",
    "InvalidInputError",
    "NotFoundError",
    "NotYoursError",
    "StaleClaimError",
]


class EvoxError(Exception):
    """Base of what a caller did wrong; `code` and `status` are the API's."""

    code = "error"
    status = 400


class InvalidInputError(EvoxError):
    """A field that can't be used. HTTP 400."""

    code = "invalid"

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class NotYoursError(EvoxError):
    """The caller is known, but this isn't theirs to do. HTTP 403."""

    code = "forbidden"
    status = 403


class NotFoundError(EvoxError):
    """There is no such row. HTTP 404."""

    code = "not_found"
    status = 404


class StaleClaimError(EvoxError):
    """The claim no longer holds the dispatch. HTTP 409; `reason` is for machines."""

    code = "stale_claim"
    status = 409

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.code = reason
