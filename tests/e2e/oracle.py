"""The oracle of the kill campaigns: compares three accounts of the same crossings that were written by
three parties: the client (what it asked and what reached it), the model server (what reached it) and
the ledger (what the door says). It knows nothing of how the door works, only what the leaves promise.

Client record:  {"id": N, "receipt": index or None, "complete": bool, "bytes": released text bytes,
                 "status": HTTP status or None}
Upstream record: {"id": N} for every request that arrived, in order.
Leaf:           {"type": "ask.intent" | "ask.outcome" | ..., "crossing": ID, "outcome": ...,
                 "released_bytes": N}, in the order of the ledger; list index = leaf index; the
                 event's own fields are lifted beside its type.
"""


def judge(clients, upstream, leaves, killed):
    """The list of broken promises, each a sentence; empty when all accounts agree. `killed` says that
    processes died: then a crossing may lack its end, but only as `unknown` or as the last word of a
    dead door."""
    wrong = []
    intents = {}
    outcomes = {}
    for index, leaf in enumerate(leaves):
        crossing = leaf.get("crossing")
        if leaf.get("type") == "ask.intent":
            if crossing in intents:
                wrong.append(f"crossing {crossing} has two intents")
            intents[crossing] = index
        elif leaf.get("type") == "ask.outcome":
            if crossing not in intents:
                wrong.append(f"crossing {crossing} has an outcome and no intent")
            if crossing in outcomes:
                wrong.append(f"crossing {crossing} has two outcomes")
            outcomes[crossing] = leaf
    reached = {record["id"] for record in upstream}
    if len(reached) > len(intents):
        wrong.append(f"{len(reached)} requests reached the model server and the ledger knows of "
                     f"{len(intents)}")
    seen = {}
    for client in clients:
        wrong += judge_client(client, reached, leaves, outcomes, seen)
    if not killed:
        for crossing in intents.keys() - outcomes.keys():
            wrong.append(f"crossing {crossing} has no outcome although nothing was killed")
    return wrong


def judge_client(client, reached, leaves, outcomes, seen):
    wrong = []
    name = f"request {client['id']}"
    receipt = client.get("receipt")
    if receipt is None:
        if client["complete"]:
            wrong.append(f"{name} was answered in full without a receipt")
        return wrong
    if receipt in seen:
        wrong.append(f"{name} and request {seen[receipt]} share receipt {receipt}")
    seen[receipt] = client["id"]
    leaf = leaves[receipt] if receipt < len(leaves) else {}
    if leaf.get("type") != "ask.intent":
        return wrong + [f"{name}: its receipt {receipt} names no intent"]
    if client["complete"] and client["id"] not in reached:
        wrong.append(f"{name} was answered although it never reached the model server")
    outcome = outcomes.get(leaf["crossing"])
    if client["complete"]:
        if outcome is None:
            wrong.append(f"{name} was answered in full and has no outcome")
        elif outcome["outcome"] not in ("delivered", "transformed", "unknown"):
            wrong.append(f"{name} was answered in full; its outcome says {outcome['outcome']}")
    if outcome is not None and outcome["outcome"] != "unknown" and \
            client["bytes"] > outcome.get("released_bytes", 0):
        wrong.append(f"{name} got {client['bytes']} bytes; its outcome admits "
                     f"{outcome.get('released_bytes', 0)}")
    return wrong
