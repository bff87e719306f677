"""Personal data and secrets in tables: found by pattern in every cell, reported without a value.

Nothing here leaves the machine, and no report, message or log line holds what was found.
"""

from .report import ColumnScan, EntityFinding, Location, PiiReport, Tally, merge
from .scan import scan_file, scan_frame

__all__ = [
    "ColumnScan",
    "EntityFinding",
    "Location",
    "PiiReport",
    "Tally",
    "merge",
    "scan_file",
    "scan_frame",
]
