"""Check veImageX: the service, its domain and its templates, with actions that only read.

GetImageService (508/9358) and GetAllImageTemplates (508/9386), both of version 2018-08-01.
"""

import secrets
from typing import Any

from ops.checks.check import CheckFailed, Finding, not_checked, ok, refused, warning, wrong
from ops.checks.client import CheckClient
from ops.service_errors import code_of, describe, is_denied
from shared.clients.http import Response
from shared.clients.imagex import error_of
from shared.errors import ProbeFailed
from shared.json_utils import as_object
from shared.settings import Settings

_VERSION = "2018-08-01"
_NORMAL = "正常"
_CONSOLE = "the veImageX console, 服务管理"
_TEMPLATES = "the veImageX console, 处理配置"
_PAGE = 100
_MAX_PAGES = 10
# No service of this account (508/66156).
_UNKNOWN_SERVICE = {"600013", "601001", "601002", "601009"}


class ImagexService:
    """The service that the settings name."""

    def __init__(self, client: CheckClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings
        self._described: dict[str, Any] = {}

    @property
    def buckets(self) -> set[str]:
        """The buckets that the service may store in, as far as is known."""
        storage = self._described.get("Storage")
        names = [storage.get("BktName")] if isinstance(storage, dict) else []
        allowed = self._described.get("AllowBkts")
        names += allowed if isinstance(allowed, list) else []
        return {f"tos-cn-i-{self._settings.service_id}", *(str(name) for name in names if name)}

    def service(self) -> Finding:
        """Read the service."""
        service_id = self._settings.service_id
        answer = self._client.imagex("GetImageService", _VERSION)
        result = _result(answer)
        if result is None:
            if _is_unknown_service(answer):
                return wrong(
                    f"There is no service {service_id} in {self._settings.region}: "
                    f"{describe(answer)}",
                    f"Copy its id from {_CONSOLE}, to VEIMAGEX_SERVICE_ID; check VEIMAGEX_REGION.",
                )
            if is_denied(answer) or (answer.status == 200 and not code_of(answer)):
                return warning(
                    f"It cannot be read: {describe(answer)}",
                    f"Check in {_CONSOLE} that {service_id} is there and 正常, and its domain too; "
                    "or give this key ImageX:GetImageService.",
                )
            raise refused(answer, "GetImageService", "ImageX:GetImageService")
        self._described = result
        status = str(result.get("ServiceStatus") or "")
        if status != _NORMAL:
            return _not_normal(service_id, status, f"Check in {_CONSOLE} what is missing.")
        return ok(f"{service_id} ({str(result.get('ServiceName') or '')[:40]}) exists: {status}.")

    def domain(self) -> Finding:
        """Check that the domain is bound to the service."""
        wanted, service_id = self._settings.domain, self._settings.service_id
        listed = self._described.get("DomainInfos")
        if not isinstance(listed, list):
            return warning(
                "The service's answer lists no domains.",
                f"Check in {_CONSOLE} that {wanted} is bound to {service_id} and {_NORMAL}.",
            )
        domains = {
            str(d.get("DomainName")): str(d.get("Status") or "")
            for d in listed
            if isinstance(d, dict)
        }
        if wanted not in domains:
            bound = ", ".join(sorted(domains)) or "no domain"
            return wrong(
                f"{wanted} is not bound to {service_id}; bound is {bound[:300]}.",
                "Correct VEIMAGEX_DOMAIN, or add the domain in the console.",
            )
        if domains[wanted] != _NORMAL:
            return _not_normal(
                wanted,
                domains[wanted],
                "Check in the console, 域名管理: its CNAME or its registration may be missing.",
            )
        return ok(f"{wanted} is bound to {service_id}: {_NORMAL}.")

    def templates(self) -> Finding:
        """Check that the template exists, and those of presets."""
        named = [self._settings.template, *(p.template for p in self._settings.presets)]
        wanted = list(dict.fromkeys(name for name in named if name))
        missing = [template for template in wanted if not self._has_template(template)]
        if missing:
            return wrong(
                f"{self._settings.service_id} has no template {', '.join(missing)}.",
                f"Copy its name from {_TEMPLATES}, to VEIMAGEX_TEMPLATE or to the preset; or "
                "create it there.",
            )
        return ok(f"{', '.join(wanted)} {'exists' if len(wanted) == 1 else 'exist'}.")

    def probe(self) -> Finding:
        """Probe for an output, as the functions do after an unknown outcome."""
        name = f"{self._settings.output_prefix}doctor-{secrets.token_hex(8)}"
        try:
            self._client.find_output(name)
        except ProbeFailed as error:
            return wrong(
                f"Outputs cannot be probed for: {error}",
                "Give the function's role, and this key, ImageX:GetImageStorageFiles: without it "
                "a call that got no answer stays in doubt."
                if error.misconfigured
                else "Run the doctor again; while this lasts, such calls stay in doubt.",
            )
        return ok("GetImageStorageFiles finds stored outputs.")

    def model(self) -> Finding:
        """Return what no check can find out for free."""
        return not_checked(
            "Only a paid call shows whether the model is activated and may be called.",
            "Run 'repaint doctor --live', or upload one picture with a prompt: the log shows "
            "image.generated, or configuration.refused with what is missing.",
        )

    def _has_template(self, template: str) -> bool:
        """Return whether the service has it. Raises CheckFailed if that cannot be found out.

        Documents disagree on whether the suffix belongs to the name: it is ignored.
        """
        # Behind a colon are the values that a template's parameters get.
        name = template.partition(".")[0].partition(":")[0]
        query = {"TemplateNamePattern": name, "Limit": str(_PAGE)}
        look_up = f"Check in {_TEMPLATES}, that {template} exists"
        for page in range(_MAX_PAGES):
            answer = self._client.imagex(
                "GetAllImageTemplates", _VERSION, Offset=str(page * _PAGE), **query
            )
            listed = (_result(answer) or {}).get("Templates")
            if not isinstance(listed, list):
                if code_of(answer) and not is_denied(answer):
                    raise refused(answer, "GetAllImageTemplates", "ImageX:GetAllImageTemplates")
                raise CheckFailed(
                    warning(
                        f"It cannot be read: {describe(answer)}",
                        f"{look_up}; or give this key ImageX:GetAllImageTemplates.",
                    )
                )
            names = [str(t.get("TemplateName")) for t in listed if isinstance(t, dict)]
            if name in [n.partition(".")[0] for n in names]:
                return True
            if len(listed) < _PAGE:
                return False
        found = f"Over {_PAGE * _MAX_PAGES} templates have {name} in their names."
        raise CheckFailed(warning(found, f"{look_up}."))


def _not_normal(what: str, status: str, fix: str) -> Finding:
    found = f"The status of {what} is {status[:40] or 'missing'}; it must be {_NORMAL} (normal)."
    return warning(found, fix)


def _result(answer: Response) -> dict[str, Any] | None:
    document = as_object(answer.body) or {}
    result = document.get("Result")
    fine = answer.status == 200 and error_of(document, answer.status) is None
    return result if fine and isinstance(result, dict) else None


def _is_unknown_service(answer: Response) -> bool:
    error = error_of(as_object(answer.body), answer.status) or {}
    return bool({str(error.get("CodeN")), str(error.get("Code"))} & _UNKNOWN_SERVICE)
