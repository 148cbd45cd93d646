"""Profiles: what a trace adds up to, what is said of it, and who is shown it."""

import gzip
import json
import os
from functools import partial

import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from bot.cli import cli
from bot.profiling import kinds, records, shown, trace
from bot.profiling.verdict import verdict
from bot.prompting.profiles import profile as part
from bot.settings import Settings
from tests.bot.test_check import GOOD, documents
from tests.bot.thinkers import lines, quiet
from tests.bot.traces import CALL, CPU, CUDA, event, packed, step
from tests.conftest import make_repo


def added(events: object) -> trace.Times:
    return trace.add_up(trace.read(packed(events)))


def made(**fields) -> records.Profile:
    """Of a step of 10 ms, three quarters in products, at a fifth of the peak."""
    shares = dict.fromkeys(kinds.KINDS, 0.0) | {"matmul": 0.75, "elementwise": 0.15, "idle": 0.1}
    known = dict(
        at=1.0, sha="a" * 40, seed=1, device="cpu", device_name="a CPU", torch="2.13", isolation="none", on_device=False, steps=5,
        tokens=2048.0, batches=1.0, step_ms=10.0, profiled_ms=11.0, startup_seconds=1.0, peak_memory=10**9, shares=shares, flops=1e8,
        counted="trace", matmul_flops=2e10, elementwise_bytes=9e9, dtype="float32", peak_flops=1e11, peak_bytes=1e10,
        rows=[records.Row("aten::mm", "matmul", 0.75, 7.5, 12.0, "64x32 32x16", 2e10)],
    )  # fmt: skip
    profile = records.Profile(**known | fields)
    return replace(profile, verdict=verdict(profile))


zipped = partial(gzip.compress, mtime=0)  # the same bytes in every process: they are in the names of tests


class TestTrace:
    def test_on_a_cpu_it_is_the_operations_own_time_and_the_gaps_between_them(self):
        times = added(CPU)
        found = {(line.name, line.kind): line.time for line in times.lines}
        assert found == {
            ("aten::linear", "matmul"): 10, ("aten::mm", "matmul"): 30, ("aten::mul", "optimizer"): 10, ("aten::mm", "optimizer"): 10
        }  # fmt: skip
        assert times.shares == pytest.approx(dict.fromkeys(kinds.KINDS, 0) | {"matmul": 0.4, "optimizer": 0.2, "idle": 0.4})
        assert times.flops == 2 * 2 * 64 * 32 * 16 and not times.on_device  # inside of the step alone

    def test_on_a_gpu_it_is_what_its_kernels_cover_each_under_what_launched_it(self):
        times = added(CUDA)
        found = {line.name: line.kind for line in times.lines}
        assert (
            found["aten::mm"] == "matmul"
            and found["multi_tensor_apply"] == "optimizer"
            and found["triton_poi_fused_mul_0"] == "elementwise"
        )
        assert times.on_device and times.shares["idle"] == pytest.approx(0.45) and times.shares["copy"] == pytest.approx(5 / 65 * 0.55)
        assert sum(times.shares.values()) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("data", "why"),
        [
            (b"", "gzip"), (b"{}", "gzip"), (zipped(b"{}")[:-9], "gzip"), (zipped(b"[" * 10**5), "gzip"),
            (zipped(b"\xff"), "gzip"), (zipped(b"[]"), "traceEvents"), (packed({}), "traceEvents"),
            (packed([None, 1, {"ph": "X"}, step(0, float("nan")), step(0, "1")]), "no training step"),
            (packed([step(0, 10)]), "no operation"), (packed([step(0, 0), event("aten::mm", 0, 1)]), "no operation"),
        ],
    )  # fmt: skip
    def test_garbage_is_named(self, data, why):
        with pytest.raises(trace.Unreadable, match=why):
            trace.add_up(trace.read(data))

    def test_a_trace_that_unpacks_to_too_much_is_refused(self, monkeypatch):
        monkeypatch.setattr(trace, "UNPACKED_BYTES", 1000)
        with pytest.raises(trace.Unreadable, match="fewer steps"):
            trace.read(gzip.compress(b" " * 1001))

    @pytest.mark.parametrize(
        "args", [None, 7, {"Input Dims": 3}, {"Input Dims": [["x"], {}]}, {"Input Dims": [[2**70] * 9, [9]], "Input type": [1]}]
    )
    def test_odd_arguments_cost_nothing_and_break_nothing(self, args):
        odd = [step(0, 10), event("aten::mm", 0, 5) | {"args": args, "tid": []}, event("aten::add", 5, 5) | {"args": args}]
        times = added(odd)
        assert times.flops == 0 and times.shares["idle"] == 0 and all(line.bytes == 0 for line in times.lines)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("aten::mm", "matmul"), ("aten::addmm", "matmul"), ("sm90_xmma_gemm_bf16", "matmul"), ("nvjet_hsh_128x256", "matmul"),
        ("aten::_scaled_dot_product_flash_attention", "attention"), ("void pytorch_flash::flash_bwd_kernel", "attention"),
        ("aten::mul", "elementwise"), ("triton_red_fused__log_softmax_3", "elementwise"), ("aten::_softmax", "elementwise"),
        ("Memcpy DtoH (Device -> Pinned)", "copy"), ("aten::copy_", "copy"), ("aten::embedding_dense_backward", "other"),
        ("aten::as_strided", "other"), ("SomeFunction", "other"),
    ],
)  # fmt: skip
def test_kinds(name, kind):
    assert kinds.kind_of(name) == kind


HEADS = [[2, 4, 128, 64]] * 3


@pytest.mark.parametrize(
    ("name", "dims", "concrete", "flops"),
    [
        ("aten::mm", [[8, 16], [16, 4]], [], 2 * 8 * 16 * 4),
        ("aten::addmm", [[4], [8, 16], [16, 4]], [], 2 * 8 * 16 * 4),
        ("aten::baddbmm", [[3, 8, 4], [3, 8, 16], [3, 16, 4]], [], 3 * 2 * 8 * 16 * 4),
        ("aten::_scaled_dot_product_flash_attention", HEADS, ["", "", "", "0.", "False"], 4 * 8 * 128 * 128 * 64),
        ("aten::_scaled_dot_product_flash_attention", HEADS, ["", "", "", "0.", "True"], 2 * 8 * 128 * 128 * 64),
        ("aten::_scaled_dot_product_flash_attention_for_cpu_backward", [[], *HEADS], [*[""] * 7, "True"], 5 * 8 * 128 * 128 * 64),
        ("aten::mul", [[8, 16], [8, 16]], [], 0),
    ],
)
def test_flops(name, dims, concrete, flops):
    assert kinds.flops(name, {"Input Dims": dims, "Concrete Inputs": concrete}) == flops


def test_traffic_is_what_goes_in_and_a_result_as_large_as_the_largest():
    assert kinds.traffic("aten::mul", CALL) == 4 * (64 * 32 + 32 * 16 + 64 * 32)
    assert kinds.traffic("triton_poi_fused_mul_0", CALL) == 4 * (64 * 32 + 32 * 16) and kinds.traffic("aten::mm", CALL) == 0


@pytest.mark.parametrize(
    ("shares", "fields", "says"),
    [
        ({"idle": 0.4, "matmul": 0.6}, {"on_device": True}, "Launch-bound: the device is idle 40%"),
        ({"idle": 0.4, "matmul": 0.6}, {}, "Overhead-bound: no operation runs 40%"),
        ({"matmul": 0.61, "attention": 0.1}, {}, "Matmul-bound: 61% of the time goes to matrix products, 10% to fused attention. In their"),
        ({"matmul": 0.6}, {"matmul_flops": 9e10}, "reach 90% of what one large product does here: near its limit"),
        ({"matmul": 0.6}, {"matmul_flops": 1e10}, "too small or too narrow"),
        ({"matmul": 0.6}, {"peak_flops": 0.0, "flops": 0.0}, "Matmul-bound: 60% of the time goes to matrix products."),
        ({"attention": 0.4, "matmul": 0.3}, {}, "Attention-bound: 40%"),
        ({"elementwise": 0.5, "matmul": 0.4}, {}, "Memory-bound: 50%"),
        ({"elementwise": 0.5, "matmul": 0.4}, {"elementwise_bytes": 1e9}, "Elementwise-bound: 50%"),
        ({"optimizer": 0.5, "matmul": 0.4}, {}, "Optimizer-bound: 50%"),
        ({"copy": 0.5, "matmul": 0.4}, {}, "Copy-bound: 50%"),
        (
            {"matmul": 0.4, "elementwise": 0.3, "other": 0.3},
            {},
            "Mixed: no kind of work takes half of the time; the largest is matmul with 40%",
        ),
        ({"matmul": 0.6}, {}, "10 GFLOP/s in all, 10% of the 100 GFLOP/s of one large product in float32"),
        ({"matmul": 0.6}, {"profiled_ms": 20.0}, "100% longer under the profiler"),
        ({"matmul": 0.6}, {"device": "mps"}, "no kernels of this device"),
        ({"matmul": 0.6}, {"device": "cuda", "on_device": True}, "Matmul-bound"),
    ],
)
def test_verdict(shares, fields, says):
    assert says in " ".join(made(shares=shares, **fields).verdict)


class TestShown:
    def test_names_of_a_candidate_cannot_leave_their_line(self):
        text = shown.text(made(rows=[records.Row("aten::x\n::error::y\x1b[2J", "other", 1.0, 1.0, 1.0)]), "the champion", 5)
        assert "\x1b" not in text and "\n::error" not in text and "aten::x" in text

    def test_the_rest_of_the_table_is_counted(self):
        row = made().rows[0]
        assert shown.table([row] * 7, 5)[-1] == "2 more with 150.0%"


class TestPrompt:
    def test_of_the_champion(self):
        night = quiet()
        night.kept(-0.02)
        shown_lines = lines(part, night, profile={night.champion: made()}.get)
        assert shown_lines[0].startswith("the champion aaaa") and any("Matmul-bound" in line for line in shown_lines)
        assert "75.0% aten::mm, matmul, 7.5 ms, 12 calls, 20 GFLOP/s, 64x32 32x16" in shown_lines

    def test_of_an_older_one_that_says_so(self):
        night = quiet()
        older = night.champion
        night.kept(-0.02)
        assert lines(part, night, profile={older: made()}.get)[0].startswith("NOT the present champion, an older one (before #1): aaaa")

    def test_none_of_another_device_or_of_nobody(self):
        night = quiet()
        assert lines(part, night, profile={night.champion: made(device="cuda")}.get) == [] == lines(part, night)


def call(root, *args: str):
    return CliRunner().invoke(cli, ["-C", str(root), "profile", *args], prog_name="autoresearch")


class TestCommand:
    @pytest.mark.parametrize(
        ("args", "config", "says"),
        [
            (["--commit", "nowhere"], "", "--commit: 'nowhere' is not a branch, tag or commit"),
            (["--commit", "HEAD", "--working-tree"], "", "exclude each other"),
            (["--trace", "/nowhere/x.gz"], "", "--trace /nowhere/x.gz must name a file in a folder that exists"),
            (["--steps", "0"], "", "'--steps': 0 is not in the range"),
            ([], "command: [./bench]\nmetric: speed\nbudget: 1s", "command: only a training that the referee serves can be profiled"),
        ],
    )
    def test_bad_input_is_named_with_the_fix(self, tmp_path, args, config, says):
        config = f"name: demo\neditable: [train.py]\n{config}\n"
        root = make_repo(tmp_path / "repo", {"train.py": "A = 1\n", "autoresearch.yml": config})
        result = call(root, *args)
        assert result.exit_code == 2 and says in result.output and not (root / ".autoresearch" / "profiles").exists()

    @pytest.mark.slow
    def test_the_base_is_profiled_stored_shown_to_models_and_in_no_ledger(self, tmp_path):
        config = "name: demo\neditable: [train.py]\ncorpus: path:data\nvocab_size: 512\nsequence_length: 32\ndevice: cpu\n"
        root = make_repo(tmp_path / "repo", {"train.py": GOOD, "autoresearch.yml": config, **documents()})
        result = call(root, "--steps", "3", "--json")
        assert result.exit_code == 0, result.output
        told = json.loads(result.stdout)
        assert told["subject"] == "the base" and told["steps"] == 3 and told["tokens"] == 4 * 32 and told["step_ms"] > 0
        assert sum(told["shares"].values()) == pytest.approx(1) and told["shares"]["optimizer"] > 0 and told["verdict"]
        with gzip.open(told["trace"]) as file:
            assert sum(event["name"].startswith("ProfilerStep#") for event in json.load(file)["traceEvents"]) == 3
        assert not list((root / ".autoresearch").glob("ledger/**/*.jsonl"))
        prompt = CliRunner().invoke(cli, ["-C", str(root), "prompt"], prog_name="autoresearch").stdout
        assert "BEGIN profile" in prompt and told["verdict"][0] in prompt


def test_the_newest_profiles_are_kept_whole_and_damaged_ones_are_none(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "KEPT", 2)
    (tmp_path / "train.py").touch()
    settings = Settings.build(tmp_path, {"editable": ["train.py"]})
    records.folder(settings).mkdir(parents=True)
    for number, sha in enumerate(("a" * 40, "b" * 40, "c" * 40)):
        records.trace_path(settings, sha).touch()
        records.save(settings, made(sha=sha))
        os.utime(records.folder(settings) / f"{sha}.json", (number, number))
    assert records.load(settings, "c" * 40) == made(sha="c" * 40) and records.load(settings, "a" * 40) is None
    assert not records.trace_path(settings, "a" * 40).exists() and records.trace_path(settings, "b" * 40).exists()
    (records.folder(settings) / f"{'b' * 40}.json").write_text("{}")
    assert records.load(settings, "b" * 40) is None
