"""The referee's result in the ledger's words."""

import msgspec

from bot.ledger import DECODER, ENCODER
from bot.records import Measurement
from bot.result import flat

RESULT = {
    "protocol": 2, "outcome": "ok", "reason": "", "val_bpb": 1.5, "curve": [[0.5, 3.123456], [1.0, 2.0]],
    "leak": {"dose": "heavy", "cuts": 256, "positions": 9000, "bpb": -0.00001, "bound": 0.0002, "exact": False, "seed": 7, "seconds": 1.0},
    "audit": {"gap": 0.001, "error": 0.0005, "z": 2.0, "bpb": 1.4}, "reproduction": {"sequence": 3, "cut": 17}, "explanation": "",
    "neighbours": {"cpu_others": 0.25, "cpu_pressure": None, "note": ""}, "isolation": "landlock", "isolation_note": "no bubblewrap: x",
    "machine": {"fingerprint": "m", "device": "cpu"}, "metric_version": "v", "corpus": "c",
}  # fmt: skip
FIXED = {"at": 1.0, "id": 1, "role": "confirm", "index": 0, "sha": "s", "seed": 2, "context": "x"}


def measurement(**changed) -> Measurement:
    return msgspec.convert(flat(RESULT | changed) | FIXED, Measurement, strict=False)


def test_nested_facts_become_fields():
    found = measurement()
    assert (found.dose, found.leak, found.leak_bound) == ("heavy", -0.00001, 0.0002)
    assert (found.audit_gap, found.audit_error, found.audit_z, found.cpu_others) == (0.001, 0.0005, 2.0, 0.25)
    assert (found.value, found.machine, found.curve) == (1.5, "m", (0.5, 3.12346, 1.0, 2.0))
    assert found.reproduction == '{"sequence": 3, "cut": 17}'


def test_what_was_not_measured_is_none_and_never_zero():
    found = measurement(leak=None, audit=None, neighbours={}, val_bpb=None)
    assert (found.leak, found.leak_bound, found.audit_gap, found.cpu_others, found.value, found.dose) == (None, None, None, None, None, "")


def test_it_survives_the_ledger():
    assert DECODER.decode(ENCODER.encode(measurement())) == measurement()


def test_an_endless_reproduction_is_cut():
    assert len(measurement(reproduction={"tokens": list(range(9999))}).reproduction) == 2000


def test_a_ledger_line_of_the_first_version_still_loads():
    old = b'{"event":"measurement","at":1.0,"id":0,"role":"baseline","index":0,"sha":"s","seed":1,"outcome":"ok","context":"c","value":2.5}'
    found = DECODER.decode(old)
    assert (found.value, found.dose, found.leak_bound, found.suspect, found.isolation) == (2.5, "", None, False, "")
