"""Requests that wait at the same time are answered together, because one call for many histories costs less."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from anyio import CapacityLimiter, to_thread

from leaven.serving.requests import MAX_BATCH, RecommendBody
from leaven.serving.service import RecommenderService

Answers = list[dict[str, object]]


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A request that waits. is_alone: it is not joined with others, because its work or its errors are its own."""

    bodies: Sequence[RecommendBody]
    answers: asyncio.Future[Answers]
    is_alone: bool


class RequestBatcher:
    """Answers requests in one thread: a request that finds it idle is answered alone, without a delay; those that
    arrive meanwhile are answered together, at most 256 histories in one call.

    Requests with `filter` or `explain` are answered alone.
    """

    def __init__(self, service: RecommenderService) -> None:
        self._service, self._waiting, self._limiter = service, deque[_Waiting](), CapacityLimiter(1)
        self._worker: asyncio.Task[None] | None = None

    async def answer(self, bodies: Sequence[RecommendBody], timeout_seconds: float) -> Answers:
        """One answer per body. Raises TimeoutError, and the errors of `RecommenderService.recommend`."""
        is_alone = any(body.filter or body.explain for body in bodies)
        waiting = _Waiting(bodies, asyncio.get_running_loop().create_future(), is_alone)
        self._waiting.append(waiting)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await asyncio.wait_for(waiting.answers, timeout_seconds)

    async def _work(self) -> None:
        while self._waiting:
            batch = self._take_batch()
            bodies = [body for one in batch for body in one.bodies]
            try:
                found = await to_thread.run_sync(self._service.recommend, bodies, limiter=self._limiter)
            except Exception as error:  # it belongs to these requests; the next ones are answered
                for one in batch:
                    if not one.answers.done():
                        one.answers.set_exception(error)
                continue
            for one in batch:
                own, found = found[: len(one.bodies)], found[len(one.bodies) :]
                if not one.answers.done():
                    one.answers.set_result(own)

    def _take_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = 0
        while self._waiting:
            one = self._waiting[0]
            if batch and (one.is_alone or count + len(one.bodies) > MAX_BATCH):
                break
            self._waiting.popleft()
            if one.answers.done():
                continue
            batch.append(one)
            count += len(one.bodies)
            if one.is_alone:
                break
        return batch
