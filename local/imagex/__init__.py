"""A local veImageX that stands in for GetCVImageGenerateResult and keeps billing records.

Its objects may be used from several threads.
"""

from local.imagex.app import application
from local.imagex.billing import ApiCall, BillingRecords, Charge, OutputFile
from local.imagex.faults import Faults, FaultSettings

__all__ = [
    "ApiCall",
    "BillingRecords",
    "Charge",
    "FaultSettings",
    "Faults",
    "OutputFile",
    "application",
]
