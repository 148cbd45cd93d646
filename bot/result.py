"""What the referee's result.json says, in the ledger's words: nested facts made flat, unknown ones dropped. Pure."""

import json
from typing import Any

LEAK = {"dose": "dose", "bpb": "leak", "bound": "leak_bound"}
AUDIT = {"gap": "audit_gap", "error": "audit_error", "z": "audit_z"}
REPRODUCTION_CHARS = 2000


def flat(result: dict[str, Any]) -> dict[str, Any]:
    """Fields of a `Measurement`; `machine` is the fingerprint alone, `value` the bits per byte. `result` is left as it is."""
    known = {k: v for k, v in result.items() if v is not None}
    leak, audit, neighbours, machine = (known.pop(name, {}) for name in ("leak", "audit", "neighbours", "machine"))
    curve = tuple(round(x, 5) for point in known.pop("curve", ()) for x in point)
    facts = {field: leak[name] for name, field in LEAK.items() if leak.get(name) is not None}
    facts |= {field: audit[name] for name, field in AUDIT.items() if audit.get(name) is not None}
    if neighbours.get("cpu_others") is not None:
        facts["cpu_others"] = neighbours["cpu_others"]
    if "reproduction" in known:
        known["reproduction"] = json.dumps(known["reproduction"], ensure_ascii=False)[:REPRODUCTION_CHARS]
    return known | facts | {"value": known.pop("val_bpb", None), "curve": curve, "machine": machine.get("fingerprint", "")}
