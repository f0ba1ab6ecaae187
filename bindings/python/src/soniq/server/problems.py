"""What a request is refused with: an HTTP status and OpenAI's form of an error."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# OpenAI's names of kinds of errors, by the status that they come with.
KINDS = {
    401: "authentication_error",
    404: "not_found_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}


class Problem(Exception):
    """Why a request has no answer.

    Attributes:
        status: of HTTP.
        message: one line for whoever wrote the request.
        code: a word for programs, or None.
        parameter: the field of the request that it is about, or None.
        retry_after: seconds after which the same request may work, or None.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        parameter: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.parameter = parameter
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """It in OpenAI's form."""
        other = "server_error" if self.status >= 500 else "invalid_request_error"
        kind = KINDS.get(self.status, other)
        return {"error": {"message": self.message, "type": kind, "param": self.parameter, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Those of the response."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        return headers | ({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})


def full(what: str, seconds: int) -> Problem:
    """For a queue that has no place."""
    return Problem(
        429, f"{what}: try again in {seconds} s", code="queue_full", retry_after=seconds
    )


def too_late(seconds: float) -> Problem:
    """For a request whose time is over."""
    return Problem(504, f"the answer was not complete after {seconds:g} s, the most for a request", code="timeout")


def closing() -> Problem:
    """For what a server that ends cannot finish."""
    return Problem(503, "the server is shutting down", code="shutting_down", retry_after=1)


def broken(error: BaseException) -> Problem:
    """For what is no fault of the request."""
    return Problem(500, f"the model failed: {error}", code="model_failed")


def wrong_fields(errors: Sequence[Any]) -> Problem:
    """400 for what pydantic says of a body: something for each type that a field may have."""
    first = errors[0]
    if first["type"] == "json_invalid":
        return Problem(400, f"the body is no JSON: {first.get('ctx', {}).get('error', first['msg'])}")
    field = first["loc"][1] if len(first["loc"]) > 1 else None
    if field is None:
        return Problem(400, f"the body: {first['msg']}")
    texts = dict.fromkeys(error["msg"] for error in errors if error["loc"][1:2] == (field,))
    return Problem(400, f"{field}: {', or '.join(texts)}", parameter=str(field))
