"""Barefoot for Python: the generated calls under one name, and long jobs as plain functions.

Every call may be made from any thread; those that take long or do I/O say so in their docs.
"""

from .barefoot_ffi import *  # noqa: F403
from .barefoot_ffi import Assessed, AssessmentRequest, Assessor, BackupReport, Clinic, ProgressListener


class _Call(ProgressListener):
    def __init__(self, function):
        self._function = function

    def on_progress(self, done, total):
        self._function(done, total)


def assess(assessor: Assessor, request: AssessmentRequest, on_progress=None) -> Assessed:
    """Assesses photos and findings; `on_progress(done, total)` hears of each step, and stops the work by raising. Takes up to seconds."""
    return assessor.begin(request).run(_Call(on_progress) if on_progress else None)


def back_up(clinic: Clinic, file: str, on_progress=None) -> BackupReport:
    """Writes a backup into a new file. Does I/O; takes seconds."""
    return clinic.begin_backup(file).run(_Call(on_progress) if on_progress else None)
