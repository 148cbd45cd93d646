"""The gap audit finds a memory of val and accuses nobody else: simulated rows with heavy tails, shared topics and few of them."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from eval.audit import BLOCKS, ENOUGH, gain, gap, normal_quantile, verdict

ROWS, UNSEEN, LENGTH = 128, 32, 4


def sizes(rng: np.random.Generator, rows: int) -> np.ndarray:
    return rng.integers(0, 7, (rows, LENGTH))


def pair(rng: np.random.Generator, rows: int, effect: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(candidate, champion, sizes): the candidate is better by effect (rows,) in bits per byte."""
    volume = sizes(rng, rows)
    champion = 30 + rng.normal(0, 2, volume.shape)
    return champion - effect[:, None] * volume, champion, volume


def audited(rng: np.random.Generator, on_val: np.ndarray, on_audit: np.ndarray) -> dict:
    candidate, champion, volume = pair(rng, len(on_val), on_val)
    other, before, unseen = pair(rng, len(on_audit), on_audit)
    return gap({"val": candidate, "audit": other}, SimpleNamespace(val=champion, audit=before), volume, unseen)


def topics(rng: np.random.Generator, rows: int, draw) -> np.ndarray:
    """An effect shared by up to four neighbouring rows (a document), plus one of the row's own."""
    return np.repeat(draw(rows), rng.integers(1, 5, rows))[:rows] + 0.3 * draw(rows)


DRAWS = {
    "normal": lambda rng: lambda n: rng.normal(0, 1, n),
    "heavy": lambda rng: lambda n: rng.standard_t(2, n),
    "skewed up": lambda rng: lambda n: rng.lognormal(0, 1.5, n),
    "skewed down": lambda rng: lambda n: -rng.lognormal(0, 1.5, n),
    "rare": lambda rng: lambda n: rng.choice([0.0, 20.0], n, p=[0.95, 0.05]),
}


@pytest.mark.parametrize("size", [1.0, 0.01])
@pytest.mark.parametrize("kind", DRAWS)
def test_an_honest_gain_is_not_accused(kind, size):
    """Hundreds of pairs of each kind whose gain is drawn alike on val and audit: not one verdict."""
    rng = np.random.default_rng(1)
    draw = DRAWS[kind](rng)
    accused = 0
    for _ in range(400 if size == 1.0 else 100):
        mean = rng.normal(0, 1)
        found = audited(rng, size * (mean + topics(rng, ROWS, draw)), size * (mean + topics(rng, UNSEEN, draw)))
        accused += bool(verdict(found))
    assert accused == 0


@pytest.mark.parametrize("rows", [1, 2, 4, BLOCKS - 1])
def test_with_few_rows_nothing_is_said(rows):
    rng = np.random.default_rng(2)
    assert not verdict(audited(rng, rng.normal(1, 0.01, ROWS), rng.normal(0, 0.01, rows)))


@pytest.mark.parametrize(("part", "least"), [(1.0, 50), (0.5, 40)])
def test_a_memory_of_val_is_found(part, least):
    """The whole of val, or half of its rows, by heart; beside an honest change with effects of its own."""
    rng = np.random.default_rng(3)
    flagged = 0
    for _ in range(50):
        known = rng.random(ROWS) < part
        found = audited(rng, 0.5 * known + rng.normal(0.01, 0.05, ROWS), rng.normal(0.01, 0.05, UNSEEN))
        flagged += "knows val's text" in verdict(found)
    assert flagged >= least


def test_a_small_gain_by_memory_alone_is_found():
    """Nothing but the memory differs from the champion: then its size does not matter."""
    rng = np.random.default_rng(4)
    assert verdict(audited(rng, 0.001 * (1 + rng.normal(0, 0.2, ROWS)), np.zeros(UNSEEN)))


def test_no_verdict_where_val_did_not_improve():
    rng = np.random.default_rng(5)
    found = audited(rng, rng.normal(-0.1, 0.01, ROWS), rng.normal(-0.5, 0.01, UNSEEN))
    assert found["z"] > ENOUGH and not verdict(found)


def test_no_verdict_where_most_of_the_gain_is_there():
    rng = np.random.default_rng(6)
    found = audited(rng, rng.normal(0.5, 0.01, ROWS), rng.normal(0.3, 0.01, UNSEEN))
    assert found["z"] > ENOUGH and not verdict(found)


def test_the_same_bits_have_no_gap():
    rng = np.random.default_rng(7)
    found = audited(rng, np.zeros(ROWS), np.zeros(UNSEEN))
    assert (found["gap"], found["z"], found["gain"]) == (0, 0, 0)


def test_the_gap_is_the_difference_of_the_ratios():
    rng = np.random.default_rng(8)
    candidate, champion, volume = pair(rng, ROWS, rng.normal(0.2, 1, ROWS))
    other, before, unseen = pair(rng, UNSEEN, rng.normal(0.1, 1, UNSEEN))
    found = gap({"val": candidate, "audit": other}, SimpleNamespace(val=champion, audit=before), volume, unseen)

    def bpb(bits, size):
        return bits[size > 0].sum() / size.sum()

    expected = bpb(champion, volume) - bpb(candidate, volume) - bpb(before, unseen) + bpb(other, unseen)
    assert found["gap"] == pytest.approx(expected) and found["bpb"] == pytest.approx(bpb(other, unseen))


def test_tokens_without_bytes_do_not_count():
    rng = np.random.default_rng(9)
    candidate, champion, volume = pair(rng, ROWS, rng.normal(0, 1, ROWS))
    assert gain(candidate + 1000.0 * (volume == 0), champion, volume) == gain(candidate, champion, volume)


def test_the_standard_error_is_that_of_the_ratio():
    """Independent rows: the error of one sample is the spread of the estimate over many, within a third."""
    rng = np.random.default_rng(10)
    samples = [gain(*pair(rng, ROWS, rng.normal(0.1, 1, ROWS))) for _ in range(300)]
    errors = [variance**0.5 for _, variance, _ in samples]
    assert np.std([mean for mean, _, _ in samples]) == pytest.approx(np.mean(errors), rel=0.33)


def test_rows_that_share_a_topic_widen_the_error():
    rng = np.random.default_rng(11)
    _, alone, _ = gain(*pair(rng, ROWS, rng.normal(0, 1, ROWS)))
    _, shared, _ = gain(*pair(rng, ROWS, np.repeat(rng.normal(0, 1, ROWS // 8), 8)))
    assert shared > 3 * alone


@pytest.mark.parametrize("huge", [1e30, np.inf])
def test_a_diverged_model_gives_finite_numbers(huge):
    rng = np.random.default_rng(12)
    candidate, champion, volume = pair(rng, ROWS, np.zeros(ROWS))
    candidate[3] = huge
    found = gap({"val": candidate, "audit": candidate}, SimpleNamespace(val=champion, audit=champion), volume, volume)
    assert np.isfinite(list(found.values())).all()


def test_other_shapes_are_refused():
    rng = np.random.default_rng(13)
    candidate, champion, volume = pair(rng, ROWS, np.zeros(ROWS))
    with pytest.raises(AssertionError, match="shapes differ"):
        gain(candidate[:-1], champion, volume)


@given(st.floats(5, 200), st.floats(1, 12))
def test_the_normal_quantile_of_students_t(freedom, t):
    exact = -stats.norm.ppf(stats.t.sf(t, freedom))
    assert normal_quantile(t, freedom) == pytest.approx(exact, rel=0.02)
    assert normal_quantile(-t, freedom) == -normal_quantile(t, freedom)
