"""The package without a platform: moments, refusals, books, names, and results that break off."""

import datetime
import http.server
import threading
import unittest
from collections.abc import Callable
from decimal import Decimal

import kubetrader
import pyarrow as pa
from kubetrader import books, config, frames, moments, tables, transport
from kubetrader.catalogue import Catalogue, Market

SCHEMA = pa.schema([("event_ts", pa.timestamp("ns", tz="UTC")), ("price", pa.float64())])
REFUSED = "Code: 396. DB::Exception: Limit for result exceeded, max rows: 20.00 million (TOO_MANY_ROWS_OR_BYTES)"


class Moments(unittest.TestCase):
    def test_what_is_written_is_what_is_meant(self) -> None:
        ten = 1_795_341_600 * 10**9
        utc = datetime.UTC
        for moment, wanted in (
            ("2026-11-22T10:00:00Z", ten),
            ("2026-11-22T12:00:00+02:00", ten),
            ("2026-11-22 10:00", ten),
            ("2026-11-22T10:00:00.123456789Z", ten + 123_456_789),
            ("2026-11-22", ten - 10 * 3600 * 10**9),
            (datetime.date(2026, 11, 22), ten - 10 * 3600 * 10**9),
            (datetime.datetime(2026, 11, 22, 10, 0, 0, 5, utc), ten + 5_000),
            (datetime.datetime(2026, 11, 22, 10), ten),
            (ten + 1, ten + 1),
        ):
            self.assertEqual(moments.nanoseconds(moment), wanted, moment)
        self.assertEqual(moments.nanoseconds("-90s", now=ten), ten - 90 * 10**9)
        for moment in (ten, ten + 1, ten + 120_000_000):
            self.assertEqual(moments.nanoseconds(moments.spoken(moment)), moment)
        for wrong in ("yesterday", "-2", "2026-13-01", "-2 fortnights"):
            with self.assertRaisesRegex(ValueError, "write"):
                moments.nanoseconds(wrong)


class Refusals(unittest.TestCase):
    def test_each_code_has_its_error_and_its_advice(self) -> None:
        for code, kind, words in (
            (396, kubetrader.QuotaExceeded, "shorter range"),
            (241, kubetrader.QuotaExceeded, "memory"),
            (202, kubetrader.QuotaExceeded, "wait"),
            (164, kubetrader.AccessDenied, "may not"),
            (516, kubetrader.AccessDenied, "may not"),
            (62, kubetrader.WarehouseError, "said"),
        ):
            error = transport.refusal(
                f"Code: {code}. DB::Exception: said so (NAME) (version 26.7 (official build))", "ann"
            )
            self.assertIs(type(error), kind)
            self.assertEqual(error.code, code)
            self.assertRegex(str(error), words)
            self.assertNotIn("version", str(error))


class Books(unittest.TestCase):
    def test_levels_are_set_removed_and_exact(self) -> None:
        bids: books.Levels = {}
        asks: books.Levels = {}
        row = {
            "price_exponent": -2,
            "quantity_exponent": -8,
            "bid_prices": [10_001, 10_000],
            "bid_quantities": [150_000_000, books.ESCAPE],
            "ask_prices": [10_002],
            "ask_quantities": [1],
            "escaped": ["123456789012345678901.5"],
        }
        books.apply(row, bids, asks)
        self.assertEqual(bids, {Decimal("100.01"): Decimal("1.5"), Decimal("100"): Decimal("123456789012345678901.5")})
        self.assertEqual(asks, {Decimal("100.02"): Decimal("0.00000001")})
        # The same price in another exponent is the same level.
        row = {**row, "price_exponent": 0, "bid_prices": [100], "bid_quantities": [0], "ask_prices": [], "escaped": []}
        books.apply({**row, "ask_quantities": []}, bids, asks)
        self.assertEqual(list(bids), [Decimal("100.01")])


class Names(unittest.TestCase):
    def setUp(self) -> None:
        known = {
            Market("binance", "BTC-USDT-SPOT"): "BTCUSDT",
            Market("okx", "BTC-USDT-SPOT"): "BTC-USDT",
            Market("binance_usdm", "ETH-USDT-USDT-PERP"): "ETHUSDT",
        }

        class Known(Catalogue):
            def _learn(self, name: str) -> None:
                self._symbols = known

        self.catalogue = Known(transport.Session(config.Connection("http://127.0.0.1:1")))

    def test_a_market_is_found_and_near_names_are_told(self) -> None:
        self.assertEqual(self.catalogue.market("okx/BTC-USDT-SPOT"), Market("okx", "BTC-USDT-SPOT"))
        self.assertEqual(self.catalogue.market("ETH-USDT-USDT-PERP").venue, "binance_usdm")
        for name, venue, words, similar in (
            ("BTC-USDT-SPOT", None, "several venues", "okx/BTC-USDT-SPOT"),
            ("ETHUSDT", None, "similar", "binance_usdm/ETH-USDT-USDT-PERP"),
            ("ETH-USDT-PERP", None, "similar", "binance_usdm/ETH-USDT-USDT-PERP"),
            ("BTC-USDT-SPOT", "kraken", "no venue kraken", "okx"),
        ):
            with self.assertRaisesRegex(kubetrader.UnknownInstrument, words) as caught:
                self.catalogue.market(name, venue)
            self.assertIn(similar, caught.exception.similar)

    def test_columns_that_are_none_are_named(self) -> None:
        with self.assertRaisesRegex(ValueError, r"no such column: prize; there are event_ts"):
            tables.trades().sql(["price", "prize"], exact=False)
        self.assertIn("toFloat64(t.price)", tables.trades().sql(["price"], exact=False))
        self.assertNotIn("toFloat64", tables.trades().sql(["price"], exact=True))


def arrow(*sizes: int) -> bytes:
    """A stream of batches; the first number is the first row's time."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        start = 0
        for size in sizes:
            times = pa.array(range(start, start + size), SCHEMA.field(0).type)
            writer.write_batch(pa.record_batch([times, pa.array([1.5] * size)], schema=SCHEMA))
            start += size
    return bytes(sink.getvalue().to_pybytes())


class Server:
    """Answers each request with the same bytes; with `cut` the connection ends in the midst of the body."""

    def __init__(self, body: bytes, status: int = 200, cut: bool = False) -> None:
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for at in range(0, len(body), 1000):
                    piece = body[at : at + 1000]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                if not cut:
                    self.wfile.write(b"0\r\n\r\n")
                self.close_connection = True

            log_message: Callable[..., None] = lambda *_: None

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.session = transport.Session(config.Connection(f"http://127.0.0.1:{self.server.server_port}", "ann"))

    def __enter__(self) -> transport.Session:
        return self.session

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()


class Results(unittest.TestCase):
    def test_whole_results_arrive_and_pieces_have_their_size(self) -> None:
        with Server(arrow(500, 500, 100)) as session:
            table = session.table("SELECT 1")
            self.assertEqual(table.num_rows, 1100)
            frame = frames.frame(table)
            self.assertEqual(str(frame["event_ts"].dtype), "Datetime(time_unit='ns', time_zone='UTC')")
            sizes = [piece.height for piece in frames.pieces(session.stream("SELECT 1"), 800, "polars", {})]
            self.assertEqual(sizes, [1000, 100])
            made = frames.frame(session.table("SELECT 1"), "pandas", {"venue": "binance"})
            self.assertEqual((len(made), made.attrs["kubetrader"]["venue"]), (1100, "binance"))

    def test_a_result_that_breaks_off_is_never_taken_for_whole(self) -> None:
        whole = arrow(500, 500, 100)
        said = f"\r\n__exception__\r\nabc\r\n{REFUSED}\n{len(REFUSED) + 1} abc\r\n__exception__\r\n".encode()
        for at in (len(whole) - 8, len(whole) // 2, len(arrow(500)) - 8):
            with Server(whole[:at] + said, cut=True) as session, self.assertRaises(kubetrader.QuotaExceeded) as caught:
                session.table("SELECT 1")
            self.assertEqual(caught.exception.code, 396)
            with Server(whole[:at], cut=True) as session, self.assertRaises(kubetrader.Unreachable):
                session.table("SELECT 1")

    def test_refusals_before_the_first_row(self) -> None:
        with Server(REFUSED.encode(), status=500) as session, self.assertRaises(kubetrader.QuotaExceeded):
            session.table("SELECT 1")
        with Server(b"Code: 516. DB::Exception: ann: Authentication failed", status=403) as session:
            self.assertRaises(kubetrader.AccessDenied, session.table, "SELECT 1")
        nobody = transport.Session(config.Connection("http://127.0.0.1:1"))
        self.assertRaisesRegex(kubetrader.Unreachable, "kt status", nobody.table, "SELECT 1")


if __name__ == "__main__":
    unittest.main()
