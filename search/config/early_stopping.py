"""Rule of early stopping, as study files state it."""

from typing import Annotated

from pydantic import Field

from gatefront.search.config.parameters import StrictModel


class StoppingRule(StrictModel):
    """Table ``[early_stopping]``. Rungs lie at the epochs ``grace`` · ``eta``^k of the gates' training.

    At each rung the best one in ``eta`` of the trials that have reached it continues. Nothing is decided at a rung
    before ``min_trials`` have reached it.
    """

    enabled: bool = True
    eta: Annotated[int, Field(ge=2)] = 3
    grace: Annotated[int, Field(ge=1)] = 3
    min_trials: Annotated[int, Field(ge=1)] = 6

    def is_rung(self, epoch: int) -> bool:
        return epoch in self.rungs_until(epoch)

    def rungs_until(self, last_epoch: int) -> list[int]:
        """Return all rungs of a training of ``last_epoch`` epochs."""
        rungs: list[int] = []
        rung = self.grace
        while rung <= last_epoch:
            rungs.append(rung)
            rung *= self.eta
        return rungs
