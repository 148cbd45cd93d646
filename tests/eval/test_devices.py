"""Which device is meant by the name that torch gives it, and what share of its peak was used."""

import pytest

from eval import session
from eval.devices import peak_flops, utilization
from eval.training import FLOPS_LIMIT, Server

NAMES = {
    "NVIDIA H100 80GB HBM3": 989.4, "NVIDIA H100 PCIe": 756.5, "NVIDIA H100 NVL": 835.5, "NVIDIA H200": 989.4, "NVIDIA H200 NVL": 835.5,
    "NVIDIA GH200 480GB": 989.4, "NVIDIA H20": 148.0, "NVIDIA A100-SXM4-80GB": 312.0, "NVIDIA A100 80GB PCIe": 312.0, "NVIDIA A10G": 70.0,
    "NVIDIA A10": 125.0, "NVIDIA L40S": 362.0, "NVIDIA L40": 181.0, "NVIDIA L4": 121.0, "NVIDIA B200": 2250.0, "NVIDIA GB200": 2500.0,
    "NVIDIA GeForce RTX 4090": 165.2, "NVIDIA GeForce RTX 5090": 209.5, "NVIDIA GeForce RTX 3090": 71.0, "NVIDIA GeForce RTX 3090 Ti": 80.0,
    "NVIDIA RTX 6000 Ada Generation": 364.2, "NVIDIA RTX A6000": 154.8, "AMD Instinct MI300X": 1307.4,
    "NVIDIA GeForce RTX 4090 Laptop GPU": None, "NVIDIA GeForce RTX 4090 D": None, "NVIDIA GeForce RTX 4080 SUPER": None,
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb": None, "Quadro RTX 6000": None, "Tesla V100-SXM2-16GB": None,
    "AMD EPYC avx512_bf16": None, "": None,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_the_table_knows_the_device_or_says_nothing(name):
    assert peak_flops(name) == (None if NAMES[name] is None else NAMES[name] * 1e12)


@pytest.mark.parametrize(
    ("flops", "tokens", "seconds", "share"),
    [(1e9, 500_000, 1.0, 0.5054), (1e9, 500_000, 0.1, None), (0.0, 500_000, 1.0, None), (1e9, 0, 1.0, None), (1e9, 1, 0.0, None),
     (FLOPS_LIMIT, 1 << 40, 1.0, None)],
)  # fmt: skip
def test_the_share_of_the_peak(flops, tokens, seconds, share):
    assert utilization("NVIDIA H100 80GB HBM3", flops, tokens, seconds) == share
    assert utilization("some CPU", flops, tokens, seconds) is None


def test_operations_are_taken_from_a_sensible_number_alone(tmp_path):
    server = Server(None, None, 0, None, None, tmp_path / "trainer/output", 0.0, 0)
    for nonsense in (None, "1e9", True, [1], float("nan"), float("inf"), -1, 10**400, FLOPS_LIMIT):
        server.handle({"op": "flops", "per_token": nonsense})
        assert server.result.flops == 0.0
    server.handle({"op": "flops", "per_token": 10**9})
    assert server.result.flops == 1e9


@pytest.mark.parametrize("nonsense", [float("nan"), float("inf"), -1.0])
def test_a_candidate_hears_that_its_number_is_none(nonsense):
    session.flops(6e6)
    with pytest.raises(ValueError, match="no number of operations"):
        session.flops(nonsense)
