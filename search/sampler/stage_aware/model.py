"""A Gaussian process that predicts scores from the two parts of a configuration: before the target phase, and in it.

    score at a rung = level of the rung + f(before) + g(target) + h(before, target) + k_rung(target) + slope e + noise

f, g and h have a variance each, which separates the variance between intermediate configurations from that between
target configurations. k is the error of short rungs, and is 0 at the last rung. Kernels: squared exponential over
numbers, a constant correlation between unequal choices; a parameter that one of two configurations does not have counts
as unequal (Rasmussen and Williams 2006; additive kernels: Duvenaud et al. 2011, arXiv 1112.4394). Predictions are
averages over likely hyperparameters (`hyperparameters`; Snoek et al. 2012, arXiv 1206.2944, average over them too). The
model is a pure function of the trials.

Where the weights of many mixed tasks are searched, f and h also have a linear kernel over the terms of `mixtures`: a
regression over the simplex, whose share of the variance is one more hyperparameter.

e is the effect that priors expect of a configuration. The slope is the weight of the priors: it has a normal prior with
a mean above zero, is learnt with all else (Rasmussen and Williams 2006, section 2.7), and becomes negative where scores
contradict the priors. What f, g and h learn of an arm is added to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular
from scipy.linalg.lapack import dpotrf, dpotri

from search.sampler.stage_aware.hyperparameters import fitted
from search.sampler.stage_aware.variances import CENTRE, Variances

_LEVEL = 4.0
"""Prior variance of a rung's level; scores have variance 1."""

_SLOPE, _SLOPE_DEVIATION = 0.5, 0.5
"""Mean and deviation of the slope of what priors expect, in deviations of f per deviation of the expected: of an order
that is believed, one in six is taken to be reversed. What targets do to scores is no measure of what arms may do."""

_JITTER = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Configurations as arrays. N of them; Z and W columns of numbers, A and B of choices, before and in the target."""

    numbers_NZ: np.ndarray
    """In [0, 1], 0 where inactive."""
    choices_NA: np.ndarray
    """Whole numbers, -1 where inactive; a column of a number says whether that is active."""
    target_numbers_NW: np.ndarray
    target_choices_NB: np.ndarray
    mixtures_NV: np.ndarray | None = None
    """Terms of the regression over weights before the target, 0 where inactive; None where a space has no mixture."""

    def __getitem__(self, rows: np.ndarray | slice) -> Points:
        """Return some of the configurations."""
        return Points(
            numbers_NZ=self.numbers_NZ[rows],
            choices_NA=self.choices_NA[rows],
            target_numbers_NW=self.target_numbers_NW[rows],
            target_choices_NB=self.target_choices_NB[rows],
            mixtures_NV=None if self.mixtures_NV is None else self.mixtures_NV[rows],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Member:
    """The posterior with one set of hyperparameters."""

    variances: Variances
    y_N: np.ndarray
    """Scores in deviations; those of running trials are the ones that it predicts itself."""
    factor: np.ndarray
    """Cholesky factor of the covariance of the scores."""
    weights: np.ndarray
    """The inverse of that covariance times the scores."""


def _mixed(of_members: list[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """Return mean and standard deviation of the mixture of normal distributions with these."""
    means, deviations = (np.array(one) for one in zip(*of_members, strict=True))
    mean = means.mean(axis=0)
    return mean, np.sqrt((deviations**2 + (means - mean) ** 2).mean(axis=0))


class StageModel:
    """The posterior of a sweep's scores.

    Args:
        points: Configurations that were scored.
        rungs_N: Rung of each score.
        scores_N: Scores, in any unit.
        last_rung: Number of the last rung.
        expected_N: What priors expect of each, in deviations; None where there are none.
        like: A model whose hyperparameters and units are taken; `fitted` fits the hyperparameters to the scores,
            `expected` takes those that are expected before any score.
    """

    def __init__(
        self,
        points: Points,
        *,
        rungs_N: np.ndarray,
        scores_N: np.ndarray,
        last_rung: int,
        expected_N: np.ndarray | None = None,
        like: StageModel | Literal["fitted", "expected"] = "fitted",
    ) -> None:
        self._points, self._rungs, self._scores, self._last = points, rungs_N, scores_N, last_rung
        self._expected = np.zeros(len(scores_N)) if expected_N is None else expected_N
        self.mean = like.mean if isinstance(like, StageModel) else float(np.mean(scores_N))
        self.scale = like.scale if isinstance(like, StageModel) else (float(np.std(scores_N)) or 1.0)
        self._y = (scores_N - self.mean) / self.scale
        self._distances = _Distances.between(points, points)
        self._has_trend = points.mixtures_NV is not None
        same_NN = rungs_N[:, None] == rungs_N[None, :]
        self._short_NN = same_NN & (rungs_N[:, None] < last_rung)
        self._levels_NN = _LEVEL * same_NN
        self._slope_NN = _SLOPE_DEVIATION**2 * np.outer(self._expected, self._expected)
        self.members = [self._member(one, self._y) for one in self._start(like)]

    def _member(self, given: Variances, y_N: np.ndarray) -> _Member:
        factor = cholesky(self._covariance(given), lower=True)
        weights_N = cho_solve((factor, True), y_N - self._foreseen(given))
        return _Member(variances=given, y_N=y_N, factor=factor, weights=weights_N)

    def _start(self, like: StageModel | Literal["fitted", "expected"]) -> list[Variances]:
        if isinstance(like, StageModel):
            return [one.variances for one in like.members]
        if like == "fitted":
            return fitted(self._loss, has_trend=self._has_trend, num_scores=len(self._y))
        return [CENTRE if self._has_trend else replace(CENTRE, trend=0.0)]

    def predict(self, points: Points, *, expected_M: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation of M configurations' scores at the last rung, without noise.

        Args:
            points: The configurations.
            expected_M: What priors expect of each, in deviations; None where there are none.
        """
        return _mixed(self._of_members(points, expected_M=expected_M))

    def _of_members(self, points: Points, *, expected_M: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
        cross = _Distances.between(points, self._points)
        level_N = _LEVEL * (self._rungs == self._last)
        expected_M = np.zeros(len(points.numbers_NZ)) if expected_M is None else expected_M
        squares_M = _squares(points)
        return [
            self._posterior(one, cross.shared(one.variances) + level_N[None, :], expected_M, squares_M)
            for one in self.members
        ]

    def predict_pairs(
        self, before: Points, target: Points, *, expected_FT: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean_FT and standard deviation_FT of all pairs of intermediate and target parts, at the last rung.

        Args:
            before: F configurations, of which the part before the target phase is used.
            target: T configurations, of which the target part is used.
            expected_FT: What priors expect of each pair, in deviations; None where there are none.
        """
        from_before, from_target = _Distances.between(before, self._points), _Distances.between(target, self._points)
        shape = len(before.numbers_NZ), len(target.numbers_NZ)
        expected_P = np.zeros(math.prod(shape)) if expected_FT is None else expected_FT.reshape(-1)
        mixed_P = np.repeat(_squares(before), shape[1])
        of_members: list[tuple[np.ndarray, np.ndarray]] = []
        for one in self.members:
            found = one.variances
            before_FN, target_TN = from_before.before(found), from_target.target(found)
            level_N = _LEVEL * (self._rungs == self._last)
            k_FTN = (found.before * before_FN + level_N)[:, None] + found.target * target_TN[None]
            k_FTN += found.both * before_FN[:, None] * target_TN[None]
            of_members.append(self._posterior(one, k_FTN.reshape(-1, len(level_N)), expected_P, mixed_P))
        mean_P, deviation_P = _mixed(of_members)
        return mean_P.reshape(shape), deviation_P.reshape(shape)

    def _posterior(
        self, member: _Member, k_PN: np.ndarray, expected_P: np.ndarray, mixed_P: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return mean and standard deviation at P points with these covariances with the scores, the slope's apart.

        mixed_P has the squares of their terms of the regression over weights.
        """
        found = member.variances
        if self._expected.any() or expected_P.any():
            k_PN = k_PN + _SLOPE_DEVIATION**2 * found.before * expected_P[:, None] * self._expected[None]
        half_NP = solve_triangular(member.factor, k_PN.T, lower=True, check_finite=False)
        prior_P = found.before * (1 + (_SLOPE_DEVIATION * expected_P) ** 2) + found.target + found.both + _LEVEL
        prior_P = prior_P + (found.before + found.both) * found.trend * mixed_P
        deviation_P = np.sqrt(np.maximum(prior_P - np.einsum("np,np->p", half_NP, half_NP), 1e-12))
        mean_P = k_PN @ member.weights + _SLOPE * math.sqrt(found.before) * expected_P
        return self.mean + self.scale * mean_P, self.scale * deviation_P

    def with_believed(self, points: Points, *, expected_M: np.ndarray | None = None) -> StageModel:
        """Return the model as if running configurations had scored their predicted means; this lowers deviations."""
        means = [mean_M for mean_M, _ in self._of_members(points, expected_M=expected_M)]
        num = len(points.numbers_NZ)
        model = StageModel(
            _joined(self._points, points),
            rungs_N=np.concatenate([self._rungs, np.full(num, self._last)]),
            scores_N=np.concatenate([self._scores, np.mean(means, axis=0)]),
            last_rung=self._last,
            expected_N=np.concatenate([self._expected, np.zeros(num) if expected_M is None else expected_M]),
            like=self,
        )
        y = [
            np.concatenate([one.y_N, (mean_M - self.mean) / self.scale])
            for one, mean_M in zip(self.members, means, strict=True)
        ]
        model.members = [model._member(one.variances, y_N) for one, y_N in zip(self.members, y, strict=True)]
        return model

    def _covariance(self, given: Variances) -> np.ndarray:
        return self._joined_covariance(given, self._distances.before(given), self._distances.target(given))

    def _joined_covariance(self, given: Variances, before_NN: np.ndarray, target_NN: np.ndarray) -> np.ndarray:
        k_NN = given.before * before_NN + given.target * target_NN + given.both * before_NN * target_NN
        k_NN += self._levels_NN
        if self._short_NN.any():
            k_NN += given.rung * self._short_NN * target_NN
        if self._expected.any():
            k_NN += given.before * self._slope_NN
        k_NN[np.diag_indices_from(k_NN)] += given.noise + _JITTER
        return k_NN

    def _foreseen(self, given: Variances) -> np.ndarray:
        """Return what priors expect of the scores."""
        return _SLOPE * math.sqrt(given.before) * self._expected

    def _loss(self, given: Variances) -> tuple[float, dict[str, float]]:
        """Return minus the log likelihood of hyperparameters, up to a constant, and its slopes by their logarithms.

        With K the covariance, y the scores less what is expected and w = K^-1 y, the likelihood changes with a
        hyperparameter by (w w' - K^-1) . dK / 2 (Rasmussen and Williams 2006, eq. 5.9), and y by itself with `before`.
        """
        before_NN, target_NN = self._distances.before(given), self._distances.target(given)
        unexpected_N = self._y - self._foreseen(given)
        factor, is_singular = dpotrf(self._joined_covariance(given, before_NN, target_NN), lower=1)
        if is_singular:
            return math.inf, {}
        weights_N = cho_solve((factor, True), unexpected_N, check_finite=False)
        loss = 0.5 * float(unexpected_N @ weights_N) + float(np.log(np.diag(factor)).sum())
        half_NN = dpotri(factor, lower=1)[0]
        half_NN = 0.5 * (np.tril(half_NN) + np.tril(half_NN, -1).T - np.outer(weights_N, weights_N))
        per_before_NN = half_NN * (given.before + given.both * target_NN)
        per_target_NN = half_NN * (given.target + given.both * before_NN + given.rung * self._short_NN) * target_NN
        slopes = {
            "before": given.before * float(np.vdot(half_NN, before_NN)),
            "target": given.target * float(np.vdot(half_NN, target_NN)),
            "both": given.both * float(np.vdot(half_NN * before_NN, target_NN)),
            "rung": given.rung * float(np.vdot(half_NN * self._short_NN, target_NN)),
            "noise": given.noise * float(np.trace(half_NN)),
            "target_length": float(np.vdot(per_target_NN, self._distances.target_numbers_MN)) / given.target_length**2,
            "target_unequal": -given.target_unequal * float(np.vdot(per_target_NN, self._distances.target_unequal_MN)),
        }
        if self._distances.mixtures_MN is not None:
            slopes["trend"] = given.trend * float(np.vdot(per_before_NN, self._distances.mixtures_MN))
        per_before_NN *= self._distances.near(given)
        slopes["length"] = float(np.vdot(per_before_NN, self._distances.numbers_MN)) / given.length**2
        slopes["unequal"] = -given.unequal * float(np.vdot(per_before_NN, self._distances.unequal_MN))
        if self._expected.any():
            slopes["before"] += given.before * float(np.vdot(half_NN, self._slope_NN))
            slopes["before"] -= 0.5 * _SLOPE * math.sqrt(given.before) * float(weights_N @ self._expected)
        return loss, slopes


@dataclass(frozen=True, slots=True, kw_only=True)
class _Distances:
    """Between M and N configurations: squared distance of numbers, count of unequal choices, in both parts."""

    numbers_MN: np.ndarray
    unequal_MN: np.ndarray
    target_numbers_MN: np.ndarray
    target_unequal_MN: np.ndarray
    mixtures_MN: np.ndarray | None
    """Products of the terms of the regression over weights."""

    @classmethod
    def between(cls, left: Points, right: Points) -> _Distances:
        return cls(
            numbers_MN=_squared(left.numbers_NZ, right.numbers_NZ),
            unequal_MN=_unequal(left.choices_NA, right.choices_NA),
            target_numbers_MN=_squared(left.target_numbers_NW, right.target_numbers_NW),
            target_unequal_MN=_unequal(left.target_choices_NB, right.target_choices_NB),
            mixtures_MN=_products(left.mixtures_NV, right.mixtures_NV),
        )

    def before(self, given: Variances) -> np.ndarray:
        near_MN = self.near(given)
        return near_MN if self.mixtures_MN is None else near_MN + given.trend * self.mixtures_MN

    def near(self, given: Variances) -> np.ndarray:
        return np.exp(-0.5 * self.numbers_MN / given.length**2 - given.unequal * self.unequal_MN)

    def target(self, given: Variances) -> np.ndarray:
        return np.exp(
            -0.5 * self.target_numbers_MN / given.target_length**2 - given.target_unequal * self.target_unequal_MN
        )

    def shared(self, given: Variances) -> np.ndarray:
        before, target = self.before(given), self.target(given)
        return given.before * before + given.target * target + given.both * before * target


def _squared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    squares = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
    return np.maximum(squares, 0.0)


def _products(left: np.ndarray | None, right: np.ndarray | None) -> np.ndarray | None:
    return None if left is None or right is None else left @ right.T


def _squares(points: Points) -> np.ndarray:
    terms = points.mixtures_NV
    return np.zeros(len(points.numbers_NZ)) if terms is None else (terms**2).sum(axis=1)


def _unequal(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    counts = np.zeros((len(left), len(right)))
    for column in range(left.shape[1]):
        counts += left[:, column][:, None] != right[:, column][None, :]
    return counts


def expected_improvement(mean: np.ndarray, deviation: np.ndarray, *, best: float) -> np.ndarray:
    """Return the expected improvement over a score (Jones et al. 1998), in the scores' unit."""
    from scipy.special import ndtr

    z = (mean - best) / deviation
    density = np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)
    return deviation * (z * ndtr(z) + density)


def _joined(left: Points, right: Points) -> Points:
    names = [name for name in Points.__slots__ if getattr(left, name) is not None]
    return Points(**{name: np.concatenate([getattr(left, name), getattr(right, name)]) for name in names})
