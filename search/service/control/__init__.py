"""Control of studies by a running service, for REST and the dashboards."""

from gatefront.search.service.control.local_control import LocalControl
from gatefront.search.service.control.process_launcher import ProcessLauncher
from gatefront.search.service.control.study_control import NotRunningError, StartOptions, StudyControl
from gatefront.search.service.control.study_file_policy import StudyFilePolicy

__all__ = ["LocalControl", "NotRunningError", "ProcessLauncher", "StartOptions", "StudyControl", "StudyFilePolicy"]
