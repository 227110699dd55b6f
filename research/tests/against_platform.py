#!/usr/bin/env python3
"""The package against a running platform; started by the platform's own tests.

    <python of the kernels> research/tests/against_platform.py WIDE NARROW

WIDE and NARROW are connection files: of an account with a large quota, and of one that gets 50 rows at most. The
platform runs the generated market for at least a minute.
"""

import decimal
import math
import sys
import unittest
import warnings
from typing import Any

import kubetrader as kt
import polars as pl

SPOT, PERPETUAL = "binance/BTC-USDT-SPOT", "binance_usdm/BTC-USDT-USDT-PERP"
WIDE, NARROW = sys.argv[1:3]


def one(client: kt.Client, sql: str, **parameters: str | int) -> Any:
    return client.sql(sql, parameters).row(0)


class AgainstPlatform(unittest.TestCase):
    def setUp(self) -> None:
        warnings.simplefilter("ignore", kt.GapWarning)
        self.client = kt.Client(path=WIDE)
        # What is landing while two statements run must not make them differ, and marts follow landing.
        newest = self.client.sql(
            "SELECT toUnixTimestamp(max(ts)) AS ts FROM marts.basis_1s WHERE basis_bps IS NOT NULL"
        )["ts"][0]
        self.end = (newest - 3) * 10**9
        self.start = self.end - 60 * 10**9

    def test_trades_are_those_of_the_warehouse(self) -> None:
        exact = self.client.trades(SPOT, self.start, self.end, exact=True)
        count, total, bought = one(
            self.client,
            """SELECT count(), toString(sum(toDecimal256(price, 18) * quantity)), countIf(side = 'buy')
            FROM landing.trade FINAL
            WHERE venue = 'binance' AND instrument = 'BTC-USDT-SPOT'
                AND event_ts >= fromUnixTimestamp64Nano({start:Int64})
                AND event_ts < fromUnixTimestamp64Nano({end:Int64})
            """,
            start=self.start,
            end=self.end,
        )
        self.assertEqual(exact.height, count)
        self.assertEqual((exact["side"] == "buy").sum(), bought)
        self.assertEqual(exact["price"].dtype, pl.Decimal(38, 18))
        with decimal.localcontext(prec=76):
            sums = sum((p * q for p, q in exact.select("price", "quantity").iter_rows()), decimal.Decimal(0))
            self.assertEqual(sums, decimal.Decimal(total))
        self.assertTrue(exact["event_ts"].is_sorted())
        self.assertEqual(str(exact["event_ts"].dtype), "Datetime(time_unit='ns', time_zone='UTC')")
        floats = self.client.trades(SPOT, self.start, self.end)
        # The engine's floats are the nearest or the one beside it.
        for near, price in zip(floats["price"], exact["price"], strict=True):
            self.assertTrue(math.isclose(near, float(price), rel_tol=4e-16), (near, price))
        pieces = list(self.client.trades(SPOT, self.start, self.end, stream=True, rows=1, columns=["price"]))
        self.assertEqual(pl.concat(pieces)["price"].to_list(), floats["price"].to_list())
        pandas = self.client.trades(SPOT, self.start, self.end, frame="pandas")
        self.assertEqual((len(pandas), pandas.attrs["kubetrader"]["venue"]), (count, "binance"))

    def test_a_book_is_the_one_that_was_quoted(self) -> None:
        self.assertGreater(self.client.quotes(SPOT, self.start, self.end, exact=True).height, 10)
        for second in range(0, 60, 12):
            book = self.client.book(SPOT, at=self.start + second * 10**9)
            self.assertLess(book.bids[0][0], book.asks[0][0])
            self.assertEqual([level[0] for level in book.bids], sorted((level[0] for level in book.bids), reverse=True))
            # Book and quotes count the same updates, on two channels that may lag behind each other.
            newest = self.client.sql(
                """SELECT argMax((bid_price, ask_price), sequence) AS touch FROM landing.quote FINAL
                WHERE venue = 'binance' AND instrument = 'BTC-USDT-SPOT' AND sequence <= {sequence:UInt64}
                """,
                {"sequence": book.sequence},
            )["touch"][0]
            self.assertEqual(list(newest.values()), [book.bids[0][0], book.asks[0][0]])
        levels = book.levels(exact=True)
        self.assertEqual(levels.filter(pl.col("side") == "ask")["price"][0], book.asks[0][0])

    def test_marts_orders_and_what_there_is(self) -> None:
        seconds = self.client.candles(SPOT, self.start, self.end, interval="1s", exact=True)
        longer = self.client.candles(SPOT, self.start, self.end, interval="7s", exact=True)
        self.assertEqual(longer["volume"].sum(), seconds["volume"].sum())
        self.assertEqual((longer["high"].max(), longer["low"].min()), (seconds["high"].max(), seconds["low"].min()))
        self.assertEqual((longer["open"][0], longer["close"][-1]), (seconds["open"][0], seconds["close"][-1]))
        basis = self.client.basis(PERPETUAL, self.start, self.end)
        wanted = (pl.col("perp_mid") - pl.col("spot_mid")) / pl.col("spot_mid") * 10_000
        self.assertLess(basis.select((wanted - pl.col("basis_bps")).abs().max()).item(), 1e-6)
        every = self.client.basis(PERPETUAL, self.start, self.end, every="10s")
        self.assertEqual(every["basis_bps"][-1], basis["basis_bps"].drop_nulls()[-1])
        funding = self.client.funding(PERPETUAL, self.start, self.end, stage="predicted")
        self.assertEqual(set(funding["stage"]), {"predicted"})
        year = (pl.col("apr") - pl.col("rate") * 86_400 / pl.col("interval_seconds") * 365).abs().max()
        self.assertLess(funding.select(year).item() or 0, 1e-9)
        kinds = self.client.coverage(SPOT).filter(pl.col("rows") > 0)["kind"].to_list()
        self.assertTrue({"trade", "quote", "book"} <= set(kinds), kinds)
        self.assertIn("state", self.client.gaps(SPOT).columns)
        self.assertGreater(self.client.instruments().height, 2)
        for steps in (False, True):
            self.assertIn("client_order_id", self.client.orders(steps=steps).columns)

    def test_what_cannot_be_says_why(self) -> None:
        with self.assertRaises(kt.UnknownInstrument) as unknown:
            self.client.trades("binance/BTC-USDT-SPOTT")
        self.assertIn(SPOT, unknown.exception.similar)
        with self.assertRaisesRegex(kt.NoData, "there is data from"):
            self.client.trades(SPOT, "2020-01-01", "2020-01-02")
        with self.assertRaisesRegex(kt.NoData, "is not known"):
            self.client.book(SPOT, at="2020-01-01")
        for sql in (
            "INSERT INTO landing.trade SELECT * FROM landing.trade",
            "DROP TABLE landing.trade",
            "SELECT * FROM remote('127.0.0.1:1', system.one)",
            "SELECT * FROM url('http://127.0.0.1:1/', 'TSV', 'a String')",
        ):
            with self.assertRaises(kt.WarehouseError, msg=sql):
                self.client.sql(sql)

    def test_a_result_larger_than_its_quota(self) -> None:
        narrow = kt.Client(path=NARROW)
        with self.assertRaisesRegex(kt.QuotaExceeded, "the result is larger than allowed.*What to do"):
            narrow.trades(SPOT, self.start, self.end, columns=["price"])
        with self.assertRaises(kt.QuotaExceeded):
            list(narrow.quotes(SPOT, self.start, self.end, stream=True))
        few = narrow.candles(SPOT, self.start, self.end)
        self.assertGreater(few.height, 0)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
