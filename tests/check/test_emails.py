"""The emails to the district, in full: working, mistyped, forbidden, expiring, and ours to fix."""

from __future__ import annotations

from rollcall.check.email import email_text
from rollcall.check.table import as_plain, print_checked
from tests.check.conftest import CEDAR, MAPLE

GOOD = """\
OneRoster connection of Maple Unified School District: working

Data we can read: orgs (6), academic sessions (15), courses (61), classes
(103), users (421), enrollments (1,084).
Schools:
- Cesar Chavez High School
- Eastgate Middle School
- Lakeside Elementary School
- Rosa Parks Elementary School
If a school is missing or should not be here, change the school scope of the
connection.

No action needed.
"""

MISTYPED = """\
OneRoster connection of Maple Unified School District: not working yet

What we found on November 21, 2026:
- Sign-in: The Token URL at 127.0.0.1:{port} did not accept the Client ID and
  Client Secret.

What to do in Infinite Campus at Instruction > Settings > Digital Learning
Applications Configuration:
1. Open the connection with the Client ID InfiniteCampus_maple-sandbox.
2. Check that the connection exists and is enabled, that it has not expired,
   and whether the secret was regenerated. A OneRoster 1.1 connection expires
   after one year: click Renew.
3. Under "Information to Share", copy the full Client ID, Client Secret, Token
   URL, and Base URL.

Please send the Client ID, Client Secret, Token URL, and Base URL as text, not
as a screenshot. Use the method you use for passwords, not email.
"""

FORBIDDEN = """\
OneRoster connection of Maple Unified School District: not working yet

What we found on November 21, 2026:
- Demographics: Demographics are not shared with us (the token has no scope
  for them): Demographics is probably not selected under Data to Share.

What to do in Infinite Campus at Instruction > Settings > Digital Learning
Applications Configuration:
1. Open the connection with the Client ID InfiniteCampus_maple-sandbox.
2. Under "Data to Share", select Demographics.
3. Click Save.

Please reply when this is done. We need nothing else.
"""

CLASSIC = """\
OneRoster connection of Cedar Valley School District: not working yet

What we found on November 21, 2026:
- Base URL: The Base URL at 127.0.0.1:{port} did not accept the Consumer Key
  and Consumer Secret.

What to do in Infinite Campus at System Administration > Learning
Interoperability > OneRoster Provisioning:
1. Open the connection with the Consumer Key InfiniteCampus_cedar-sandbox.
2. Check that Status is Active and the Token Expiration Date is in the future.
   If not, renew the key.
3. Copy the full Consumer Key, Consumer Secret, and OneRoster URL.

Please send the Consumer Key, Consumer Secret, OneRoster URL, and expiration
date as text. Use the method you use for passwords, not email.
"""

OURS = """\
OneRoster connection of Maple Unified School District: not working yet

What we found on November 21, 2026:
- Credentials: The Client ID and Client Secret are swapped: the value stored
  as the secret begins with InfiniteCampus_, which only a Client ID does.

No action needed on your side. We will fix this.
"""

UNKNOWN = """\
OneRoster connection of Maple Unified School District: not working yet

What we found on November 21, 2026:
- Sign-in: The Token URL http://127.0.0.1:{port}/nowhere returned 404 Not
  Found.

Please check the connection with the Client ID InfiniteCampus_maple-sandbox in
Infinite Campus at Instruction > Settings > Digital Learning Applications
Configuration. You can see what the connection returns at Edit connection >
Troubleshooting Documentation > OneRoster API Documentation. Use GET only: the
other buttons change real data.

Please reply with what you see there, or with the right person to ask.
"""

UNSCHEDULED = """\
OneRoster connection of Maple Unified School District: working, with warnings

What we found on November 21, 2026:
- Schools: 4 schools, but 0 people: the active school year is probably not
  scheduled yet.

What to do in Infinite Campus at Instruction > Settings > Digital Learning
Applications Configuration:
1. Finish scheduling and make the new school year active. The connection
   itself is fine.

Please reply with the date when we can expect people.
"""


def test_working(checked):
    assert email_text(checked("maple")) == GOOD


def test_a_hostile_name_of_a_school_is_text(checked, sandbox):
    sandbox.set_quirks("maple", ["control-in-name"])
    email = email_text(checked("maple"))
    assert email.count("- ␛[31m") == 1
    assert not any(sign in email for sign in "\x1b\x7f\x9b\u202e\uffff")


def test_a_mistyped_secret(checked, paste, sandbox):
    found = checked("maple", paste("maple", password="planted-wrong-secret"))
    assert email_text(found) == MISTYPED.format(port=sandbox.port)


def test_forbidden_demographics(checked):
    assert email_text(checked("maple", described={"demographics": True})) == FORBIDDEN


def test_a_consumer_key_on_the_classic_screen(checked, paste, sandbox):
    found = checked("cedar", paste("cedar", password="planted-wrong", extra={"expires_on": "2027-06-30"}))
    assert email_text(found) == CLASSIC.format(port=sandbox.port)


def test_our_own_mistake_asks_nothing_of_the_district(checked, paste):
    assert email_text(checked("maple", paste("maple", login=MAPLE.client_secret, password=MAPLE.client_id))) == OURS


def test_an_unknown_failure_asks_the_district_to_check(checked, paste, sandbox):
    found = checked("maple", paste("maple", extra={"auth_url": f"http://127.0.0.1:{sandbox.port}/nowhere"}))
    assert email_text(found) == UNKNOWN.format(port=sandbox.port)


def test_a_year_that_is_not_scheduled_yet(checked, sandbox):
    sandbox.set_quirks("maple", ["empty-users"])
    assert email_text(checked("maple")).startswith(UNSCHEDULED)


def test_another_sis_than_infinite_campus(checked, paste, provide):
    from tests.oneroster.conftest import Reply

    server = provide(lambda _: Reply({}), lambda _: Reply({"error": "invalid_client"}, status=401))
    pasted = paste("maple", host=server.base_url, login="elm", extra={"auth_url": server.token_url})
    shown = email_text(checked("maple", pasted))
    assert "What to do on the page of our OneRoster connection in your student information\nsystem:" in shown
    assert "Infinite Campus" not in shown


def test_no_output_contains_a_secret_or_a_person(checked, paste, sandbox, caplog, capsys):
    caplog.set_level("DEBUG")
    sandbox.pass_night("cedar")
    secrets = [MAPLE.client_secret, CEDAR.client_secret, "planted", "Bearer ", "oauth_signature"]
    shown = []
    for app, changed in (
        ("maple", {}),
        ("cedar", {}),
        ("maple", {"password": "planted-wrong-secret\n"}),
        ("maple", {"login": "planted-secret", "password": MAPLE.client_id}),
        ("maple", {"login": "planted-a", "password": "planted-b", "host": "https://planted:planted@x.example/#"}),
        ("cedar", {"password": "planted-wrong-secret"}),
    ):
        pasted = paste(app, **changed)
        found = checked(app, pasted, described={"demographics": app == "cedar"}, count_people=True)
        print_checked(found)
        shown += [email_text(found), str(as_plain(found)), repr(found), repr(pasted), capsys.readouterr().out]
    text = "\n".join([*shown, caplog.text])
    assert [secret for secret in secrets if secret in text] == []
    assert [word for word in personal_values(sandbox, paste) if word in text] == []


def personal_values(sandbox, paste) -> set[str]:
    """Values that identify a person: IDs, emails, usernames, and full names."""
    from rollcall.oneroster import OneRosterClient

    found = set()
    for app, version in (("maple", "1.2"), ("cedar", "1.1")):
        with OneRosterClient(paste(app).connection(), version) as client:
            for page in client.pages("users"):
                for user in page.records:
                    name = f"{user.given_name} {user.family_name}"
                    found |= {str(user.sourced_id), str(user.email), str(user.username), name}
    assert len(found) > 1000
    return found - {"None", ""}
