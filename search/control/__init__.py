"""What a running service may do to studies, for REST and the dashboards."""

from search.control.contract import NotRunningError, StartOptions, StudyControl

__all__ = ["NotRunningError", "StartOptions", "StudyControl"]
