"""What a device can do at best: dense bfloat16 operations a second, by the name that torch gives it. Torch-free.

From the vendors' data sheets (where a sheet gives only the number with sparsity, half of it), products summing in float32 as training
does: NVIDIA's sheets of H100, H200, GH200, HGX B200 and B300, GB200 and GB300 NVL72 (a GPU's share), A100, A10, A10G, A30, A40, L4, L40,
L40S and RTX 6000 Ada; its papers on the architectures GA102, Ada and RTX Blackwell for GeForce cards and RTX A6000; AMD's sheets of
Instinct MI210 to MI355X (of MI250 and MI250X half, which is what torch calls a device) and of Radeon RX 7900.
"""

import re

TERAFLOPS = {  # the first name that occurs in the device's, as whole words
    "GB300": 2500.0, "GB200": 2500.0, "B300": 2250.0, "B200": 2250.0, "GH200": 989.4,
    "H200 NVL": 835.5, "H200": 989.4, "H100 NVL": 835.5, "H100 PCIe": 756.5, "H100": 989.4, "H20": 148.0,
    "A100": 312.0, "A800": 312.0, "A40": 149.7, "A30": 165.0, "A10": 125.0, "A10G": 70.0,
    "L40S": 362.0, "L40": 181.0, "L4": 121.0, "RTX 6000 Ada": 364.2, "RTX A6000": 154.8,
    "RTX 5090": 209.5, "RTX 5080": 112.6, "RTX 5070 Ti": 87.9, "RTX 5070": 61.7,
    "RTX 4090": 165.2, "RTX 4080": 97.5, "RTX 4070 Ti": 80.2, "RTX 4070": 58.3,
    "RTX 3090 Ti": 80.0, "RTX 3090": 71.0, "RTX 3080 Ti": 68.2, "RTX 3080": 59.5, "RTX 3070": 40.6,
    "MI355X": 2516.6, "MI350X": 2306.9, "MI325X": 1307.4, "MI300X": 1307.4, "MI300A": 980.6,
    "MI250X": 191.5, "MI250": 181.1, "MI210": 181.0, "RX 7900 XTX": 122.8, "RX 7900 XT": 103.2,
}  # fmt: skip
OTHERS = re.compile(r"\b(Laptop|Max-Q|Mobile|SUPER|D|MIG|vGPU)\b")  # slower, faster, or a slice of the card of that name


def peak_flops(name: str) -> float | None:
    """Operations a second of the device that torch calls `name`; None where the table does not know it."""
    if OTHERS.search(name):
        return None
    return next((tera * 1e12 for known, tera in TERAFLOPS.items() if re.search(rf"\b{known}\b", name, re.IGNORECASE)), None)


def utilization(name: str, flops_per_token: float, tokens: int, seconds: float) -> float | None:
    """Model FLOPs utilization: the share of the device's peak that `tokens` in `seconds` of wall time took. None where a part is unknown.

    The operations are as the candidate counts them: where that is more than the device can do, the count is wrong and there is no share."""
    peak = peak_flops(name)
    if not peak or not flops_per_token or not tokens or seconds <= 0:
        return None
    share = flops_per_token * tokens / seconds / peak
    return round(share, 4) if share <= 1 else None
