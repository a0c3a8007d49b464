"""What a running service may do to studies, for REST and the dashboards."""

from search.control.contract import NotRunningError, StartOptions, StudyControl
from search.control.local import LocalControl
from search.control.process_launcher import ProcessLauncher
from search.control.rules import StudyFileRules

__all__ = ["LocalControl", "NotRunningError", "ProcessLauncher", "StartOptions", "StudyControl", "StudyFileRules"]
