"""Open days of the ledger into stretches for one run each."""

import unittest
from datetime import date, timedelta

from kt_orchestration.gaps import MOST_DAYS, PARTITIONS, OpenDay, open_days, stretches


class Stretches(unittest.TestCase):
    def test_days_that_follow_each_other_are_one_run(self) -> None:
        days = [OpenDay("a.trade", f"2024-02-{day}", 1) for day in ("28", "29")]
        days += [OpenDay("a.trade", "2024-03-01", 2), OpenDay("a.trade", "2024-03-03", 1)]
        days += [OpenDay("b.trade", "2024-03-02", 1)]
        found = [(stretch.channel, stretch.first, stretch.last, stretch.open) for stretch in stretches(days[::-1])]
        expected = [
            ("a.trade", "2024-02-28", "2024-03-01", 4),
            ("a.trade", "2024-03-03", "2024-03-03", 1),
            ("b.trade", "2024-03-02", "2024-03-02", 1),
        ]
        self.assertEqual(found, expected)

    def test_a_long_stretch_is_cut(self) -> None:
        first = date(2024, 1, 1)
        days = [OpenDay("a.trade", str(first + timedelta(days=day)), 1) for day in range(152)]
        found = stretches(days)
        self.assertEqual([stretch.open for stretch in found], [MOST_DAYS] * 4 + [152 - 4 * MOST_DAYS])

    def test_only_open_days_count_and_keys_are_partitions(self) -> None:
        listed: list[dict[str, object]] = [
            {"venue": "binance_usdm", "kind": "trade", "day": "2024-03-01", "state": "open", "open": 2},
            {"venue": "binance", "kind": "book", "day": "2024-03-01", "state": "unrecoverable", "open": 0},
        ]
        (stretch,) = stretches(open_days(listed))
        key = PARTITIONS.get_partition_key_from_str(stretch.keys[0])
        self.assertEqual(dict(key.keys_by_dimension), {"channel": "binance_usdm.trade", "day": "2024-03-01"})


if __name__ == "__main__":
    unittest.main()
