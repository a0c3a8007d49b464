"""What a running service may do to studies, for REST and the dashboards."""

from gatefront.search.control.contract import NotRunningError, StartOptions, StudyControl
from gatefront.search.control.local import LocalControl
from gatefront.search.control.process_launcher import ProcessLauncher
from gatefront.search.control.rules import StudyFileRules

__all__ = ["LocalControl", "NotRunningError", "ProcessLauncher", "StartOptions", "StudyControl", "StudyFileRules"]
