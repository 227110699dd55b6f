"""The rule that makes the history, against the definition of the two times and at random."""

import random
import unittest

from kt_orchestration.bitemporal import OPEN, Listing, Reading, Version, as_of, learn


def listing(key: int, content: int = 1, **more: int) -> Listing:
    return Listing(
        instrument_id=key, instrument=f"I{key}", symbol=f"S{key}", content_hash=content, attributes={}, **more
    )


def write(history: list[Version], rows: list[Version]) -> list[Version]:
    """What the table holds after the rows were inserted: of equal keys the last."""
    table = {(row.instrument_id, row.valid_from, row.known_from, row.valid_to): row for row in [*history, *rows]}
    return list(table.values())


class Rule(unittest.TestCase):
    def learn(self, history: list[Version], at: int, listings: list[Listing], **more: object) -> list[Version]:
        reading = Reading(at=at, complete=bool(more.pop("complete", True)), listings=tuple(listings), **more)  # type: ignore[arg-type]
        return write(history, learn(history, reading).rows)

    def test_a_change_is_known_from_when_it_was_seen(self) -> None:
        history = self.learn([], 100, [listing(1, 1, listed_at=50), listing(2, 1)])
        history = self.learn(history, 200, [listing(1, 2, listed_at=50), listing(2, 1)])
        self.assertEqual(as_of(history, 60, 150)[1].content_hash, 1)
        self.assertEqual(as_of(history, 199, 300)[1].content_hash, 1)
        self.assertEqual(as_of(history, 200, 300)[1].content_hash, 2)
        self.assertEqual(as_of(history, 250, 199)[1].content_hash, 1, "as known then, it still was the old one")
        self.assertNotIn(2, as_of(history, 60, 300), "without a listing time it is valid from when it was seen")

    def test_incomplete_and_failed_readings_close_nothing(self) -> None:
        history = self.learn([], 100, [listing(key) for key in range(30)])
        for more in ({"complete": False}, {"skipped": frozenset(f"S{key}" for key in range(3, 30))}):
            after = self.learn(history, 200, [listing(key) for key in range(3)], **more)
            self.assertEqual(len(as_of(after, 300, 300)), 30, more)
        halved = learn(history, Reading(at=200, complete=True, listings=tuple(listing(key) for key in range(3))))
        self.assertEqual((halved.closed, halved.rows), (0, []))
        self.assertIn("taken as incomplete", halved.problem)

    def test_what_was_to_end_ends_when_it_was_to(self) -> None:
        history = self.learn([], 100, [listing(1, ends_at=150), listing(2)])
        history = self.learn(history, 200, [listing(2)])
        self.assertEqual(set(as_of(history, 149, 300)), {1, 2})
        self.assertEqual(set(as_of(history, 150, 300)), {2})
        self.assertEqual(set(as_of(history, 160, 199)), {1, 2}, "before the second reading nobody knew")

    def test_relisted_under_the_same_id_leaves_the_pause_empty(self) -> None:
        history = self.learn([], 100, [listing(1, listed_at=10), listing(2)])
        history = self.learn(history, 200, [listing(2)])
        history = self.learn(history, 300, [listing(1, listed_at=10), listing(2)])
        self.assertEqual([1 in as_of(history, at, 400) for at in (150, 250, 350)], [True, False, True])

    def test_any_order_of_readings_keeps_the_invariants(self) -> None:
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}")
        chance = random.Random(seed)
        for _ in range(200):
            history: list[Version] = []
            believed: dict[int, dict[int, int]] = {}
            at = 0
            for _ in range(12):
                at += chance.randrange(0, 5)
                listings = [listing(key, chance.randrange(3)) for key in range(6) if chance.random() < 0.8]
                complete = chance.random() < 0.7
                before = max((row.known_from for row in history), default=0)
                history = self.learn(history, at, listings, complete=complete)
                now = {key: row.content_hash for key, row in as_of(history, at, at).items()}
                if at > before:
                    stated = {row.instrument_id: row.content_hash for row in listings}
                    self.assertEqual({key: now[key] for key in stated}, stated)
                    if complete:
                        self.assertEqual(set(now), set(stated))
                    believed[at] = now
            for moment, held in believed.items():
                seen = {key: row.content_hash for key, row in as_of(history, moment, moment).items()}
                self.assertEqual(seen, held, "what was believed then can still be asked")
            current = [row for row in history if row.known_to == OPEN]
            for one in current:
                for other in current:
                    if one is not other and one.instrument_id == other.instrument_id:
                        self.assertTrue(one.valid_to <= other.valid_from or other.valid_to <= one.valid_from)


if __name__ == "__main__":
    unittest.main()
