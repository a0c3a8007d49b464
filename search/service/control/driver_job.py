"""DriverJob: the job of a driver that a service starts, passed in its environment."""

import json
import os
from collections.abc import Mapping, MutableMapping
from dataclasses import asdict, dataclass, field
from typing import Literal

from gatefront.search.service.control.study_control import StartOptions

ORDER_VARIABLE = "GATEFRONT_ORDER"
"""Variable that only :mod:`gatefront.search.cli.driver_process` reads."""

SERVICE_SECRETS = ("GATEFRONT_TOKENS", "GATEFRONT_TOKEN")
"""Variables of a service that its drivers, and so their workers, do not need."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverJob:
    """Job of a driver.

    ``text`` is the study file of a study to start or examine. A study to resume has its own in the database.
    ``address`` is the Ray cluster to train on; None means a cluster of the driver's own. The job holds no secret,
    because with Ray it can be read in the list of jobs.
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
        """Return the job in the environment, and remove it there so that workers do not inherit it."""
        document = json.loads(environment.pop(ORDER_VARIABLE))
        return cls(**document | {"options": StartOptions(**document["options"])})


def driver_environment(order: DriverJob, url: str, environment: Mapping[str, str]) -> dict[str, str]:
    """Return a driver's environment on this machine: without the service's secrets, with the database's URL.

    The URL may hold a password. Only its user can read the environment of a process, but everybody can read its command
    line.
    """
    kept = {name: value for name, value in environment.items() if name not in SERVICE_SECRETS}
    return kept | {ORDER_VARIABLE: order.to_text(), "GATEFRONT_DB": url}
