#!/usr/bin/env python3
"""The oracle itself is tried: it passes honest accounts and names each kind of lie."""
import copy
import sys
import unittest

from oracle import judge

CLIENTS = [{"id": 1, "receipt": 0, "complete": True, "bytes": 10, "status": 200},
           {"id": 2, "receipt": 1, "complete": False, "bytes": 4, "status": 200},
           {"id": 3, "receipt": None, "complete": False, "bytes": 0, "status": None}]
UPSTREAM = [{"id": 1}, {"id": 2}]
LEAVES = [{"type": "ask.intent", "crossing": "a"}, {"type": "ask.intent", "crossing": "b"},
          {"type": "ask.outcome", "crossing": "a", "outcome": "delivered", "released_bytes": 10},
          {"type": "ask.outcome", "crossing": "b", "outcome": "cut", "released_bytes": 4}]


class Oracle(unittest.TestCase):
    def lie(self, change, killed=True):
        clients, upstream, leaves = (copy.deepcopy(x) for x in (CLIENTS, UPSTREAM, LEAVES))
        change(clients, upstream, leaves)
        return judge(clients, upstream, leaves, killed)

    def test_honest_accounts_agree(self):
        self.assertEqual(self.lie(lambda c, u, x: None, killed=False), [])

    def test_a_request_that_no_leaf_knows(self):
        self.assertTrue(self.lie(lambda c, u, x: u.append({"id": 3})))

    def test_an_intent_that_is_missing(self):
        self.assertTrue(self.lie(lambda c, u, x: x.__setitem__(0, {"type": "other"})))

    def test_an_answer_in_full_without_an_outcome(self):
        self.assertTrue(self.lie(lambda c, u, x: x.pop(2)))

    def test_an_answer_in_full_that_the_ledger_calls_cut(self):
        self.assertTrue(self.lie(lambda c, u, x: x[2].update(outcome="cut")))

    def test_more_bytes_than_the_leaf_admits(self):
        self.assertTrue(self.lie(lambda c, u, x: x[3].update(released_bytes=3)))

    def test_two_outcomes(self):
        self.assertTrue(self.lie(lambda c, u, x: x.append(dict(x[2]))))

    def test_a_receipt_used_twice(self):
        self.assertTrue(self.lie(lambda c, u, x: c[1].update(receipt=0)))

    def test_an_answer_without_receipt(self):
        self.assertTrue(self.lie(lambda c, u, x: c[2].update(complete=True)))

    def test_an_open_crossing_is_excused_only_by_a_kill(self):
        self.assertEqual(self.lie(lambda c, u, x: x.pop(3)), [])
        self.assertTrue(self.lie(lambda c, u, x: x.pop(3), killed=False))


if __name__ == "__main__":
    sys.exit(unittest.main())
