"""Run by the tests of the provider in a process of its own: writes what Airflow makes of it into the file named."""

import json
import sys
from pathlib import Path

from airflow import plugins_manager
from airflow.models.connection import Connection
from airflow.providers_manager import ProvidersManager

from oneroster_provider.hook import OneRosterHook

manager = ProvidersManager()
hook = manager.hooks["oneroster"]
form = manager.field_behaviours["oneroster"]
plugins_manager.ensure_plugins_loaded()

result = {
    "class": hook.hook_class_name,
    "id": hook.connection_id_attribute_name,
    "package": hook.package_name,
    "form": form,
    "extra": [
        key.removeprefix("extra__oneroster__")
        for key in manager.connection_form_widgets
        if key.startswith("extra__oneroster__")
    ],
    "plugin_errors": plugins_manager.get_import_errors(),
    "stray": sorted({"hook", "plugins.oneroster_provider"} & sys.modules.keys()),
    "tested": {
        name: Connection.get_connection_from_secrets(f"oneroster_{name}").test_connection()
        for name in ("maple", "cedar", "wrong_secret", "half", "typo")
    },
}
with OneRosterHook("oneroster_cedar").get_conn(version="1.1", page_size=7, concurrency=2) as client:
    result["orgs"] = sum(len(page.records) for page in client.pages("orgs"))
    result["page_size"] = client.page_size
Path(sys.argv[1]).write_text(json.dumps(result))
