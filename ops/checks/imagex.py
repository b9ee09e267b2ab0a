"""veImageX: the service, its domain and its templates, through the actions that only read.

GetImageService (508/9358) and GetAllImageTemplates (508/9386), both of version 2018-08-01.
"""

import secrets
from typing import Any

from ops.checks.checks import Told, not_checked, ok, warning, wrong
from ops.checks.refusals import code_of, is_denied, refused, said
from ops.checks.wire import Wire
from shared.clients.http import Response
from shared.clients.imagex import error_of
from shared.errors import ProbeFailed
from shared.json_utils import as_object
from shared.settings import Settings

_VERSION = "2018-08-01"
_NORMAL = "正常"
_CONSOLE = "the veImageX console, 服务管理"
_PAGE = 100
_MAX_PAGES = 10
# Of no service of this account (508/66156).
_UNKNOWN_SERVICE = ("600013", "601001", "601002", "601009")


class Service:
    """The service that the settings name."""

    def __init__(self, wire: Wire, settings: Settings) -> None:
        self._wire = wire
        self._settings = settings
        self._described: dict[str, Any] = {}

    @property
    def buckets(self) -> set[str]:
        """The buckets that the service may store in, as far as is known."""
        storage = self._described.get("Storage")
        named = [storage.get("BktName")] if isinstance(storage, dict) else []
        allowed = self._described.get("AllowBkts")
        named += allowed if isinstance(allowed, list) else []
        return {f"tos-cn-i-{self._settings.service_id}", *(str(name) for name in named if name)}

    def exists(self) -> Told:
        """Ask what the service is."""
        service_id = self._settings.service_id
        answer = self._wire.imagex("GetImageService", _VERSION)
        result = _result(answer)
        if result is None:
            if _is_unknown_service(answer):
                return wrong(
                    f"There is no service {service_id} in {self._settings.region}: {said(answer)}",
                    f"Copy its id from {_CONSOLE}, to VEIMAGEX_SERVICE_ID; check VEIMAGEX_REGION.",
                )
            if is_denied(answer) or (answer.status == 200 and not code_of(answer)):
                return warning(
                    f"It could not be asked for: {said(answer)}",
                    f"Look in {_CONSOLE}, whether {service_id} is there and 正常, and its domain "
                    "too; or give this key ImageX:GetImageService.",
                )
            return refused(answer, "GetImageService", "ImageX:GetImageService")
        self._described = result
        status = str(result.get("ServiceStatus") or "")
        if status != _NORMAL:
            return warning(
                f"The status of {service_id} is {status[:40] or 'not told'}; only one that is "
                f"{_NORMAL} (normal) can be used.",
                f"Look in {_CONSOLE}, what is missing.",
            )
        return ok(f"{service_id} ({str(result.get('ServiceName') or '')[:40]}) is there: {status}.")

    def domain(self) -> Told:
        """Look for the domain among those that are bound to the service."""
        wanted, service_id = self._settings.domain, self._settings.service_id
        listed = self._described.get("DomainInfos")
        if not isinstance(listed, list):
            return warning(
                "The service did not tell its domains.",
                f"Look in {_CONSOLE}, whether {wanted} is bound to {service_id} and {_NORMAL}.",
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
            return warning(
                f"The status of {wanted} is {domains[wanted][:40] or 'not told'}; only one that is "
                f"{_NORMAL} (normal) can be used.",
                "Look in the console, 域名管理: its CNAME or its registration may be missing.",
            )
        return ok(f"{wanted} is bound to {service_id}: {_NORMAL}.")

    def templates(self) -> Told:
        """Look for the template, and those that presets name."""
        named = [self._settings.template, *(p.template for p in self._settings.presets)]
        wanted = list(dict.fromkeys(name for name in named if name))
        missing = []
        for template in wanted:
            found = self._has_template(template)
            if isinstance(found, Told):
                return found
            if not found:
                missing.append(template)
        if missing:
            return wrong(
                f"{self._settings.service_id} has no template {', '.join(missing)}.",
                "Copy its name from the veImageX console, 处理配置, to VEIMAGEX_TEMPLATE or to the "
                "preset; or create it there.",
            )
        return ok(f"{', '.join(wanted)} is there.")

    def probe(self) -> Told:
        """Look for an output as the functions do after an unknown outcome."""
        name = f"{self._settings.output_prefix}doctor-{secrets.token_hex(8)}"
        try:
            self._wire.functions_imagex().find_output(name)
        except ProbeFailed as error:
            return wrong(
                f"Outputs cannot be looked for: {error}",
                "Give the function's role, and this key, ImageX:GetImageStorageFiles: without it "
                "a call that got no answer stays in doubt."
                if error.misconfigured
                else "Run the doctor again; while it stays so, such calls stay in doubt.",
            )
        return ok("GetImageStorageFiles tells what is stored and what is not.")

    def model(self) -> Told:
        """Say what no look can tell."""
        return not_checked(
            "Whether the model is activated, and may be called, shows in a paid call only.",
            "Upload one picture with a prompt and look for image.generated in the log; "
            "configuration.refused says what is missing.",
        )

    def _has_template(self, template: str) -> bool | Told:
        """Tell whether the service has it; a `Told` where that cannot be found out.

        Documents disagree on whether the suffix belongs to the name: it does not count.
        """
        # Behind a colon are the values that a template's parameters get.
        name = template.partition(".")[0].partition(":")[0]
        query = {"TemplateNamePattern": name, "Limit": str(_PAGE)}
        for page in range(_MAX_PAGES):
            answer = self._wire.imagex(
                "GetAllImageTemplates", _VERSION, Offset=str(page * _PAGE), **query
            )
            listed = (_result(answer) or {}).get("Templates")
            if not isinstance(listed, list):
                if code_of(answer) and not is_denied(answer):
                    return refused(answer, "GetAllImageTemplates", "ImageX:GetAllImageTemplates")
                return warning(
                    f"It could not be asked for: {said(answer)}",
                    f"Look in the veImageX console, 处理配置, whether {template} is there; or give "
                    "this key ImageX:GetAllImageTemplates.",
                )
            names = [str(t.get("TemplateName")) for t in listed if isinstance(t, dict)]
            if name in [n.partition(".")[0] for n in names]:
                return True
            if len(listed) < _PAGE:
                return False
        return warning(
            f"Over {_PAGE * _MAX_PAGES} templates have {name} in their names.",
            f"Look in the veImageX console, 处理配置, whether {template} is there.",
        )


def _result(answer: Response) -> dict[str, Any] | None:
    document = as_object(answer.body) or {}
    result = document.get("Result")
    fine = answer.status == 200 and error_of(document, answer.status) is None
    return result if fine and isinstance(result, dict) else None


def _is_unknown_service(answer: Response) -> bool:
    error = error_of(as_object(answer.body), answer.status) or {}
    return {str(error.get("CodeN")), str(error.get("Code"))} & set(_UNKNOWN_SERVICE) != set()
