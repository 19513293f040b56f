"""The discovery document of a 1.2 service: an OpenAPI document localised to the district (reference section 1.3)."""

from __future__ import annotations

from typing import Any

from include.sandbox.nested import NESTED
from include.sandbox.oauth2 import CORE, DEMOGRAPHICS, ROSTER
from include.sandbox.resources import RESOURCES

FILES = {
    "discovery": "onerosterv1p2rostersservice_openapi3_v1p0.json",
    "discovery-other-name": "imsorv1p2_rostering_openapi3_v1p0.json",
}
"""The document's name by the quirk that serves it: the REST binding's, and the conformance guide's."""


def document(title: str, service_url: str, token_url: str) -> dict[str, Any]:
    """Where the service and its tokens are, which scopes there are, and which paths it answers."""
    prefix = "https://purl.imsglobal.org/spec/or/v1p2/scope/"
    flow = {"tokenUrl": token_url, "scopes": {prefix + name: name for name in (CORE, ROSTER, DEMOGRAPHICS)}}
    paths = [f"/{name}" for name in RESOURCES] + [f"/{name}/{{sourcedId}}" for name in RESOURCES]
    paths += ["/" + "/{sourcedId}/".join(pattern.split("/")) for pattern in sorted(NESTED)]
    return {
        "openapi": "3.0.1",
        "info": {"title": title, "version": "1.2"},
        "servers": [{"url": service_url}],
        "paths": {path: {"get": {"security": [{"OAuth2CC": []}]}} for path in paths},
        "components": {"securitySchemes": {"OAuth2CC": {"type": "oauth2", "flows": {"clientCredentials": flow}}}},
    }
