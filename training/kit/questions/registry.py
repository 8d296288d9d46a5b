"""Which question belongs to which task."""

from typing import Final

from training.kit.questions.base import Question
from training.kit.questions.direction import DirectionQuestion
from training.kit.questions.returns import ReturnQuestion
from training.kit.questions.risk import RiskQuestion
from training.kit.questions.volatility import VolatilityQuestion

QUESTIONS: Final[dict[str, Question]] = {
    question.task.identity.name: question
    for question in (DirectionQuestion(), ReturnQuestion(), RiskQuestion(), VolatilityQuestion())
}
