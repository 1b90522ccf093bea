"""The linear model, trained one epoch at a time with scikit-learn, and how good it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import SGDClassifier

Features = NDArray[np.float32]
Targets = NDArray[np.bool_]
BATCH = 256


@dataclass(frozen=True, slots=True)
class Score:
    """``accuracy``: share of pictures whose labels are all right; ``loss``: mean log loss, nats."""

    accuracy: float
    loss: float


class LinearModel:
    """One logistic regression per label (one against the rest), by stochastic gradient descent.

    Args:
        labels: How many.
        learning_rate: Of the first epoch; it falls as 1 / (1 + epoch / 10).
        l2: Weight of the L2 penalty.
        multi_label: A picture may have several labels; else probabilities are scaled to sum to 1.
        balance: Weigh pictures by how rare their labels are.
    """

    def __init__(
        self,
        targets: Targets,
        *,
        learning_rate: float,
        l2: float,
        seed: int,
        multi_label: bool,
        balance: bool,
    ) -> None:
        self._rate = learning_rate
        self._random = np.random.default_rng(seed)
        self._multi_label = multi_label
        self._epoch = 0
        rarity = 1.0 / (targets.mean(axis=0).clip(1e-6) * targets.shape[1])
        self._weight_of_label = rarity.clip(0.1, 10.0) if balance else np.ones(targets.shape[1])
        self._models = [
            SGDClassifier(
                loss="log_loss",
                alpha=l2,
                learning_rate="constant",
                eta0=learning_rate,
                random_state=seed + number,
            )
            for number in range(targets.shape[1])
        ]

    def fit_epoch(self, features: Features, targets: Targets) -> None:
        """See every picture once, in a new order."""
        rate = self._rate / (1 + self._epoch / 10)
        self._epoch += 1
        for model in self._models:
            model.set_params(eta0=rate)
        order = self._random.permutation(len(features))
        for start in range(0, len(order), BATCH):
            chosen = order[start : start + BATCH]
            batch, truth = features[chosen].astype(np.float64), targets[chosen]
            weights = truth @ self._weight_of_label / truth.sum(axis=1)
            for number, model in enumerate(self._models):
                model.partial_fit(
                    batch,
                    truth[:, number],
                    classes=np.array([False, True]),
                    sample_weight=weights,
                )

    @property
    def weights(self) -> NDArray[np.float64]:
        """``[features, labels]``."""
        return np.stack([model.coef_[0] for model in self._models], axis=1)

    @property
    def bias(self) -> NDArray[np.float64]:
        return np.array([model.intercept_[0] for model in self._models])

    def probabilities(self, features: Features) -> NDArray[np.float64]:
        weights, bias = self.weights, self.bias
        parts = []
        for start in range(0, len(features), 4096):
            score = features[start : start + 4096].astype(np.float64) @ weights + bias
            parts.append(1.0 / (1.0 + np.exp(-score.clip(-60, 60))))
        probability = np.concatenate(parts) if parts else np.zeros((0, len(bias)))
        if not self._multi_label:
            probability /= probability.sum(axis=1, keepdims=True).clip(1e-12)
        return probability


def score(probability: NDArray[np.float64], targets: Targets, *, multi_label: bool) -> Score:
    """Accuracy and log loss; for several labels a picture, a label counts from one half on."""
    safe = probability.clip(1e-7, 1 - 1e-7)
    if multi_label:
        right = ((probability >= 0.5) == targets).all(axis=1)
        loss = -(np.where(targets, np.log(safe), np.log(1 - safe))).sum(axis=1)
    else:
        right = targets[np.arange(len(targets)), probability.argmax(axis=1)]
        loss = -np.log((safe * targets).sum(axis=1).clip(1e-7))
    return Score(float(right.mean()), float(loss.mean()))
