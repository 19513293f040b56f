"""Six questions a school secretary asks, each answered by one command in words she understands."""

from __future__ import annotations

from datetime import UTC, datetime

from rollcall.settings import Sites, Usernames, UsernameSource
from tests.explain.conftest import role, user


def test_a_school_was_renamed_and_nobody_moved(elm, roster, asked):
    elm.settings(sites=Sites(targets={"ES": "Elm Campus"}, map={"school": "ES"}))
    rows = roster("ada")
    elm.publish(rows)
    rows["orgs"][0]["name"] = "Elm Academy"
    elm.publish(rows)
    told = asked("ada@elm.example").answer
    assert told.code == "school_renamed"
    assert told.said == (
        'Ada Planted-Okonkwo has an account at Elm Campus with the username "ada@elm.example", made from the e-mail '
        'address. On November 3, 2026 the district renamed the school "Elm School" to "Elm Academy"; the site here is '
        'still "Elm Campus", and nobody moved.'
    )
    assert told.reply.startswith(
        'The school "Elm School" is called "Elm Academy" since November 3, 2026. Ada Planted-Okonkwo is at the same '
        "place as before and keeps the account.\n"
    )
    assert asked("Elm School").answer.said == (
        'On November 3, 2026 the district renamed the school "Elm School" to "Elm Academy". It is the same school '
        '(same id, 1 person); the site here is still "Elm Campus", and nobody moved.'
    )


def test_twins_share_an_email(elm, roster, asked):
    rows = roster("ada", "zoe")
    user(rows, "zoe")["email"] = "Ada@elm.example "
    elm.publish(rows)
    told = asked("zoe").answer
    assert told.code == "username_collision"
    assert told.said == (
        'Zoe Planted-Okonkwo has no account: the username "ada@elm.example", made from the e-mail address, would be '
        "the same as that of Ada Planted-Okonkwo (ada, Elm School). Nobody had it before, so neither of the two gets "
        "it. Nobody gets a name that was not agreed."
    )
    assert told.who == "The school, in its student information system."
    assert told.where == [
        ("The SIS", "the person's own record"),
        (
            "Rollcall",
            "people: zoe: username: in elm.yaml decides one by hand; usernames: names another field; if both are one "
            "person, person_key: email makes one of records that share name and e-mail address",
        ),
    ]
    assert told.reply.startswith(
        "For Zoe Planted-Okonkwo your school system has the same in the e-mail address as for another person, and each "
        "person needs one of their own. Please enter one for Zoe Planted-Okonkwo alone. After that it comes with our "
        "next update, November 21, 2026 at 2:15 AM.\n"
    )


def test_a_twin_who_had_the_name_keeps_it(elm, roster, asked):
    elm.publish(roster("ada"))
    rows = roster("ada", "zoe")
    user(rows, "zoe")["email"] = "ada@elm.example"
    elm.publish(rows)
    assert "Ada Planted-Okonkwo has it already and keeps it." in asked("zoe").answer.said
    assert asked("ada").answer.code == "has_account"


def test_a_teacher_is_also_a_parent(elm, roster, asked):
    rows = roster(teacher=True)
    rows["user_roles"].append(role("teacher", "guardian", role_type="secondary"))
    elm.publish(rows)
    told = asked("teacher").answer
    assert told.code == "several_roles"
    assert told.said == (
        'Teacher Planted-Okonkwo has an account at Elm School with the username "teacher@elm.example", made from the '
        "e-mail address: here Teacher Planted-Okonkwo is staff, because of the role teacher at Elm School. The role "
        "guardian at Elm School gives no account here and takes none away."
    )
    assert told.where == [("Rollcall", "roles: in elm.yaml says what each role becomes")]


def test_a_teacher_is_a_parent_under_a_second_record(elm, roster, asked):
    rows = roster(teacher=True)
    parent = {**user(rows, "teacher"), "sourced_id": "g-7", "identifier": None}
    rows["users"].append(parent)
    rows["user_roles"].append(role("g-7", "guardian"))
    elm.publish(rows)
    assert asked("g-7").answer.said == (
        "This record of Teacher Planted-Okonkwo gets no account, because its only role is guardian; the account is "
        "with another record of the same person, Teacher Planted-Okonkwo (teacher, Elm School) (the same name and "
        "e-mail). Before OneRoster 1.2 some systems send a person once per role."
    )
    by_name = asked("Teacher Planted")
    assert (by_name.sourced_id, by_name.answer.code) == ("teacher", "has_account")


def test_a_username_has_a_blank_at_its_end(elm, roster, asked):
    rows = roster("ada")
    user(rows, "ada")["email"] = "ada@elm.example "
    elm.publish(rows)
    told = asked("ada@elm.example").answer
    assert told.code == "blank_taken_away"
    assert told.said == (
        'Ada Planted-Okonkwo has an account at Elm School with the username "ada@elm.example". The provider sent '
        '"ada@elm.example " in the e-mail address, with a blank or another character that cannot be seen, which we '
        "removed. Where another system keeps it, the two do not match."
    )
    as_it_comes = [UsernameSource(field="email")]
    elm.settings(usernames=Usernames(student=as_it_comes, staff=as_it_comes))
    elm.publish(roster("ben") | {"users": [{**user(roster("ben"), "ben"), "email": "ben@elm\u200b.example "}]})
    told = asked("ben").answer
    assert told.code == "blank_taken_away"
    assert "ben@elm.example" in elm.live("accounts", "username")


def test_two_records_with_one_number_contradict_each_other(elm, roster, asked):
    rows = roster("ada", "ben")
    user(rows, "ben").update({"identifier": "id-ada", "given_name": "Ada"})
    elm.publish(rows)
    told = asked("ben").answer
    assert told.code == "kept_apart"
    assert told.said.endswith(
        "The record of Ada Planted-Okonkwo (ada, Elm School) has the same number, but the two contradict each other or "
        "the number is a placeholder (e-mail address), so they are two people here."
    )


def test_two_records_of_a_student_were_merged(elm, roster, asked):
    rows = roster("ada", "ben")
    rows["users"].append({**user(rows, "ada"), "sourced_id": "old-ada", "email": "ada.old@elm.example"})
    rows["user_roles"].append(role("old-ada", "student"))
    elm.publish(rows)
    rows = roster("ada", "ben")
    rows["users"].append({"sourced_id": "old-ada", "status": "tobedeleted"})
    elm.publish(rows)
    told = asked("old-ada").answer
    assert told.code == "merged_into"
    assert told.said == (
        "This record of Ada Planted-Okonkwo left the roster on November 3, 2026 (the provider marked it as to be "
        "deleted), and Ada Planted-Okonkwo (ada, Elm School) lives on with the same name and number: the two were "
        "probably merged. The account is there."
    )
    by_name = asked("Ada Planted")
    assert by_name.sourced_id == "ada"
    assert by_name.answer.said == (
        'Ada Planted-Okonkwo has an account at Elm School with the username "ada@elm.example", made from the e-mail '
        "address. Another record of the same person, Ada Planted-Okonkwo (old-ada, Elm School), left the roster on "
        "November 3, 2026 (the provider marked it as to be deleted): the two have the same name and number, so they "
        "were probably merged, and this is the one that was kept."
    )
    assert "old-ada" not in by_name.answer.reply


def test_an_enrollment_of_this_morning_is_not_here_yet(elm, roster, asked):
    rows = roster("ada")
    elm.publish(rows)
    assert asked("ada").answer.said == (
        'Ada Planted-Okonkwo has an account at Elm School with the username "ada@elm.example", made from the e-mail '
        "address, and is in 1 class. What the district entered after November 2, 2026 at 8:00 AM is not here yet: it "
        "comes with the next pull, November 21, 2026 at 2:15 AM."
    )
    elm.publish(rows | {"enrollments": []}, unproven=("enrollments",))
    rows = roster("ada", "ben")
    elm.publish(rows | {"enrollments": rows["enrollments"][:1]})
    assert asked("ben").answer.said == (
        'Ben Planted-Okonkwo has an account at Elm School with the username "ben@elm.example", made from the e-mail '
        "address, and is in no class. A class entered after November 4, 2026 at 8:00 AM comes with the next pull, "
        "November 21, 2026 at 2:15 AM."
    )
    never = asked("Cleo Newcomer").answer
    assert never.code == "never_came"
    assert never.causes[0] == (
        "The person was entered after November 4, 2026 at 8:00 AM. Then nothing has to be done: it comes with the next "
        "update, November 21, 2026 at 2:15 AM."
    )
    words = ("active school year", "No Show", "no user account", "not among those the district shares")
    assert all(word in cause for word, cause in zip(words, never.causes[1:5], strict=True))
    assert never.reply.startswith("Cleo Newcomer has not come to us from your school system.")


def test_the_next_pull_is_the_districts_next_night(elm, roster, asked):
    elm.publish(roster("ada"))
    schedule = {"timezone": "America/Chicago", "nightly": "30 1 * * 1-5"}
    elm.settings(schedule=type(elm.district.schedule)(**schedule))
    # 20 November 2026 is a Friday, so that the next working night is Monday's
    assert "November 23, 2026 at 1:30 AM" in asked("ada").answer.said
    elm.settings(starts_on=datetime(2027, 1, 4, tzinfo=UTC).date())
    assert "January 4, 2027 at 1:30 AM" in asked("ada").answer.said
