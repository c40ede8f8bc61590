"""One person's calls of this server's REST API, measured.

A call is due when the story says so, and not when the one before was answered: how long it took is
counted from there, unless it follows another one without a pause.
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic_ns
from typing import Any, Final, Protocol
from uuid import uuid4

import httpx

from loadtest.measures import Count, Delay, Measures
from loadtest.seat import Seat

TIMEOUT_SECONDS: Final = 30.0
CONNECTIONS: Final = 100
"""Of one process at once; further calls wait for one, and that counts as theirs."""


def connect(seat: Seat) -> httpx.AsyncClient:
    """The connections that everybody of a process who is asked for the same API shares."""
    limits = httpx.Limits(max_connections=CONNECTIONS)
    return httpx.AsyncClient(base_url=seat.api, timeout=TIMEOUT_SECONDS, limits=limits)


class OwnTime(Protocol):
    """When things are due (`loadtest.timeline`)."""

    due: int

    def waited(self) -> None:
        """Waiting for the server is over."""


class Rest:
    """The calls of one person, one at a time.

    Args:
        client: shared with others.
        seat: whose token, and which session.

    Attributes:
        is_throttled: the last call was told to come again later.
    """

    def __init__(
        self, client: httpx.AsyncClient, seat: Seat, measures: Measures, time: OwnTime
    ) -> None:
        self.is_throttled = False
        self._client = client
        self._measures = measures
        self._time = time
        self._headers = {"Authorization": f"Bearer {seat.token}"}
        self._session = seat.session
        self._here = f"/ocw/sessions/{seat.session}"
        self._begun = 0
        self._due = -1

    async def search(self, words: str) -> list[dict[str, Any]]:
        """Objects and annotations of the session in which the words are."""
        query = {"q": words, "session_id": self._session}
        return _items(await self._call("GET", "/ocw/search", query=query))

    async def versions(self, object_id: str) -> list[dict[str, Any]]:
        """A page of an object's history, newest first."""
        return _items(await self._call("GET", f"{self._here}/objects/{object_id}/history"))

    async def state(self, at: str | None = None) -> dict[str, Any]:
        """The document as it is, or as it was at a time (RFC 3339); empty: no answer."""
        query = {} if at is None else {"at": at}
        return await self._call("GET", f"{self._here}/state", query=query) or {}

    async def create(self, fields: Mapping[str, Any]) -> str | None:
        """A new object; its id, None if it was refused."""
        made = await self._call("POST", f"{self._here}/objects", body={**fields})
        return None if made is None else str(made["id"])

    async def change(self, object_id: str, patch: Mapping[str, Any]) -> None:
        """Change an object by a merge patch."""
        await self._call("PATCH", f"{self._here}/objects/{object_id}", body=patch)

    async def restore(self, object_id: str, version: int) -> None:
        """Make an object what it was in a version."""
        body = {"version": version}
        await self._call("POST", f"{self._here}/objects/{object_id}/restore", body=body)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> dict[str, Any] | None:
        """The `data` of the answer; None: it was refused, or there was none. Both are counted."""
        begun = self._begin()
        headers = self._headers
        if method == "POST":
            headers = {**headers, "Idempotency-Key": str(uuid4())}
        try:
            answer = await self._client.request(
                method, path, params=query, json=body, headers=headers
            )
        except httpx.HTTPError as error:
            self._measures.count(Count.REST_ERRORS)
            self._measures.error(f"{method} {type(error).__name__}: {error}")
            return None
        finally:
            self._end(begun)
        return self._data(answer)

    def _begin(self) -> int:
        """When this call was due: by the story, or when the one before was answered."""
        if self._time.due != self._due:
            self._due = self._begun = self._time.due
        return self._begun

    def _end(self, begun: int) -> None:
        now = self._begun = monotonic_ns()
        self._time.waited()
        self._measures.count(Count.REST_CALLS)
        self._measures.delay(Delay.REST, now, now - begun)

    def _data(self, answer: httpx.Response) -> dict[str, Any] | None:
        self.is_throttled = answer.status_code == httpx.codes.TOO_MANY_REQUESTS
        if answer.is_success:
            data: dict[str, Any] = answer.json()["data"]
            return data
        self._measures.count(_kind_of(answer.status_code))
        if self.is_throttled:
            self._measures.count(Count.THROTTLED)
        else:
            self._measures.error(f"{answer.request.method} {answer.status_code}: {_why(answer)}")
        return None


def _kind_of(status: int) -> Count:
    return Count.REST_ERRORS if status >= httpx.codes.INTERNAL_SERVER_ERROR else Count.REFUSALS


def _why(answer: httpx.Response) -> str:
    """What kind of error it is, in this API's envelope; else the beginning of the answer."""
    try:
        return str(answer.json()["error"]["code"])
    except (ValueError, KeyError, TypeError):  # something before the server has answered
        return answer.text[:100]


def _items(data: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [] if data is None else list(data["items"])
