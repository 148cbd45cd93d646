"""Two real workers on models that are honest, and on models that know more than they may."""

import numpy as np
import pytest

from eval.errors import Failed
from eval.reference import Reference
from eval.score import LIGHT_SHARE
from tests.eval.desks import Text, corpus, markov, run
from tests.eval.models import CHEATS, HONEST, plain

LENGTH, EVAL_TOKENS = 32, 4096
ROWS = EVAL_TOKENS // LENGTH
HONEST_BITS = plain("return table[x] + 0.3 * (x[..., None] * torch.arange(1, V + 1)).float().sin()")  # another model, as good as the chain

LOCAL_ROUNDING = plain(  # what rounding may do: by thousandths of a bit, with all tokens of a block of 8, in no direction
    """
blocks = (x.view(len(x), -1, 8) * torch.arange(1, 9)).sum(-1).repeat_interleave(8, 1)
size = 2e-3 * (2 * (blocks * 7.1 + torch.arange(x.shape[1])).sin()).exp()
return table[x] + size[..., None] * (blocks[..., None] * torch.arange(1, V + 1)).float().sin()
"""
)


@pytest.fixture(scope="module")
def text() -> Text:
    return corpus()


@pytest.fixture(scope="module")
def champion(text) -> Reference:
    return run(HONEST_BITS, text, LENGTH, EVAL_TOKENS, dose="heavy", probe_seed=1).bits


def judged(source: str, text: Text, **options):
    options = {"dose": "light", "probe_seed": 11} | options
    return run(source, text, LENGTH, EVAL_TOKENS, **options)


@pytest.mark.parametrize("dose", ["light", "heavy"])
@pytest.mark.parametrize("name", HONEST)
def test_honest_models_pass(text, name, dose):
    found = judged(HONEST[name], text, dose=dose)
    assert abs(found.leak["bpb"]) < 1e-6 and found.leak["bound"] > 0


@pytest.mark.parametrize("name", CHEATS)
def test_cheats_are_caught_at_the_light_dose_and_called_by_their_name(text, name):
    source, kinds = CHEATS[name]
    with pytest.raises(Failed) as caught:
        judged(source, text)
    assert caught.value.outcome == "violation"
    assert caught.value.reproduction["kind"] in kinds and caught.value.explanation


@pytest.mark.parametrize("seed", [19, 106])  # two of the 6 in 800 whose few probes look like a leak
def test_a_light_dose_convicts_nobody_of_what_more_probes_show_to_be_rounding(text, seed):
    found = judged(LOCAL_ROUNDING, text, probe_seed=seed)
    assert found.leak["cuts"] > 250 and found.leak["dose"] == "light"


def test_a_third_worker_that_does_not_answer_clears_nobody(text):
    third = "    if str(directory).endswith('2'): raise MemoryError('I am the third')\n    return Model()\n"
    with pytest.raises(Failed, match="third.*I am the third") as caught:
        judged(LOCAL_ROUNDING.replace("    return Model()\n", third), text, probe_seed=19)
    assert caught.value.outcome == "violation"


def test_most_honest_rounding_needs_no_third_worker(text):
    assert judged(LOCAL_ROUNDING, text).leak["cuts"] <= LIGHT_SHARE * ROWS


@pytest.mark.parametrize("seed", range(3))
def test_heavy_dose_finds_look_ahead_at_one_percent_of_positions(text, champion, seed):
    source = plain("return peek(table[x], x, hashed(x, 0.01), 6.0)")
    with pytest.raises(Failed, match="looks ahead") as caught:
        judged(source, text, dose="heavy", reference=champion, probe_seed=seed)
    assert caught.value.outcome == "violation"


@pytest.mark.parametrize("seed", range(3))
def test_heavy_dose_finds_a_leak_of_0_004_bpb_on_surprises_alone(text, champion, seed):
    # at 0.5 % of the surprising positions, 7 bits each: 6 of 4,096 positions
    surprising = "F.pad(jump[x[:, :-1]] != x[:, 1:], (0, 1))"
    source = plain(f"return peek(table[x], x, hashed(x, 0.0055) & {surprising}, 9.0)")
    with pytest.raises(Failed, match="looks ahead"):
        judged(source, text, dose="heavy", reference=champion, probe_seed=seed)


def test_the_reproduction_names_the_altered_token(text):
    with pytest.raises(Failed) as caught:
        judged(CHEATS["looks two tokens ahead"][0], text)
    case = caught.value.reproduction
    assert case["token"] == case["position"] + 2
    assert case["difference"] == pytest.approx(case["second_bits"] - case["first_bits"])


def test_a_second_worker_that_crashes_is_a_crash(text):
    with pytest.raises(Failed, match="second worker.*ValueError") as caught:
        judged(plain(unless_first(text, "raise ValueError('strange text')")), text)
    assert caught.value.outcome == "crash"


def test_a_second_worker_that_kills_itself_is_not_measured_again(text):
    with pytest.raises(Failed, match="second worker") as caught:
        judged(plain(unless_first(text, "os.kill(os.getpid(), 9)")), text)
    assert caught.value.outcome == "crash"


def unless_first(text: Text, then: str) -> str:
    """A forward pass that does `then` unless its first block is the first block of the scored text."""
    starts = np.arange(ROWS) * (len(text.tokens("val")) - LENGTH - 1) // (ROWS - 1)
    begins = text.tokens("val")[starts[:6]].tolist()
    return f"if not hasattr(self, 'on') and x[:, 0].tolist() != {begins}: {then}\nself.on = 1\nreturn table[x]"


def test_light_dose_stays_below_its_share(text):
    leak = judged(HONEST["markov"], text).leak
    assert 0 < leak["cuts"] <= LIGHT_SHARE * ROWS and leak["dose"] == "light" and leak["exact"]


def test_heavy_dose_cuts_about_256_times_and_scores_the_audit_slice(text, champion):
    found = judged(HONEST["markov"], text, dose="heavy", reference=champion)
    assert abs(found.leak["cuts"] - 256) <= 3
    assert found.audit and found.bits.audit.shape == (ROWS // 4, LENGTH)


def test_tiny_evaluations_get_one_block(text):
    leak = run(HONEST["markov"], text, LENGTH, 5 * LENGTH, probe_seed=1).leak
    assert leak["cuts"] == 1


def test_rows_of_one_token_have_no_future(text):
    assert run(HONEST["markov"], text, 1, 64, probe_seed=1).leak["exact"]


def test_a_split_without_a_spare_token_is_probed_too():
    full = Text({"val": markov(33 * 40, 64, 1), "audit": markov(2_000, 64, 2)}, np.full(64, 3, np.int32))
    with pytest.raises(Failed, match="looks ahead"):
        run(CHEATS["looks at the next token"][0], full, LENGTH, 32 * 40, dose="heavy", probe_seed=1)


def test_the_score_does_not_depend_on_dose_or_probes(text):
    scores = {judged(HONEST["float32"], text, dose=dose, probe_seed=seed).score.bits for dose, seed in (("light", 1), ("heavy", 2))}
    assert len(scores) == 1


def test_the_same_seed_asks_the_same(text):
    one, two = (judged(HONEST["mixture of experts"], text).leak for _ in range(2))
    assert (one["bpb"], one["positions"]) == (two["bpb"], two["positions"])


def test_a_foreign_reference_is_not_used(text, champion):
    plain_bound = judged(HONEST["markov"], text).leak["bound"]
    assert judged(HONEST["markov"], text, reference=champion, metric_version="other").leak["bound"] == plain_bound
    assert judged(HONEST["markov"], text, reference=champion).leak["bound"] < plain_bound


def test_progress_ends_at_one(text):
    seen = []
    judged(HONEST["markov"], text, dose="heavy", notify=seen.append)
    assert seen == sorted(seen) and seen[-1] == pytest.approx(1.0)


def test_a_third_worker_shows_how_far_it_is(text):
    scored, settled = [], []
    judged(LOCAL_ROUNDING, text, probe_seed=19, notify=scored.append, settling=settled.append)
    assert scored[-1] == pytest.approx(1.0)
    assert len(settled) > 10 and settled == sorted(settled) and (settled[0], settled[-1]) == (0.0, 1.0)


def test_without_a_doubt_nothing_is_settled(text):
    settled = []
    judged(HONEST["markov"], text, settling=settled.append)
    assert settled == []


def test_references_survive_the_disk(tmp_path, champion):
    champion.save(tmp_path / "bits.npz")
    loaded = Reference.load(tmp_path / "bits.npz")
    np.testing.assert_array_equal(loaded.val, champion.val)
    np.testing.assert_array_equal(loaded.audit, champion.audit)
    assert loaded.metric_version == champion.metric_version


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 not a zip", None, b"half"])
def test_a_damaged_reference_is_none(tmp_path, champion, damage):
    path = tmp_path / "bits.npz"
    champion.save(path)
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if damage == b"half" else damage)
    assert Reference.load(path) is None
