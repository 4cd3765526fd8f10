"""Drift: has the stream changed from its reference, in what, since when, and of which kind.

`Watch` holds windows of columns against a reference, `ArmWatch` the loss of an arm besides,
`PositivesWatch` what positives score; all open, update and close `Alarms` within the one budget of
false alarms that a domain declares.
"""

from online_models.drift.arms import ArmWatch
from online_models.drift.budget import Budget
from online_models.drift.columns import Column
from online_models.drift.positives import PositivesWatch
from online_models.drift.watch import Watch

__all__ = ["ArmWatch", "Budget", "Column", "PositivesWatch", "Watch"]
