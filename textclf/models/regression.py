"""Multinomial logistic regression by scikit-learn, as the kernel and bias of a dense layer."""

import logging
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

logger = logging.getLogger(__name__)


def fit_regression(
    features: Any, targets: NDArray[np.int32], num_classes: int, inverse_regularization: float, max_iterations: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return kernel, float64[features, classes], and bias, float64[classes]; what did not converge is a warning.

    Args:
        features: A matrix [texts, features], dense or SciPy's.
        targets: int32[texts].
        num_classes: Number of classes, each with a text.
        inverse_regularization: scikit-learn's `C`.
        max_iterations: Most steps of the solver (L-BFGS).
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=inverse_regularization, max_iter=max_iterations)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        regression.fit(features, targets)
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):  # it names scikit-learn's options, not ours
            logger.warning(
                "The regression had not converged after %d steps of its solver (model.max_iterations=%d). "
                "Raise model.max_iterations, or lower model.inverse_regularization.",
                regression.n_iter_.max(),
                max_iterations,
            )
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    kernel, bias = regression.coef_.T, regression.intercept_
    if num_classes == 2:  # scikit-learn gives the log odds of the second class alone
        kernel = np.concatenate([np.zeros_like(kernel), kernel], axis=1)
        bias = np.concatenate([np.zeros_like(bias), bias])
    return kernel, bias
