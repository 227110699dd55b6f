"""The instrument lists that an exchange published on two dates, through the mapping and into the history."""

import json
import os
import subprocess
import unittest
from pathlib import Path
from typing import Any

from kt_orchestration.bitemporal import Version, as_of, learn
from kt_orchestration.instruments import reading, take, timestamp
from kt_orchestration.warehouse import Warehouse

ROOT = Path(__file__).resolve().parent.parent.parent
RECORDINGS = Path(os.environ.get("KT_RECORDINGS") or ROOT / "../shared/data")
PROGRAM = os.environ.get("KT_PROGRAM", "")
# Rows with the same symbol on both dates, only on the second, only on the first: counted in the files.
VENUES = {"binance_usdm": ("20210417", "20210722", 11, 2), "okx": ("20210722", "20220513", 932, 587)}


def lists(venue: str, date: str) -> dict[str, dict[str, Any]]:
    file = RECORDINGS / "frames" / venue / f"{date}_reference.jsonl.zst"
    if not PROGRAM or not file.exists():
        print(f"SKIP: no kt in KT_PROGRAM, or no {file}")
        raise unittest.SkipTest("recorded lists")
    command = [PROGRAM, "venue", "instruments", venue, "--recording", str(file), "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, cwd="/", check=False)
    return {found["list"]: found for found in json.loads(answer.stdout)["venues"][0]["lists"]}


def symbols(found: dict[str, dict[str, Any]]) -> set[str]:
    return {row["symbol"] for one in found.values() for row in one["instruments"]}


class Lists(unittest.TestCase):
    def test_two_dates_make_the_history_that_they_state(self) -> None:
        for venue, (first, second, added, removed) in VENUES.items():
            before, after = lists(venue, first), lists(venue, second)
            skipped = {symbol for found in (before, after) for one in found.values() for symbol in one["skipped"]}
            total = {"opened": 0, "closed": 0}
            for name, found in after.items():
                start, end = reading(before[name]), reading(found)
                history = learn([], start).rows
                changes = learn(history, end)
                table: dict[tuple[int, int, int, int], Version] = {}
                for row in [*history, *changes.rows]:
                    table[row.instrument_id, row.valid_from, row.known_from, row.valid_to] = row
                total["opened"] += changes.opened
                total["closed"] += changes.closed
                self.assertEqual(changes.problem, "", f"{venue} {name}")
                then = as_of(table.values(), start.at, start.at)
                now = as_of(table.values(), end.at, end.at)
                self.assertEqual({row.symbol for row in then.values()}, {row.symbol for row in start.listings})
                self.assertEqual({row.symbol for row in now.values()}, {row.symbol for row in end.listings})
                # What was believed on the first date is still believed of the first date on the second.
                self.assertEqual(set(as_of(table.values(), start.at, end.at)), set(then))
            appeared, vanished = symbols(after) - symbols(before), symbols(before) - symbols(after)
            # OKX's options are in the files and not in the mapping.
            unnamed = len(skipped) if venue == "binance_usdm" else added
            self.assertTrue(added - unnamed <= len(appeared) <= added, venue)
            self.assertTrue(removed - unnamed <= len(vanished) <= removed, venue)
            # More where a symbol went over to another instrument.
            self.assertGreaterEqual(total["opened"], len(appeared), venue)
            self.assertEqual(total["opened"] - len(appeared), total["closed"] - len(vanished), venue)
            print(f"{venue}: {total}, {len(skipped)} symbols that the mapping cannot name")

    def test_the_warehouse_answers_as_of_joins(self) -> None:
        url = os.environ.get("KT_WAREHOUSE_URL")
        if not url:
            print("SKIP: no warehouse in KT_WAREHOUSE_URL")
            raise unittest.SkipTest("warehouse")
        warehouse = Warehouse(url=url)
        venue = "recorded_usdm"
        before, after = (lists("binance_usdm", date)["exchangeInfo"] for date in VENUES["binance_usdm"][:2])
        broken = {**after, "complete": False, "instruments": [], "problem": "cut off"}
        for found in (before, {**broken, "fetched_at": int(after["fetched_at"]) - 1}, after, after):
            take(warehouse, venue, found, "test")
        moments = {"before": int(before["fetched_at"]), "after": int(after["fetched_at"])}
        counts = {}
        for valid, valid_at in moments.items():
            for known, known_at in moments.items():
                counts[valid, known] = warehouse.value(
                    "SELECT count() FROM ref.instrument_as_of("
                    f"valid_at = '{timestamp(valid_at)}', known_at = '{timestamp(known_at)}') "
                    "WHERE venue = {venue:String}",
                    {"venue": venue},
                )
        first, second = len(before["instruments"]), len(after["instruments"])
        self.assertEqual(counts["before", "before"], first)
        self.assertEqual(counts["after", "after"], second)
        self.assertEqual(counts["after", "before"], first, "on the first date nobody knew of the second")
        joined = warehouse.rows(
            "SELECT t.symbol AS symbol, i.instrument AS instrument, i.valid_to > t.at AS lasts FROM "
            f"(SELECT 'recorded_usdm' AS venue, arrayJoin(['BTCUSDT', 'none']) AS symbol, "
            f"toDateTime64('{timestamp(moments['after'])}', 9, 'UTC') AS at) AS t "
            "ASOF LEFT JOIN (SELECT * FROM ref.instrument_validity) AS i "
            "ON t.venue = i.venue AND t.symbol = i.symbol AND t.at >= i.valid_from ORDER BY symbol"
        )
        self.assertEqual([row["instrument"] for row in joined], ["BTC-USDT-USDT-PERP", ""])


if __name__ == "__main__":
    unittest.main()
