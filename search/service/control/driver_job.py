"""DriverJob: what a driver that a service starts is to do, handed over in its environment."""

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from gatefront.search.service.control.study_control import StartOptions

ORDER_VARIABLE = "GATEFRONT_ORDER"
"""Read by :mod:`gatefront.search.cli.driver_process`, and by nothing else."""

SERVICE_SECRETS = ("GATEFRONT_TOKENS", "GATEFRONT_TOKEN")
"""Variables of a service that its drivers, and so their workers, have no use for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverJob:
    """``text`` is the study file of a study to start or examine; a study to resume has its own in the database.

    Holds no secret: with Ray it can be read in the list of jobs. ``address`` is the Ray cluster to train on; None: one
    of the driver's own.
    """

    action: Literal["start", "resume", "examine"]
    study: str
    actor: str
    storage: str
    text: str = ""
    address: str | None = None
    options: StartOptions = field(default_factory=StartOptions)

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_environment(cls, environment: MutableMapping[str, str] = os.environ) -> "DriverJob":
        """The order in the environment, which is taken out of it: workers inherit the rest."""
        document = json.loads(environment.pop(ORDER_VARIABLE))
        return cls(**document | {"options": StartOptions(**document["options"])})


def driver_environment(order: DriverJob, url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """What a driver on this machine gets: all but the service's own secrets, and the database with its password.

    The environment of a process can be read by its user alone, its command line by everybody.
    """
    kept = {name: value for name, value in environment.items() if name not in SERVICE_SECRETS}
    return kept | {ORDER_VARIABLE: order.to_text(), "GATEFRONT_DB": url}
