#!/usr/bin/env python3
"""Kills the parts of a working door at random, again and again, under load, and asks the oracle whether
client, model server and ledger still tell one story.

    kill_campaign.py DOOR_ALONE SOURCE_ROOT [KILLS [SEED]]
"""
import http.client
import json
import random
import sys
import threading
import time

from oracle import judge
from rig import KEY, PARTS, Rig

CLIENTS = 6


class Load(threading.Thread):
    """One client: asks without a pause and writes down what reached it."""

    def __init__(self, rig, number, stop):
        super().__init__()
        self.rig, self.number, self.stop, self.records = rig, number, stop, []

    def run(self):
        n = 0
        while not self.stop.is_set():
            record = {"id": f"{self.number}-{n}", "receipt": None, "complete": False, "bytes": 0,
                      "status": None}
            try:
                self.ask(record, streamed=n % 3 != 0)
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.01)
            self.records.append(record)
            n += 1

    def ask(self, record, streamed):
        connection = http.client.HTTPConnection("127.0.0.1", self.rig.port, timeout=5)
        try:
            text = f"request {record['id']} asks for its words back, please, all of them"
            connection.request("POST", "/v1/chat/completions", json.dumps({
                "model": "scripted", "stream": streamed,
                "messages": [{"role": "user", "content": text}]}),
                {"Authorization": "Bearer " + KEY, "Content-Type": "application/json"})
            answer = connection.getresponse()
            record["status"] = answer.status
            receipt = answer.getheader("x-stoplog-receipt")
            if receipt is not None:
                record["receipt"] = int(receipt.rsplit("/", 1)[1])
            if answer.status != 200:
                answer.read()
            elif streamed:
                self.read_stream(answer, record)
            else:
                message = json.loads(answer.read())["choices"][0]["message"]
                record["bytes"] = len(message["content"].encode())
                record["complete"] = True
        finally:
            connection.close()

    @staticmethod
    def read_stream(answer, record):
        for line in answer:
            if line == b"data: [DONE]\n":
                record["complete"] = True
            elif line.startswith(b"data: {"):
                event = json.loads(line[6:])
                for choice in event.get("choices", []):
                    record["bytes"] += len((choice["delta"].get("content") or "").encode())


def request_id(body):
    """The id that the client put into its words, as the model server saw it."""
    return {"id": body["messages"][-1]["content"].split()[1]}


def kill_at_random(rig, kills, chance):
    """Kills and starts parts under load; returns the kills by part and what the clients saw."""
    stop = threading.Event()
    clients = [Load(rig, number, stop) for number in range(CLIENTS)]
    for client in clients:
        client.start()
    killed = dict.fromkeys(PARTS, 0)
    try:
        for _ in range(kills):
            time.sleep(chance.uniform(0.02, 0.25))
            victim = chance.choice(PARTS)
            rig.kill(victim)
            killed[victim] += 1
            time.sleep(chance.uniform(0, 0.05))
            rig.start(victim)
        time.sleep(0.5)
    finally:
        stop.set()
        for client in clients:
            client.join()
    time.sleep(0.2)
    return killed, [record for client in clients for record in client.records]


def report(rig, title, records):
    upstream = [request_id(line["body"]) for line in rig.upstream_log()]
    leaves = rig.leaves()
    wrong = judge(records, upstream, leaves, killed=True)
    complete = sum(record["complete"] for record in records)
    print(f"{title}; {len(records)} requests, {complete} answered in full, {len(upstream)} at the "
          f"model server, {len(leaves)} leaves; {len(wrong)} wrong")
    for sentence in wrong[:20]:
        print("  " + sentence)
    if complete == 0:
        print("  nothing was answered in full: the campaign showed nothing")
    return 1 if wrong or complete == 0 else 0


def main():
    door, root = sys.argv[1], sys.argv[2]
    kills = int(sys.argv[3]) if len(sys.argv) > 3 else 20
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else int(time.time())
    rig = Rig(door, root, delay_ms=1)
    status = 1
    try:
        killed, records = kill_at_random(rig.up(), kills, random.Random(seed))
        status = report(rig, f"seed {seed}: killed {killed}", records)
    finally:
        rig.down(keep=status != 0)
        if status != 0:
            print("  kept: " + rig.dir)
    return status


if __name__ == "__main__":
    sys.exit(main())
