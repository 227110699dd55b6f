"""Everything that Dagster is to know can be loaded, and lineage reaches from the exchange to the marts."""

import unittest

from dagster import AssetKey
from kt_orchestration.definitions import defs


class Load(unittest.TestCase):
    def test_the_repository_loads_whole(self) -> None:
        repository = defs.get_repository_def()
        repository.load_all_definitions()
        jobs = {"instruments", "backfill", "transformations", "backtests"}
        self.assertLessEqual(jobs, set(repository.job_names))
        schedules = {f"{job}_schedule" for job in jobs - {"backfill"}}
        self.assertEqual({schedule.name for schedule in repository.schedule_defs}, schedules)
        self.assertEqual({sensor.name for sensor in repository.sensor_defs}, {"open_gaps", "outcomes"})

    def test_lineage_reaches_from_the_exchange_to_the_report(self) -> None:
        graph = defs.resolve_asset_graph()
        marts = [["marts", name] for name in ("basis_daily", "funding_daily", "carry_daily", "feed_quality_daily")]
        for mart in [*marts, ["ref", "instrument_history"], ["reports", "backtest"]]:
            seen = {AssetKey(mart)}
            waiting = list(seen)
            while waiting:
                for parent in graph.get(waiting.pop()).parent_keys - seen:
                    seen.add(parent)
                    waiting.append(parent)
            self.assertTrue(any(key.path[0] == "exchange" for key in seen), mart)

    def test_every_model_has_checks(self) -> None:
        graph = defs.resolve_asset_graph()
        checked = {key.asset_key for key in graph.asset_check_keys}
        made = {key for key in graph.materializable_asset_keys if key.path[0] in ("marts", "staging", "ref")}
        self.assertEqual(made - checked, set())
        self.assertGreaterEqual(len(made), 9)


if __name__ == "__main__":
    unittest.main()
