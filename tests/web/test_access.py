"""Every route, with every role: a route is either listed here by the right it requires, or the test fails."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fastapi.routing import APIRoute

from rollcall.web.access import Right
from tests.conftest import ROOT

#: A value of each path parameter.
PATHS = {"district": "elm", "dag_id": "roster_elm", "hold": "elm-x", "run_id": "run1", "draft": "none"}

#: Which roles of Airflow's simple auth manager have a right.
ROLES = {
    Right.SIGNED_IN: {"viewer", "user", "op", "admin"},
    Right.READ: {"viewer", "user", "op", "admin"},
    Right.EDIT: {"user", "op", "admin"},
    Right.SECRETS: {"op", "admin"},
    Right.ADD: {"op", "admin"},
}


#: The right that each route requires, written down a second time: a wrong one in its module is noticed here.
RIGHTS = {
    ("GET", "/"): Right.SIGNED_IN,
    ("GET", "/dags/{dag_id}"): Right.SIGNED_IN,
    ("GET", "/add"): Right.ADD,
    ("POST", "/add"): Right.ADD,
    ("GET", "/add/{draft}"): Right.ADD,
    ("POST", "/add/{draft}"): Right.ADD,
    ("GET", "/add/{draft}/test"): Right.ADD,
    ("POST", "/add/{draft}/test"): Right.ADD,
    ("GET", "/add/{draft}/district"): Right.ADD,
    ("POST", "/add/{draft}/district"): Right.ADD,
    ("GET", "/add/{draft}/sites"): Right.ADD,
    ("POST", "/add/{draft}/sites"): Right.ADD,
    ("GET", "/add/{draft}/review"): Right.ADD,
    ("POST", "/add/{draft}/review"): Right.ADD,
    ("GET", "/add/{draft}/file"): Right.ADD,
    ("GET", "/add/{draft}/file.yaml"): Right.ADD,
    ("GET", "/districts/{district}/added"): Right.READ,
    ("GET", "/districts/{district}"): Right.READ,
    ("GET", "/districts/{district}/runs/{run_id}"): Right.READ,
    ("GET", "/districts/{district}/runs/{run_id}/rejects.csv"): Right.EDIT,
    ("GET", "/districts/{district}/sync"): Right.EDIT,
    ("POST", "/districts/{district}/sync"): Right.EDIT,
    ("GET", "/districts/{district}/sync/{run_id}"): Right.READ,
    ("GET", "/districts/{district}/changes"): Right.EDIT,
    ("GET", "/districts/{district}/changes.csv"): Right.EDIT,
    ("GET", "/districts/{district}/left-out"): Right.EDIT,
    ("GET", "/districts/{district}/left-out.csv"): Right.EDIT,
    ("GET", "/districts/{district}/person"): Right.EDIT,
    ("POST", "/districts/{district}/person"): Right.EDIT,
    ("GET", "/districts/{district}/holds"): Right.EDIT,
    ("GET", "/districts/{district}/holds/{hold}"): Right.EDIT,
    ("POST", "/districts/{district}/holds/{hold}/approve"): Right.EDIT,
    ("POST", "/districts/{district}/holds/{hold}/reject"): Right.EDIT,
    ("GET", "/districts/{district}/history"): Right.EDIT,
    ("GET", "/districts/{district}/history/{run_id}"): Right.EDIT,
    ("POST", "/districts/{district}/history/{run_id}"): Right.EDIT,
    ("POST", "/districts/{district}/resume"): Right.EDIT,
    ("GET", "/districts/{district}/settings"): Right.EDIT,
    ("POST", "/districts/{district}/settings"): Right.EDIT,
    ("GET", "/districts/{district}/settings/sites"): Right.EDIT,
    ("POST", "/districts/{district}/settings/sites"): Right.EDIT,
    ("GET", "/districts/{district}/settings/usernames"): Right.EDIT,
    ("POST", "/districts/{district}/settings/usernames"): Right.EDIT,
    ("GET", "/districts/{district}/settings/roles"): Right.EDIT,
    ("POST", "/districts/{district}/settings/roles"): Right.EDIT,
    ("GET", "/districts/{district}/settings/connection"): Right.SECRETS,
    ("POST", "/districts/{district}/settings/connection"): Right.SECRETS,
    ("GET", "/districts/{district}/settings/connection/{draft}/test"): Right.SECRETS,
    ("GET", "/districts/{district}/settings/connection/{draft}"): Right.SECRETS,
    ("POST", "/districts/{district}/settings/connection/{draft}"): Right.SECRETS,
    ("POST", "/districts/{district}/settings/connection/{draft}/test"): Right.SECRETS,
}


def routes_of(api_server) -> list[APIRoute]:
    (rosters,) = [route.app for route in api_server.routes if getattr(route, "path", "") == "/rosters"]
    return [route for route in rosters.routes if isinstance(route, APIRoute)]


def test_every_route_requires_the_right_written_here(api_server):
    found = {(*route.methods, route.path): route.openapi_extra["right"] for route in routes_of(api_server)}
    assert found == RIGHTS


@pytest.mark.parametrize("role", [None, "viewer", "user", "op", "admin"])
def test_every_route_with_every_role(browse, api_server, nights, roster, role):
    nights.publish(roster("ada"))
    client = browse(role)
    routes = routes_of(api_server)
    assert len(routes) >= 3
    for route in routes:
        (method,) = route.methods
        path = "/rosters" + route.path.format_map(PATHS)
        answer = client.request(method, path, headers={"accept": "application/json"})
        right = route.openapi_extra["right"]
        if role is None:
            assert answer.status_code == 401, path
            assert "Planted-Okonkwo" not in answer.text
        elif role in ROLES[right]:
            assert answer.status_code not in (401, 403, 500), f"{method} {path} as {role}: {answer.status_code}"
        else:
            assert answer.status_code == 403, f"{method} {path} as {role}: {answer.status_code}"
            assert "Planted-Okonkwo" not in answer.text


def test_a_browser_without_a_session_is_led_to_the_sign_in_and_back(browse):
    answer = browse(None).get("/rosters/districts/elm", headers={"accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/api/v2/auth/login?next=http%3A%2F%2Ftestserver%2Frosters%2Fdist")
    followed = browse(None).get(answer.headers["location"])
    assert followed.status_code == 307
    assert "next=" in followed.headers["location"]


def test_without_a_slash_it_is_the_same_page(browse):
    assert browse("viewer").get("/rosters").headers["location"] == "/rosters/"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "none"}, 403),
        ({"sec-fetch-site": "", "origin": "https://evil.example"}, 403),
        ({"sec-fetch-site": "", "origin": "null"}, 403),
        ({"sec-fetch-site": ""}, 403),
        ({"sec-fetch-site": "", "origin": "http://testserver"}, 405),
        ({"sec-fetch-site": "same-origin"}, 405),
    ],
)
def test_a_form_of_another_site_is_refused(browse, headers, status):
    """405: the page is reached, and takes no form at this address."""
    assert browse("admin").post("/rosters/", headers=headers).status_code == status


@pytest.mark.parametrize(
    "path", ["/rosters/", "/rosters/districts/elm", "/rosters/none", "/rosters/static/rosters.css"]
)
def test_every_answer_has_a_strict_policy(browse, path):
    headers = browse("admin").get(path).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == ("no-store" if "static" not in path else "public, max-age=31536000, immutable")


@pytest.mark.parametrize("path", ["/rosters/docs", "/rosters/openapi.json", "/rosters/redoc"])
def test_there_is_no_generated_documentation(browse, path):
    assert browse("admin").get(path).status_code == 404


@pytest.mark.parametrize("name", ["../elm", "elm.yaml", "Elm", "%2e%2e%2fetc", "no_such"])
def test_a_district_is_found_by_its_id_only(browse, name):
    assert browse("admin").get(f"/rosters/districts/{name}").status_code == 404


def test_a_route_without_a_right_stops_the_start(monkeypatch):
    from rollcall.web import application, page

    router = page.PageRouter()
    router.get("/open")(lambda: None)
    monkeypatch.setattr(application, "ROUTERS", (router,))
    with pytest.raises(RuntimeError, match="/open"):
        application.create_app(access=None)  # type: ignore[arg-type]


def test_an_unexpected_error_shows_and_logs_no_value(browse, monkeypatch, caplog):
    from rollcall.web import districts

    def fail(*_args, **_values):
        raise ValueError("ada@elm.example")

    monkeypatch.setattr(districts, "overview", fail)
    answer = browse("admin").get("/rosters/")
    assert answer.status_code == 500
    assert "ada@elm.example" not in answer.text + caplog.text
    assert "ValueError" in caplog.text


def test_a_task_process_pays_nothing_for_the_page():
    """What a task process does: import the SDK and load the plugins."""
    program = (
        "import sys; from airflow import plugins_manager; plugins, errors = plugins_manager._get_plugins();"
        "assert not errors, errors; print([plugin.name for plugin in plugins]);"
        "print(sorted(name for name in sys.modules if name.startswith(('rollcall', 'oneroster_provider.'))"
        " or name in ('fastapi', 'pandas', 'pygal')))"
    )
    command = [sys.executable, "-c", program]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=True)
    names, loaded = ran.stdout.strip().splitlines()[-2:]
    assert "rosters" in names
    assert loaded == "[]"


def test_what_is_loaded_at_the_start_is_out_of_garbage_collection(monkeypatch):
    """Each full collection went through Airflow and pandas, and one page in ten took 0.2 s longer."""
    import asyncio
    import threading

    from rollcall.web import application

    frozen = threading.Event()
    monkeypatch.setattr(application.gc, "freeze", frozen.set)

    async def start():
        async with application._read_ahead(None):
            await asyncio.to_thread(frozen.wait, 20)

    asyncio.run(start())
    assert frozen.is_set()


def test_airflow_is_asked_once_per_right(browse, monkeypatch):
    from oneroster_provider.rosters import AirflowAccess

    asked = []
    permits = AirflowAccess.permits

    def counted(self, user, right, **where):
        asked.append(right)
        return permits(self, user, right, **where)

    monkeypatch.setattr(AirflowAccess, "permits", counted)
    assert browse("admin").get("/rosters/districts/elm/settings").status_code == 200
    assert sorted(asked) == sorted(set(asked)) != []


def test_a_cookie_that_airflow_sets_for_one_user_is_not_kept_for_the_next(api_server):
    import httpx

    from oneroster_provider.rosters import AirflowAccess

    client = AirflowAccess()._client
    sent = httpx.Request("GET", f"{client.base_url}api/v2/version")
    client.cookies.extract_cookies(httpx.Response(200, headers={"set-cookie": "_token=of-adam; Path=/"}, request=sent))
    assert "cookie" not in client.build_request("GET", "/api/v2/version").headers
