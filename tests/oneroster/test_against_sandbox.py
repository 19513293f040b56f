"""The client against whole districts over HTTP: both versions, every way to sign in, every collection.

The numbers are the sandbox's own truth, so a client that lost or invented a row would show. Quirks: tests/providers.
"""

import threading

import pytest

from rollcall.model.tables import ROSTERING_COLLECTIONS
from rollcall.oneroster import COLLECTIONS, OneRosterClient, OneRosterConnection, Retry, columns
from rollcall.oneroster.errors import CredentialsRefused, PermissionRefused
from rollcall_sandbox import Sandbox, SandboxDistrict

DISTRICTS = {
    district.app: district
    for district in (
        SandboxDistrict("maple", "1.2", students=200, demographics=True, nights=3),
        SandboxDistrict("cedar", "1.1", students=200, auth="oauth1", demographics=True, nights=3),
        SandboxDistrict("birch", "1.1", students=60),
        SandboxDistrict("aspen", "1.1", students=60, auth="bearer"),
        SandboxDistrict("larch", "1.2", students=60, auth="bearer"),
    )
}
SHARED = ["orgs", "academic_sessions", "courses", "classes", "users", "enrollments"]


@pytest.fixture(scope="module")
def sandbox():
    with Sandbox(DISTRICTS.values()) as running:
        yield running


@pytest.fixture
def quirks(sandbox):
    """Switch a district's quirks on until the test ends."""
    switched = set()

    def switch(app, *names):
        sandbox.set_quirks(app, names)
        switched.add(app)

    yield switch
    for app in switched:
        sandbox.set_quirks(app, [])


@pytest.fixture
def connection(sandbox):
    def make(app, **fields):
        district = DISTRICTS[app]
        auth_url = sandbox.token_url(app) if district.auth == "oauth2" else None
        given = {"base_url": sandbox.base_url(app), "client_id": district.client_id, "secret": district.client_secret}
        return OneRosterConnection(**{**given, "auth_url": auth_url, "auth": district.auth, **fields})

    return make


@pytest.fixture
def client(connection):
    clients = []

    def make(app, *, fields=None, **options):
        district = DISTRICTS[app]
        options = {"demographics": district.demographics, "retry": Retry(attempts=3, first_wait=0.01), **options}
        clients.append(OneRosterClient(connection(app, **(fields or {})), district.version, **options))
        return clients[-1]

    yield make
    for made in clients:
        made.close()


def read(client, collection):
    """Tables of the attempt that counts, unreadable records, proof."""
    reader = client.pages(collection)
    pages = list(reader)
    counted = [page for page in pages if page.attempt == reader.proof.attempt]
    records = [record for page in counted for record in page.records]
    unreadable = [bad for page in counted for bad in page.unreadable]
    return columns(collection, records), unreadable, reader.proof


def total(sandbox, app, collection):
    """The truth's names are the sandbox's; ours differ by case only."""
    return sandbox.truth(app)["collections"][COLLECTIONS[collection].path]


# -- everything, completely


@pytest.mark.parametrize("page_size", [5000, 97])
@pytest.mark.parametrize("app", ["maple", "cedar"])
@pytest.mark.parametrize("collection", ROSTERING_COLLECTIONS)
def test_every_collection_is_read_to_the_last_row(sandbox, client, app, collection, page_size):
    tables, unreadable, proof = read(client(app, page_size=page_size), collection)
    true = total(sandbox, app, collection)

    table = tables[collection]
    assert unreadable == []
    assert (proof.kind, proof.expected, proof.received, proof.unique) == ("total", *[true["total"]] * 3)
    assert len(set(table["sourced_id"])) == len(table["sourced_id"]) == true["total"]
    assert table["status"].count("tobedeleted") == true["tobedeleted"]
    assert proof.reason == ""


@pytest.mark.parametrize(
    ("app", "fields"),
    [
        ("maple", {}),
        ("maple", {"client_auth": "body"}),
        ("birch", {}),
        ("birch", {"client_auth": "body"}),
        ("cedar", {}),
        ("cedar", {"signature": "HMAC-SHA1"}),
        ("aspen", {}),
        ("larch", {}),
    ],
)
def test_every_way_to_sign_in(sandbox, client, app, fields):
    _, _, proof = read(client(app, fields=fields, page_size=50), "users")

    assert (proof.kind, proof.unique) == ("total", total(sandbox, app, "users")["total"])


@pytest.mark.parametrize("app", ["maple", "cedar"])
def test_what_refers_to_something_refers_to_something_that_was_read(client, app):
    reading = client(app)
    tables = {}
    for collection in ROSTERING_COLLECTIONS:
        tables |= read(reading, collection)[0]

    def ids(table):
        return set(tables[table]["sourced_id"])

    def named(table, column):
        return {value for value in tables[table][column] if value is not None}

    for table, column, target in (
        ("orgs", "parent_sourced_id", "orgs"),
        ("academic_sessions", "parent_sourced_id", "academic_sessions"),
        ("courses", "org_sourced_id", "orgs"),
        ("classes", "course_sourced_id", "courses"),
        ("classes", "school_sourced_id", "orgs"),
        ("class_terms", "class_sourced_id", "classes"),
        ("class_terms", "term_sourced_id", "academic_sessions"),
        ("user_roles", "user_sourced_id", "users"),
        ("user_roles", "org_sourced_id", "orgs"),
        ("user_agents", "user_sourced_id", "users"),
        ("user_agents", "agent_sourced_id", "users"),
        ("enrollments", "class_sourced_id", "classes"),
        ("enrollments", "school_sourced_id", "orgs"),
        ("demographics", "sourced_id", "users"),
    ):
        assert named(table, column), (table, column)
        assert named(table, column) <= ids(target), (table, column)
    assert set(tables["users"]["is_enabled"]) <= {"true", "false"}
    assert named("user_roles", "role_type") <= {"primary", "secondary"}
    assert {len(column) for column in tables["users"].values()} == {len(ids("users"))}


@pytest.mark.parametrize("app", ["maple", "cedar"])
def test_roles_are_the_same_table_for_both_versions(sandbox, client, app):
    roles = read(client(app), "users")[0]["user_roles"]
    people = {role: set() for role in sandbox.truth(app)["roles"]}
    for user, role in zip(roles["user_sourced_id"], roles["role"], strict=True):
        people[role].add(user)

    assert {role: len(users) for role, users in people.items()} == {
        role: counts["total"] for role, counts in sandbox.truth(app)["roles"].items()
    }


def test_collections_in_threads_keep_to_the_budget_with_one_token(sandbox, client, quirks):
    quirks("maple", "slow-answers")
    sandbox.forget_requests("maple")  # other tests ask it for five at once
    reading = client("maple", page_size=40, concurrency=3)
    proofs = {}

    def pull(collection):
        proofs[collection] = read(reading, collection)[2]

    threads = [threading.Thread(target=pull, args=(collection,)) for collection in ROSTERING_COLLECTIONS]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(proof.kind == "total" for proof in proofs.values())
    assert len(proofs) == len(ROSTERING_COLLECTIONS)
    assert reading.usage.most_at_once == 3
    assert sandbox.seen("maple")["most_at_once"] <= 3
    assert sandbox.seen("maple")["token_requests"] == reading.usage.token_requests == 1


def test_a_filter_is_answered_and_proven(sandbox, client):
    reader = client("maple").pages("users", filter="status='tobedeleted'")
    ids = [record.sourced_id for page in reader for record in page.records]

    assert len(ids) == total(sandbox, "maple", "users")["tobedeleted"] > 0
    assert reader.proof.kind == "total"


# -- refusals


def test_a_wrong_secret(client):
    for app in ("maple", "cedar", "birch", "aspen"):
        with pytest.raises(CredentialsRefused) as refused:
            read(client(app, fields={"secret": "wrong-secret"}), "orgs")
        assert refused.value.remedy
        assert "wrong-secret" not in str(refused.value)


def test_demographics_that_are_not_shared(client):
    for demographics in (False, True):
        with pytest.raises(PermissionRefused) as refused:
            read(client("birch", demographics=demographics), "demographics")
        assert "Data to Share" in refused.value.remedy


def test_the_base_url_in_every_form(sandbox, client):
    for app, forms in (("maple", ("", "/", "/rostering/v1p2", "/rostering/v1p2/")), ("birch", ("", "/"))):
        for form in forms:
            reading = client(app, fields={"base_url": sandbox.base_url(app) + form})
            assert read(reading, "orgs")[2].kind == "total"
            assert reading.base_url == sandbox.base_url(app) + ("/rostering/v1p2" if app == "maple" else "")
    without_version = sandbox.base_url("birch").removesuffix("/v1p1")
    assert client("birch", fields={"base_url": without_version}).base_url == sandbox.base_url("birch")
