"""`python infra/expand.py TEMPLATE...`: plain CloudFormation of SAM templates, and what making it takes.

Runs where infra/checks.lock is installed. AWS is not asked.
"""

import json
import sys
from pathlib import Path
from typing import Any

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER
from samcli.lib.translate.sam_template_validator import SamTemplateValidator
from samcli.yamlhelper import yaml_parse

REGION = "us-east-1"
HANDLERS = ("create", "read", "update", "delete")


def expand(text: str) -> dict[str, Any]:
    """Expand loops and serverless resources, as CloudFormation's transforms do.

    Raises:
        InvalidSamDocumentException: it is not a valid template.

    """
    validator = SamTemplateValidator(
        yaml_parse(text),
        managed_policy_loader=None,  # would ask IAM; no policy is named by its managed name alone
        region=REGION,
        language_extensions_enabled=True,
    )
    template: dict[str, Any] = yaml_parse(validator.get_translated_template_if_valid())
    return template


def permissions(kind: str) -> dict[str, list[str]]:
    """Actions that CloudFormation needs for a resource type, as the type's provider declares them."""
    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema
    handlers = schema.get("handlers", {})
    return {name: sorted(handlers[name].get("permissions", [])) for name in HANDLERS if name in handlers}


def describe(path: str) -> dict[str, Any]:
    """Return `template` and, for each resource type in it, `permissions`."""
    template = expand(Path(path).read_text(encoding="utf-8"))
    kinds = sorted({resource["Type"] for resource in template["Resources"].values()})
    return {"template": template, "permissions": {kind: permissions(kind) for kind in kinds}}


json.dump([describe(path) for path in sys.argv[1:]], sys.stdout, indent=1)
