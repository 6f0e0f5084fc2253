"""Sends each message to a web service by POST, as JSON."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Sequence

from search.tracking.messages import Message
from search.tracking.sink import SinkPlace

SECONDS_TO_ANSWER = 10.0
"""Longest time without a byte from the service."""

TOKEN = "XSTILTS_WEBHOOK_TOKEN"  # noqa: S105  the name of a variable
"""Environment variable whose value, if there is one, is sent as a bearer token."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the token is for this service only."""

    def redirect_request(self, *args: object, **keywords: object) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Return None, which makes the answer an error."""
        del args, keywords


class WebhookSink:
    """See the module. The header `Idempotency-Key` names a message, so that a service can drop it the second time.

    Args:
        place: The sweep, and the URL or `$NAME`.
    """

    def __init__(self, place: SinkPlace) -> None:
        self._place = place
        self._opener = urllib.request.build_opener(_NoRedirects)

    def send(self, messages: Sequence[Message], /) -> None:
        """Send each message; an answer other than 2xx is an error.

        Raises:
            ConnectionError: The service did not take a message.
        """
        for message in messages:
            self._post(message)

    def close(self) -> None:
        """Do nothing: no message is buffered."""

    def _post(self, message: Message) -> None:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "xstilts",
            "Idempotency-Key": f"{self._place.origin}-{message.kind}-{message.id}",
        }
        if token := self._place.environment.get(TOKEN, "").strip():  # files of secrets end with a line break
            headers["Authorization"] = f"Bearer {token}"
        request = urllib.request.Request(  # noqa: S310  http or https: spaces/track.py checks a URL, `_url` a variable
            self._url(), data=message.model_dump_json().encode(), headers=headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=SECONDS_TO_ANSWER) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            msg = f"the service answered {error.code}"
            raise ConnectionError(msg) from None
        except ValueError:  # http.client's message holds the header
            msg = f"the request cannot be sent: {TOKEN} or the URL has characters that HTTP does not allow"
            raise ConnectionError(msg) from None
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)
            msg = f"the service did not answer ({type(reason).__name__})"
            raise ConnectionError(msg) from None

    def _url(self) -> str:
        """Return the URL; a variable's value is never in a message, because it may hold a token."""
        target = self._place.target
        if not target.startswith("$"):
            return target
        url = self._place.environment.get(target[1:], "")
        if not url.startswith(("http://", "https://")):
            msg = f"the environment variable {target[1:]} holds no URL of http or https; set it, then resume the sweep"
            raise ConnectionError(msg)
        return url
