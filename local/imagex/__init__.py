"""A local veImageX that stands in for GetCVImageGenerateResult and judges those who call it."""

from local.imagex.app import application
from local.imagex.book import Book, Call, Charge, StoredFile
from local.imagex.faults import Faults, FaultSettings

__all__ = ["Book", "Call", "Charge", "FaultSettings", "Faults", "StoredFile", "application"]
