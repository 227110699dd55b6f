"""What people do with clickhouse-connect, against the warehouse on the given port."""

import datetime
import decimal
import sys

import clickhouse_connect
from clickhouse_connect.driver.exceptions import DatabaseError

port = int(sys.argv[1])
for compress in (False, True, "lz4", "zstd", "gzip"):
    client = clickhouse_connect.get_client(host="127.0.0.1", port=port, compress=compress)
    assert client.server_version.startswith("26."), client.server_version
    client.command("CREATE DATABASE IF NOT EXISTS market")
    client.command(
        "CREATE OR REPLACE TABLE market.trades (id UInt64, price Decimal(38, 18), at DateTime64(9, 'UTC'), "
        "tags Array(String), note Nullable(String)) ENGINE = MergeTree ORDER BY id"
    )
    at = datetime.datetime(2024, 8, 8, 12, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    rows = [[number, decimal.Decimal(number) / 8, at, ["a", "it's"], None if number % 2 else "x"] for number in range(20000)]
    summary = client.insert("market.trades", rows, column_names=["id", "price", "at", "tags", "note"])
    assert summary.written_rows == 20000, summary.summary
    result = client.query("SELECT * FROM market.trades WHERE id < {limit:UInt64} ORDER BY id", parameters={"limit": 3})
    assert [row[0] for row in result.result_rows] == [0, 1, 2]
    assert result.result_rows[1][1] == decimal.Decimal("0.125") and result.result_rows[1][3] == ["a", "it's"]
    assert result.result_rows[0][4] == "x" and result.result_rows[1][4] is None
    assert client.command("SELECT count() FROM market.trades") == 20000
    with client.query_row_block_stream("SELECT number FROM numbers(1000000)") as stream:
        assert sum(len(block) for block in stream) == 1000000
    client.command("CREATE TEMPORARY TABLE kept (a Int8)")
    client.command("INSERT INTO kept VALUES (1), (2)")
    assert client.query("SELECT sum(a) FROM kept").first_row[0] == 3
    client.raw_insert("market.trades", ["id", "price"], "30000,1.5\n", fmt="CSV")
    assert client.raw_query("SELECT price FROM market.trades WHERE id = 30000", fmt="CSV").strip() == b"1.5"
    for statement in ("SELECT nonsense", "SELECT throwIf(number = 900000, 'late') FROM numbers(1000000) SETTINGS max_threads = 1"):
        try:
            client.query(statement)
        except DatabaseError as error:
            assert "47" in str(error) or "late" in str(error), error
        else:
            raise AssertionError(statement)
    client.command("DROP TABLE market.trades")
    client.close()
print("all done")
