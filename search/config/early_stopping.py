"""The rule of early stopping, as study files state it."""

from typing import Annotated

from pydantic import Field

from gatefront.search.config.parameters import StrictModel


class StoppingRule(StrictModel):
    """``[early_stopping]``. Rungs lie at the epochs ``grace`` · ``eta``^k of the gates' training.

    At each the best one in ``eta`` of the trials that have reached it goes on. Nothing is decided at a rung before
    ``min_trials`` have reached it.
    """

    enabled: bool = True
    eta: Annotated[int, Field(ge=2)] = 3
    grace: Annotated[int, Field(ge=1)] = 3
    min_trials: Annotated[int, Field(ge=1)] = 6

    def is_rung(self, epoch: int) -> bool:
        return epoch in self.rungs_until(epoch)

    def rungs_until(self, last_epoch: int) -> list[int]:
        """All rungs of a training of so many epochs."""
        rungs: list[int] = []
        rung = self.grace
        while rung <= last_epoch:
            rungs.append(rung)
            rung *= self.eta
        return rungs
