"""People are found without accents, in any order of names, and with a typing mistake, in every locale."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from rollcall.cli.main import rollcall
from rollcall.explain.directory import Directory, fold
from rollcall.explain.explain import explain
from rollcall.explain.search import find_people
from rollcall.explain.timeline import Explanation, PersonMatches
from rollcall.landing.zone import Landing
from rollcall.settings import Schedule
from rollcall.warehouse import migrate
from rollcall.warehouse.session import connect, warehouse_from_environment
from tests.conftest import Nights, small_roster
from tests.explain.conftest import MORNING, Rows, user

NAMES = {
    "zoe": ("Zoë", "Novák"),
    "id": ("İd", "Yılmaz"),
    "street": ("Jörg", "Straße"),
    "lukasz": ("ŁUKASZ", "Łęcki"),
    "obrien": ("Seán", "O'Brien"),
    "double": ("Amy", "Smith-Jones"),
    "maria": ("María José", "García López"),
    "robert": ("Robert", "Fischer"),
    "david": ("David", "Idowu"),
}
PREFERRED = {"robert": {"preferred_first_name": "Bobby", "preferred_last_name": "Núñez"}}


@pytest.fixture(scope="module", params=["C.UTF-8", "C"])
def elm(request, warehouses, postgres, tmp_path_factory) -> Iterator[Nights]:
    """A published roster in a database of each locale. It is only read."""
    admin = sa.create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    name = f"names{uuid.uuid4().hex[:10]}"
    provider = "LOCALE_PROVIDER builtin BUILTIN_LOCALE" if request.param == "C.UTF-8" else "LOCALE_PROVIDER libc LOCALE"
    with admin.connect() as connection:
        connection.exec_driver_sql(
            f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0 {provider} '{request.param}'"
        )
    engine = connect(warehouse_from_environment(postgres.url(name)))
    migrate.upgrade(engine)
    nights = Nights(engine, Landing(str(tmp_path_factory.mktemp("landing"))))
    nights.settings(schedule=Schedule(timezone="UTC", nightly="15 2 * * *"))
    rows = _roster()
    nights.publish(rows)
    yield nights
    engine.dispose()
    with admin.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    admin.dispose()


def _roster() -> Rows:
    rows = small_roster(*NAMES)
    for key, (given, family) in NAMES.items():
        user(rows, key).update(given_name=given, family_name=family, **PREFERRED.get(key, {}))
    rows["orgs"][0]["name"] = "École Élémentaire"
    return rows


@pytest.mark.parametrize(
    ("who", "found"),
    [
        ("Zoe", ["zoe"]),
        ("zoë", ["zoe"]),
        ("ZOE NOVAK", ["zoe"]),
        ("Novak, Zoe", ["zoe"]),
        ("Zoe\u0308 Nova\u0301k", ["zoe"]),
        ("Nov", ["zoe"]),
        ("id", ["id"]),
        ("Id Yilmaz", ["id"]),
        ("İD YILMAZ", ["id"]),
        ("Strasse", ["street"]),
        ("STRASSE jorg", ["street"]),
        ("Lukasz Lecki", ["lukasz"]),
        ("łukasz", ["lukasz"]),
        ("obrien", ["obrien"]),
        ("Sean O’Brien", ["obrien"]),
        ("Jones Smith", ["double"]),
        ("Garcia Maria", ["maria"]),
        ("Lopez Jose", ["maria"]),
        ("Bobby Nunez", ["robert"]),
        ("Bobby Fischer", ["robert"]),
        ("DAVID@ELM.EXAMPLE", ["david"]),
        ("ID-DAVID", ["david"]),
        ("dav", ["david"]),
        ("a", ["maria", "lukasz", "zoe", "double", "david", "id", "street", "obrien"]),
        ("Zoe Yilmaz", []),
        ("%", []),
        ("'", []),
    ],
)
def test_people_are_found_as_their_names_are_typed(elm, who, found):
    with elm.engine.connect() as connection:
        rows = find_people(connection, "elm", Directory(connection, "elm"), who)
    assert sorted(row["sourced_id"] for row in rows) == sorted(found)


@pytest.mark.parametrize(
    ("who", "nearest", "similarity"),
    [
        ("Zoe Novk", "zoe", 94),
        ("Nvoak Zoe", "zoe", 90),
        ("Zoey Nowak", "zoe", 83),
        ("Lukas Lecky", "lukasz", 85),
        ("Boby Nunez", "robert", 94),
        ("Strase", "street", 92),
        ("dvid@elm.example", "david", 94),
        ("id-davdi", "david", 88),
        ("Ecole Elementare", "school", 97),
    ],
)
def test_a_typing_mistake_offers_who_is_near_before_it_says_never_received(elm, who, nearest, similarity):
    result = explain(elm.engine, elm.district, who, MORNING)
    assert isinstance(result, Explanation)
    assert result.answer.code == "never_received"
    assert (result.near[0]["sourced_id"], result.near[0]["similarity"]) == (nearest, f"{similarity}%")
    assert "Novák" not in result.answer.reply


@pytest.mark.parametrize("who", ["Xavier Quint", "Zoe Fitzgerald", "99999", "nobody@else.example"])
def test_nobody_is_offered_who_is_not_near(elm, who):
    result = explain(elm.engine, elm.district, who, MORNING)
    assert isinstance(result, Explanation)
    assert result.near == []


def test_a_school_is_found_without_accents(elm):
    result = explain(elm.engine, elm.district, "ecole elementaire", MORNING)
    assert isinstance(result, Explanation)
    assert (result.answer.code, result.sourced_id) == ("school_has_site", "school")


def test_several_matches_are_listed(elm):
    result = explain(elm.engine, elm.district, "ez", MORNING)
    assert isinstance(result, PersonMatches)
    assert [row["sourced_id"] for row in result.matches] == ["robert", "maria"]


def test_the_command_lists_who_is_near_and_keeps_other_names_out_of_a_reply(elm, tmp_path):
    path = tmp_path / "elm.yaml"
    path.write_text('district: elm\nname: Elm\nversion: "1.2"\nusernames: email\nschedule: {timezone: UTC}\n')
    url = elm.engine.url.render_as_string(hide_password=False)
    command = ["explain", str(path), "Zoe", "Novk", "--warehouse", url]
    shown = CliRunner().invoke(rollcall, command)
    lines = shown.stdout.splitlines()
    assert "Zoë Novák" in shown.stdout
    assert next(n for n, line in enumerate(lines) if "94%" in line) < lines.index("Answer (never_received)")
    forwarded = CliRunner().invoke(rollcall, [*command, "--forward"])
    assert "Novák" in forwarded.stderr
    assert "Novák" not in forwarded.stdout
    assert json.loads(CliRunner().invoke(rollcall, [*command, "--json"]).stdout)["near"][0]["sourced_id"] == "zoe"


def test_folding_is_stable_and_keeps_words_apart():
    assert fold("  Œuvre – d’Été ") == "oeuvre dete"
    assert fold(fold("ŁĘCKI-Straße")) == fold("lecki strasse")
    assert fold("李 小龙").isascii()
