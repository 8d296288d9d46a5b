"""Which question belongs to which task and model."""

from collections.abc import Callable, Mapping
from typing import Final

from models.tasks.registry import task_of
from training.kit.questions.base import Question
from training.kit.questions.direction import DirectionQuestion
from training.kit.questions.returns import ReturnQuestion
from training.kit.questions.risk import RiskQuestion
from training.kit.questions.volatility import VolatilityQuestion

QUESTIONS: Final[dict[str, Question]] = {
    question.task.identity.name: question
    for question in (DirectionQuestion(), ReturnQuestion(), RiskQuestion(), VolatilityQuestion())
}
"""By task, at the horizon that it has where a model's name states none."""

_AT_HORIZON: Final[Mapping[str, Callable[[int], Question]]] = {
    "direction": DirectionQuestion,
    "return": ReturnQuestion,
    "volatility": VolatilityQuestion,
}


def question_of(model: str) -> Question:
    """Return the question of a tabular model, at its horizon; raises ``KeyError`` for a task that is not tabular."""
    task = task_of(model).identity
    usual = QUESTIONS[task.name]
    return usual if usual.target.horizon == task.horizon else _AT_HORIZON[task.name](task.horizon)
