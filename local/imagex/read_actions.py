"""The API's actions that read: files, their URLs, the service and its templates."""

import base64
import binascii
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from local.imagex.billing import BillingRecords
from local.imagex.errors import imagex_error
from local.imagex.generate import picture_address
from local.imagex.request import ServiceProfile, check_service
from local.openapi import ApiError

_CHINA_OFFSET_SECONDS = 8 * 3600
_PATTERN = re.compile(r"[a-zA-Z0-9_-]*")
_FORMATS = ("image", "jpeg", "jpg", "png", "webp", "avif", "heic", "awebp", "gif")


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A request for an action that changes nothing; `host` is this server's, as clients reach it.

    Its methods return the actions' `Result`.
    """

    billing: BillingRecords
    service: ServiceProfile
    region: str
    host: str
    query: Mapping[str, str]

    def answer(self, action: tuple[str, str]) -> dict[str, Any]:
        """Return the `Result` of an action (name, version). Raises ApiError."""
        if action[0] != "GetAllImageServices":
            check_service(self.query.get("ServiceId"), self.service)
        return ACTIONS[action](self)

    def storage_files(self) -> dict[str, Any]:
        """GetImageStorageFiles (508/1158308); no file is an empty list."""
        if self.query.get("Delimiter"):
            raise _invalid("Delimiter", "is not supported by the local stand-in")
        limit = self._number("Limit", 10)
        if not 1 <= limit <= 1000:
            raise _invalid("Limit", "is not a whole number from 1 to 1000")
        after = _from_marker(self.query.get("Marker", ""))
        files = self.billing.files(self.query.get("Prefix", ""), after, limit + 1)
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
            "Marker": base64.urlsafe_b64encode(files[-1].name.encode()).decode()
            if has_more
            else "",
        }

    def upload_file(self) -> dict[str, Any]:
        """GetImageUploadFile; its error for a missing file is not documented."""
        uri = self._required("StoreUri")
        file = self.billing.find_uri(uri)
        if file is None:
            raise ApiError("FileNotFound", f"There is no file {uri}.")
        return {
            "ServiceId": self.service.id,
            "StoreUri": file.store_uri,
            "FileSize": file.size,
            "LastModified": local_time(file.last_modified),
            "StorageContentType": file.content_type,
            "StorageClass": "STANDARD",
        }

    def resource_url(self) -> dict[str, Any]:
        """GetResourceURL; the URL is this server's, and http for any `Proto`."""
        domain, uri = self._required("Domain"), self._required("URI")
        if domain != self.service.domain:
            raise imagex_error(601000, f"Domain {domain!r} is not bound.")
        if self.query.get("Proto", "http") not in ("http", "https"):
            raise _invalid("Proto", "is neither http nor https")
        extension = self.query.get("Format", "image")
        if extension not in _FORMATS:
            raise _invalid("Format", f"is none of {', '.join(_FORMATS)}")
        template = self.query.get("Tpl", self.service.template)
        if "." not in template:
            template = f"{template}.{extension}"
        address = picture_address(self.host, uri, template)
        return {"URL": address, "ObjURL": "", "CompactURL": "", "ObjCompactURL": ""}

    def all_services(self) -> dict[str, Any]:
        """GetAllImageServices."""
        return {"Services": [self.one_service()], "ServicesCnt": 1}

    def one_service(self) -> dict[str, Any]:
        """GetImageService; the fields' names and statuses are documented (508/9358)."""
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

    def templates(self) -> dict[str, Any]:
        """GetAllImageTemplates (508/9386): the templates whose name contains the pattern."""
        pattern = self.query.get("TemplateNamePattern", "")
        if not _PATTERN.fullmatch(pattern):
            raise _invalid(
                "TemplateNamePattern", "has other characters than letters, digits, _ and -"
            )
        # The documents' examples show names without the suffix that URLs have.
        name = self.service.template.partition(".")[0]
        found = [name] if pattern in name else []
        offset, limit = self._number("Offset", 0), self._number("Limit", 10)
        templates = [
            {"ServiceID": self.service.id, "TemplateName": name, "WithSig": False}
            for name in found[offset : offset + limit]
        ]
        return {"ServiceId": self.service.id, "Templates": templates, "Total": len(found)}

    def _required(self, name: str) -> str:
        if not self.query.get(name):
            raise ApiError(f"MissingParameter.{name}", f"The query has no {name}.")
        return self.query[name]

    def _number(self, name: str, default: int) -> int:
        value = self.query.get(name) or str(default)
        if not value.isdecimal():
            raise _invalid(name, "is not a whole number")
        return int(value)


ACTIONS: dict[tuple[str, str], Callable[[ReadRequest], dict[str, Any]]] = {
    ("GetImageStorageFiles", "2018-08-01"): ReadRequest.storage_files,
    ("GetImageUploadFile", "2023-05-01"): ReadRequest.upload_file,
    ("GetResourceURL", "2023-05-01"): ReadRequest.resource_url,
    ("GetAllImageServices", "2018-08-01"): ReadRequest.all_services,
    ("GetImageService", "2018-08-01"): ReadRequest.one_service,
    ("GetAllImageTemplates", "2018-08-01"): ReadRequest.templates,
}
"""Every reading action and its version; all are called by GET."""


def local_time(moment: float) -> str:
    """Format a time as the service does: RFC 3339, to the second, in Beijing."""
    beijing = time.gmtime(moment + _CHINA_OFFSET_SECONDS)
    return time.strftime("%Y-%m-%dT%H:%M:%S+08:00", beijing)


def _invalid(name: str, problem: str) -> ApiError:
    return ApiError(f"InvalidParameter.{name}", f"{name} {problem}.")


def _from_marker(marker: str) -> str:
    try:
        return base64.b64decode(marker, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _invalid("Marker", "is not one that this service returned") from error
