# SPDX-License-Identifier: Apache-2.0
"""Passwords are hashed in few threads, and only so much may wait for them."""

from __future__ import annotations

import asyncio
import threading

import pytest

from genkan.listener.password_pool import MOST_WAITING, THREADS, PasswordPool, PoolBusy


def test_a_result_and_an_error_come_back() -> None:
    async def run() -> None:
        pool = PasswordPool(asyncio.get_running_loop())
        assert await pool.run(lambda left, right: left + right, 1, right=2) == 3
        with pytest.raises(ZeroDivisionError):
            await pool.run(lambda: 1 // 0)
        pool.close()

    asyncio.run(run())


def test_beyond_the_bound_the_pool_is_busy_and_then_free_again() -> None:
    async def run() -> None:
        pool = PasswordPool(asyncio.get_running_loop())
        gate = threading.Event()
        waiting = [asyncio.ensure_future(pool.run(gate.wait)) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        with pytest.raises(PoolBusy):
            await pool.run(gate.wait)
        gate.set()
        assert await asyncio.gather(*waiting) == [True] * MOST_WAITING
        assert await pool.run(gate.wait) is True
        pool.close()

    asyncio.run(run())


def test_no_more_than_its_threads_work_at_a_time() -> None:
    async def run() -> None:
        pool = PasswordPool(asyncio.get_running_loop())
        lock, now, most = threading.Lock(), 0, 0

        def work() -> None:
            nonlocal now, most
            with lock:
                now += 1
                most = max(most, now)
            threading.Event().wait(0.002)
            with lock:
                now -= 1

        await asyncio.gather(*[pool.run(work) for _ in range(20)])
        assert most == THREADS
        pool.close()

    asyncio.run(run())
