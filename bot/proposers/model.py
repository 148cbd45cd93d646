"""A small Bayesian model of what moving each constant does, and the move that it expects the most from.

The metric is taken as a sum of one parabola per constant, in steps from the champion's value and in units of the noise.
The prior says that a curve bends upwards and that which way is down is unknown: a move that helped is taken further, one that
hurt is tried the other way. The scale of the effects is fitted; the acquisition is the expected improvement.
"""

import math
from dataclasses import dataclass

BEND = 2.0  # prior mean of a parabola's second derivative, in effect scales
BEND_SPREAD = 0.7
SLOPE_SPREAD = 1.5
SCALES = (1.0, 2.0, 4.0, 8.0, 16.0)  # effects of one step, in units of the noise
USUAL = 3.0
FAILED = 1.5  # a failed run counts as this many times the worst measured one

Steps = dict[int, float]  # constant's index -> steps from the champion


@dataclass(frozen=True)
class Trial:
    """What one experiment said: `loss` is worse-than-its-champion in units of the noise, None for a run that failed."""

    before: Steps
    after: Steps
    loss: float | None
    variance: float


class Model:
    def __init__(self, weights: list[float], trials: list[Trial]):
        import numpy as np

        self.np, self.weights = np, np.array(weights)
        rows = np.array([self._features(t.after) - self._features(t.before) for t in trials]).reshape(-1, 2 * len(weights))
        losses, variances = self._capped(trials)
        fits = [self._fit(scale, rows, losses, variances) for scale in SCALES]
        _, self.mean, self.covariance = max(fits, key=lambda fit: fit[0])

    def improvement(self, moves: list[Steps]) -> list[float]:
        """Expected improvement over the champion of each move, in units of the noise."""
        features = self.np.array([self._features(move) for move in moves])
        means = features @ self.mean
        variances = self.np.einsum("ij,jk,ik->i", features, self.covariance, features)
        return [_expected(mean, math.sqrt(max(variance, 1e-12))) for mean, variance in zip(means, variances, strict=True)]

    def _features(self, steps: Steps):
        count = len(self.weights)
        features = self.np.zeros(2 * count)
        for index, step in steps.items():
            features[index], features[count + index] = step, step * step / 2
        return features

    def _capped(self, trials: list[Trial]):
        """One wild loss must not bend every curve; a failure has no number of its own."""
        known = [trial.loss for trial in trials if trial.loss is not None]
        cap = 3 * float(self.np.median(self.np.abs(known))) + 3 if known else 3 * USUAL
        failed = FAILED * max([USUAL, *(min(loss, cap) for loss in known)])
        losses = [failed if trial.loss is None else min(trial.loss, cap) for trial in trials]
        variances = [(failed / 2) ** 2 if trial.loss is None else trial.variance for trial in trials]
        return self.np.array(losses), self.np.array(variances)

    def _fit(self, scale: float, rows, losses, variances):
        np, scales = self.np, scale * self.weights
        mean = np.concatenate([np.zeros_like(scales), BEND * scales])
        prior = np.concatenate([SLOPE_SPREAD * scales, BEND_SPREAD * scales]) ** 2
        evidence = -0.5 * math.log(scale / USUAL) ** 2
        if not len(losses):
            return evidence, mean, np.diag(prior)
        noise = rows * prior @ rows.T + np.diag(variances)
        residual = losses - rows @ mean
        solved = np.linalg.solve(noise, np.column_stack([residual, rows * prior]))
        evidence -= 0.5 * (residual @ solved[:, 0] + np.linalg.slogdet(noise)[1])
        gain = (rows * prior).T
        return evidence, mean + gain @ solved[:, 0], np.diag(prior) - gain @ solved[:, 1:]


def _expected(mean: float, spread: float) -> float:
    better = -mean / spread
    density = math.exp(-better * better / 2) / math.sqrt(2 * math.pi)
    return spread * (better * 0.5 * math.erfc(-better / math.sqrt(2)) + density)
