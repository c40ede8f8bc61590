"""Waiting for something that another process or task brings about."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def until(
    condition: Callable[[], bool | Awaitable[bool]], *, within: float = 10.0, every: float = 0.005
) -> None:
    """Return as soon as a condition holds.

    Args:
        condition: asked again and again; may be a coroutine function.
        within: seconds after which TimeoutError is raised.
        every: seconds between questions.
    """
    async with asyncio.timeout(within):
        while True:
            answer = condition()
            if await answer if inspect.isawaitable(answer) else answer:
                return
            await asyncio.sleep(every)
