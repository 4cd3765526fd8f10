"""Focal loss: examples that are already well told count less, so that the rare class is heard.

River's `optim.losses.BinaryFocalLoss`, after Lin et al., *Focal Loss for Dense Object Detection*
(2017), appendix A. The sigmoid of a logit that minimises it is not the probability (Charoenphakdee
et al., *On Focal Loss for Class-Posterior Probability Estimation*, 2021); what is given here is.
"""

from __future__ import annotations

import math

from river import optim

from online_models.export.graph import Graph
from online_models.learners.logits import logit, sigmoid


class Focal(optim.losses.BinaryFocalLoss):  # type: ignore[misc]
    """-log(sigmoid(gamma · z + beta)) / gamma of a logit z towards the label, and its link.

    The expected loss is least where the odds are sigmoid(gamma · z - beta) over
    sigmoid(-gamma · z - beta); with `gamma` 1 and `beta` 0 that is the logistic loss.
    """

    def mean_func(self, y_pred: float) -> float:
        """The probability that a logit stands for."""
        u = self.gamma * y_pred
        above, below = sigmoid(u - self.beta), sigmoid(-u - self.beta)
        return above / (above + below)

    def link(self, probability: float) -> float:
        """The logit that stands for a probability: `mean_func` undone."""
        odds, shift = math.exp(logit(probability)), math.exp(self.beta)
        if odds > 1.0:
            return -self.link(1.0 - probability)
        short = 1.0 - odds
        root = 2.0 * odds * shift / (short + math.sqrt(short * short + 4.0 * odds * shift * shift))
        return math.log(root) / float(self.gamma)

    def export(self, graph: Graph, logits: str) -> str:
        """`mean_func` of the logits [n] in the graph."""
        u = graph.add("Mul", logits, graph.scalar(self.gamma))
        shift = graph.scalar(self.beta)
        above = graph.add("Sigmoid", graph.add("Sub", u, shift))
        below = graph.add("Sigmoid", graph.add("Sub", graph.add("Neg", u), shift))
        return graph.add("Div", above, graph.add("Add", above, below))
