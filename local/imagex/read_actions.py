"""The API's actions that read: files, their URLs, the service and its templates."""

import base64
import binascii
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.imagex.billing import BillingRecords, OutputFile
from local.imagex.errors import imagex_error
from local.imagex.generate import picture_address
from local.imagex.request import ServiceProfile, check_service
from local.openapi import Refusal

_CHINA_OFFSET_SECONDS = 8 * 3600
_PATTERN = re.compile(r"[a-zA-Z0-9_-]*")
_FORMATS = ("image", "jpeg", "jpg", "png", "webp", "avif", "heic", "awebp", "gif")


@dataclass(frozen=True, slots=True)
class Reader:
    """Answers the API's actions that change nothing."""

    billing: BillingRecords
    service: ServiceProfile
    region: str

    def storage_files(self, query: Mapping[str, str], host: str) -> dict[str, Any]:
        """Answer GetImageStorageFiles (508/1158308); nothing found is an empty list."""
        del host
        check_service(query.get("ServiceId"), self.service)
        if query.get("Delimiter"):
            raise Refusal(
                "InvalidParameter.Delimiter", "Delimiter is not supported by the local stand-in."
            )
        try:
            limit = int(query.get("Limit") or 10)
        except ValueError:
            limit = 0
        if not 1 <= limit <= 1000:
            raise Refusal("InvalidParameter.Limit", "Limit is not a whole number from 1 to 1000.")
        after = _from_marker(query.get("Marker", ""))
        files = self.billing.files(query.get("Prefix", ""), after, limit + 1)
        has_more = len(files) > limit
        files = files[:limit]
        return {
            "CommonPrefix": [],
            "HasMore": has_more,
            "Items": [
                {
                    "Key": file.name,
                    "StoreUri": file.store_uri,
                    "FileSize": file.size,
                    "LastModified": local_time(file.last_modified),
                    "StorageClass": "STANDARD",
                }
                for file in files
            ],
            "Marker": _to_marker(files[-1].name) if has_more else "",
        }

    def upload_file(self, query: Mapping[str, str], host: str) -> dict[str, Any]:
        """Answer GetImageUploadFile; its error for a missing file is not documented."""
        del host
        check_service(query.get("ServiceId"), self.service)
        file = self._by_uri(_needed(query, "StoreUri"))
        if file is None:
            raise Refusal("FileNotFound", f"There is no file {query['StoreUri']}.")
        return {
            "ServiceId": self.service.id,
            "StoreUri": file.store_uri,
            "FileSize": file.size,
            "LastModified": local_time(file.last_modified),
            "StorageContentType": file.content_type,
            "StorageClass": "STANDARD",
        }

    def resource_url(self, query: Mapping[str, str], host: str) -> dict[str, Any]:
        """Answer GetResourceURL with a URL of this server, which is http for any `Proto`."""
        check_service(query.get("ServiceId"), self.service)
        if _needed(query, "Domain") != self.service.domain:
            raise imagex_error(601000, f"Domain {query['Domain']!r} is not bound.")
        uri, template = _needed(query, "URI"), query.get("Tpl", self.service.template)
        if query.get("Proto", "http") not in ("http", "https"):
            raise Refusal("InvalidParameter.Proto", "Proto is neither http nor https.")
        extension = query.get("Format", "image")
        if extension not in _FORMATS:
            raise Refusal("InvalidParameter.Format", f"Format is none of {', '.join(_FORMATS)}.")
        if "." not in template:
            template = f"{template}.{extension}"
        address = picture_address(host, uri, template)
        return {"URL": address, "ObjURL": "", "CompactURL": "", "ObjCompactURL": ""}

    def services(self, query: Mapping[str, str], host: str) -> dict[str, Any]:
        """Answer GetAllImageServices."""
        del query, host
        return {"Services": [self._described()], "ServicesCnt": 1}

    def one_service(self, query: Mapping[str, str], host: str) -> dict[str, Any]:
        """Answer GetImageService (508/9358)."""
        del host
        check_service(query.get("ServiceId"), self.service)
        return self._described()

    def templates(self, query: Mapping[str, str], host: str) -> dict[str, Any]:
        """Answer GetAllImageTemplates (508/9386): those whose name contains the pattern."""
        del host
        check_service(query.get("ServiceId"), self.service)
        pattern = query.get("TemplateNamePattern", "")
        if not _PATTERN.fullmatch(pattern):
            raise Refusal(
                "InvalidParameter.TemplateNamePattern",
                "TemplateNamePattern has other characters than letters, digits, _ and -.",
            )
        # The documents' examples show names without the suffix that addresses carry.
        name = self.service.template.partition(".")[0]
        found = [name] if pattern in name else []
        offset, limit = _whole(query, "Offset", 0), _whole(query, "Limit", 10)
        templates = [
            {"ServiceID": self.service.id, "TemplateName": name, "WithSig": False}
            for name in found[offset : offset + limit]
        ]
        return {"ServiceId": self.service.id, "Templates": templates, "Total": len(found)}

    def picture(self, address: str) -> tuple[OutputFile, bytes] | None:
        """Return the file shown at `<StoreUri>~<template>`, and its bytes; None without one."""
        uri, _, template = address.rpartition("~")
        if template.partition(".")[0] != self.service.template.partition(".")[0]:
            return None
        file = self._by_uri(uri)
        return None if file is None else (file, self.billing.picture(file))

    def _by_uri(self, uri: str) -> OutputFile | None:
        bucket, _, name = uri.partition("/")
        return self.billing.find(name) if bucket == self.service.bucket else None

    def _described(self) -> dict[str, Any]:
        """Describe the service; the fields' names and statuses are documented (508/9358)."""
        return {
            "ServiceName": "local",
            "ServiceId": self.service.id,
            "ServiceRegion": "cn" if self.region.startswith("cn") else "sg",
            "ServiceType": "Image",
            "ServiceStatus": self.service.status,
            "TemplatePrefix": f"tplv-{self.service.id}-",
            "DomainInfos": [
                {
                    "DomainName": self.service.domain,
                    "CNAME": "",
                    "Status": self.service.domain_status,
                    "IsDefault": True,
                    "UrlAuth": False,
                }
            ],
            "Storage": {"BktName": self.service.bucket, "AllTypes": False, "TTL": 0},
            "UploadOverwrite": self.service.overwrite,
        }


Action = Callable[[Reader, Mapping[str, str], str], dict[str, Any]]

ACTIONS: dict[tuple[str, str], Action] = {
    ("GetImageStorageFiles", "2018-08-01"): Reader.storage_files,
    ("GetImageUploadFile", "2023-05-01"): Reader.upload_file,
    ("GetResourceURL", "2023-05-01"): Reader.resource_url,
    ("GetAllImageServices", "2018-08-01"): Reader.services,
    ("GetImageService", "2018-08-01"): Reader.one_service,
    ("GetAllImageTemplates", "2018-08-01"): Reader.templates,
}
"""Every reading action and its version; all are called by GET."""


def local_time(moment: float) -> str:
    """Format a time as the service does: RFC 3339, to the second, in Beijing."""
    beijing = time.gmtime(moment + _CHINA_OFFSET_SECONDS)
    return time.strftime("%Y-%m-%dT%H:%M:%S+08:00", beijing)


def _needed(query: Mapping[str, str], name: str) -> str:
    if not query.get(name):
        raise Refusal(f"MissingParameter.{name}", f"The query has no {name}.")
    return query[name]


def _whole(query: Mapping[str, str], name: str, default: int) -> int:
    value = query.get(name) or str(default)
    if not value.isdecimal():
        raise Refusal(f"InvalidParameter.{name}", f"{name} is not a whole number from 0.")
    return int(value)


def _to_marker(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _from_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refusal(
            "InvalidParameter.Marker", "Marker is not one that this service returned."
        ) from error
