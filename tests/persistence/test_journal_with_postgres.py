"""Journal and PostgreSQL over connections that break at the worst moments."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from stamina.instrumentation import set_on_retry_hooks

from crdt_docs.identifiers import DocumentName
from persistence.circuit import Circuit
from persistence.journal import WriteBehindJournal
from persistence.pool import DatabasePool, connect
from persistence.ports import Commit, StorageUnavailable
from persistence.update_log import PostgresDocumentStore
from tests.helpers.breaking_proxy import BreakingProxy
from tests.helpers.commits import commit, document, log_of
from tests.helpers.database import socket_of
from tests.helpers.proving import few_or_many
from tests.helpers.waiting import until

ONE, TWO = document(1), document(2)


@dataclass
class Setting:
    journal: WriteBehindJournal
    store: PostgresDocumentStore
    direct: PostgresDocumentStore
    proxy: BreakingProxy
    poisoned: list[Commit]


@asynccontextmanager
async def setting(dsn: str) -> AsyncIterator[Setting]:
    """A journal that writes through a proxy, and a store beside it that does not."""
    set_on_retry_hooks(())
    poisoned: list[Commit] = []
    async with BreakingProxy(socket_of(dsn)) as proxy:
        pool = await DatabasePool.open(
            proxy.dsn(dsn),
            connect_timeout=0.5,
            command_timeout=0.5,
            circuit=Circuit(threshold=1_000),
        )
        direct = await DatabasePool.open(dsn)
        store = PostgresDocumentStore(pool)
        journal = WriteBehindJournal(
            store,
            on_poisoned=lambda entry, _: poisoned.append(entry),
            retry_initial=0.005,
            retry_max=0.02,
        )
        journal.start()
        try:
            yield Setting(journal, store, PostgresDocumentStore(direct), proxy, poisoned)
        finally:
            proxy.refuse = False
            proxy.resume()
            await journal.close(5.0)
            await pool.close(1.0)
            await direct.close()
            set_on_retry_hooks(None)


async def stored(store: PostgresDocumentStore, name: DocumentName) -> Sequence[Commit]:
    return await store.read_log(name, limit=100_000)


async def test_a_connection_cut_before_the_batch_arrives(database: str) -> None:
    async with setting(database) as the:
        the.proxy.cut_before(b"#1")
        the.journal.append(log_of(ONE, 1, 3))
        await the.journal.flush()
        assert list(await stored(the.direct, ONE)) == log_of(ONE, 1, 3)
        assert the.journal.retries == 1


async def test_an_answer_to_the_commit_that_is_lost(database: str) -> None:
    """LOG-4: it is stored, nobody knows; sent again it is stored once."""
    async with setting(database) as the:
        the.proxy.cut_after(TWO.encode())  # the request that carries the entries
        the.journal.append([*log_of(ONE, 1, 3), *log_of(TWO, 1, 2)])
        await the.journal.flush()
        assert list(await stored(the.direct, ONE)) == log_of(ONE, 1, 3)
        assert list(await stored(the.direct, TWO)) == log_of(TWO, 1, 2)
        assert the.journal.retries == 1
        assert the.proxy.cuts == 1


async def test_nothing_is_acknowledged_while_the_database_hangs(database: str) -> None:
    async with setting(database) as the:
        the.proxy.pause()
        the.journal.append(log_of(ONE, 1, 2))
        await until(lambda: the.journal.retries >= 2)
        assert the.journal.committed == 0
        assert isinstance(the.journal.last_error, StorageUnavailable)
        the.proxy.resume()
        await the.journal.flush()
        assert list(await stored(the.direct, ONE)) == log_of(ONE, 1, 2)


async def test_somebody_elses_entry_is_a_refusal_not_an_outage(database: str) -> None:
    """LOG-6, LOG-8: two servers wrote; neither overwrites, the later one learns of it."""
    async with setting(database) as the:
        await the.direct.commit([commit(ONE, 1, b"somebody else's")])
        the.journal.append([*log_of(ONE, 1, 2), *log_of(TWO, 1, 1)])
        await the.journal.flush()
        assert the.poisoned == [commit(ONE, 1)]
        assert [entry.update for entry in await stored(the.direct, ONE)] == [b"somebody else's"]
        assert list(await stored(the.direct, TWO)) == log_of(TWO, 1, 1)


async def test_a_missing_table_is_waited_out(own_database: str) -> None:
    """LOG-3: an operator's mistake costs nobody an edit."""
    async with setting(own_database) as the:
        connection = await connect(own_database)
        await connection.execute("ALTER TABLE document_authors RENAME TO elsewhere")
        the.journal.append(log_of(ONE, 1, 2))
        await until(lambda: the.journal.retries >= 2)
        assert the.poisoned == []
        await connection.execute("ALTER TABLE elsewhere RENAME TO document_authors")
        await connection.close()
        await the.journal.flush()
        assert list(await stored(the.direct, ONE)) == log_of(ONE, 1, 2)


@pytest.mark.parametrize("seed", range(few_or_many(3, 40)))
async def test_random_cuts_lose_double_and_reorder_nothing(database: str, seed: int) -> None:
    """LOG-1 to LOG-4 over a real connection."""
    dice = random.Random(seed)
    names = [document(number) for number in range(5)]
    sent: dict[DocumentName, list[Commit]] = {name: [] for name in names}
    async with setting(database) as the:
        for _ in range(60):
            for _ in range(dice.randint(1, 10)):
                name = dice.choice(names)
                entry = commit(name, len(sent[name]) + 1, dice.randbytes(40))
                sent[name].append(entry)
                the.journal.append([entry])
            match dice.randint(0, 7):
                case 0:
                    the.proxy.cut()
                case 1:
                    the.proxy.cut_after(TWO.encode())  # the request that carries the entries
                case 2:
                    the.proxy.cut_after(b"INSERT INTO document_updates")
                case 3:
                    the.proxy.cut_before(b"COMMIT")
                case 4:
                    the.proxy.refuse = not the.proxy.refuse
            await asyncio.sleep(dice.choice([0, 0.001, 0.005, 0.01]))
        the.proxy.refuse = False
        async with asyncio.timeout(20):
            await the.journal.flush()
        assert the.proxy.cuts > 0
        assert the.poisoned == []
        for name in names:
            assert list(await stored(the.direct, name)) == sent[name]
