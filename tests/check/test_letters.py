"""The letters to the district, whole: good, mis-typed, forbidden, ending, and ours to mend."""

from __future__ import annotations

from rollcall.check.email import email_text
from rollcall.check.table import as_plain, print_checked
from tests.check.conftest import CEDAR, MAPLE

GOOD = """\
The OneRoster connection of Maple Unified School District works

What arrives: orgs (6), academic sessions (15), courses (61), classes (103),
users (421), enrollments (1,084).
Schools:
- Cesar Chavez High School
- Eastgate Middle School
- Lakeside Elementary School
- Rosa Parks Elementary School
If one is missing or too many, the connection's school scope decides.

There is nothing to do.
"""

MISTYPED = """\
The OneRoster connection of Maple Unified School District does not work yet

What we saw on 21 November 2026:
- Signing in: Client ID and Client Secret were not accepted by the Token URL
  at 127.0.0.1:{port}.

What to do, in Infinite Campus at Instruction > Settings > Digital Learning
Applications Configuration:
1. Open the connection with the Client ID InfiniteCampus_maple-sandbox.
2. Look whether it is still there and switched on, whether it has expired (one
   of OneRoster 1.1 does after a year: press Renew), and whether the secret
   was made anew.
3. Under "Information to Share", copy Client ID, Client Secret, Token URL and
   Base URL, each one whole.

Please send Client ID, Client Secret, Token URL and Base URL, copied as text
(no picture of the screen), by the way you use for passwords: not by e-mail.
"""

FORBIDDEN = """\
The OneRoster connection of Maple Unified School District does not work yet

What we saw on 21 November 2026:
- Demographics: Demographics are not shared with us (the token was refused
  their scope): Demographics is probably not ticked under Data to Share.

What to do, in Infinite Campus at Instruction > Settings > Digital Learning
Applications Configuration:
1. Open the connection with the Client ID InfiniteCampus_maple-sandbox.
2. Under "Data to Share", tick Demographics.
3. Press Save.

Please answer when it is done; nothing else is needed.
"""

CLASSIC = """\
The OneRoster connection of Cedar Valley School District does not work yet

What we saw on 21 November 2026:
- Base URL: Consumer Key and Consumer Secret were not accepted by the Base URL
  at 127.0.0.1:{port}.

What to do, in Infinite Campus at System Administration > Learning
Interoperability > OneRoster Provisioning:
1. Open the connection with the Consumer Key InfiniteCampus_cedar-sandbox.
2. Look whether Status is Active and the Token Expiration Date lies ahead;
   renew it if not.
3. Copy Consumer Key, Consumer Secret and OneRoster URL, each one whole.

Please send Consumer Key, Consumer Secret, OneRoster URL and the expiration
date, copied as text, by the way you use for passwords: not by e-mail.
"""

OURS = """\
The OneRoster connection of Maple Unified School District does not work yet

What we saw on 21 November 2026:
- Credentials: Client ID and Client Secret are swapped: what is stored as the
  secret begins with InfiniteCampus_, as only a Client ID does.

There is nothing to do on your side; we put this right on ours.
"""

UNKNOWN = """\
The OneRoster connection of Maple Unified School District does not work yet

What we saw on 21 November 2026:
- Signing in: The Token URL http://127.0.0.1:{port}/nowhere returned 404 Not
  Found.

Would you look at the connection with the Client ID
InfiniteCampus_maple-sandbox, in Infinite Campus at Instruction > Settings >
Digital Learning Applications Configuration? What the connection returns can
be seen at Edit connection > Troubleshooting Documentation > OneRoster API
Documentation; use GET only, for the other buttons there change real data.

Please answer with what you see there, or with whom we should ask.
"""

UNSCHEDULED = """\
The OneRoster connection of Maple Unified School District works, and something
on it needs a look

What we saw on 21 November 2026:
- Schools: There are 4 schools but no people: the active school year is
  probably not scheduled yet.

What to do, in Infinite Campus at Instruction > Settings > Digital Learning
Applications Configuration:
1. Finish scheduling and make the new school year the active one. The
   connection itself is all right.

Please answer with the day from which people can be expected.
"""


def test_all_is_well(checked):
    assert email_text(checked("maple")) == GOOD


def test_a_mistyped_secret(checked, paste, sandbox):
    found = checked("maple", paste("maple", password="planted-wrong-secret"))
    assert email_text(found) == MISTYPED.format(port=sandbox.port)


def test_forbidden_demographics(checked):
    assert email_text(checked("maple", described={"demographics": True})) == FORBIDDEN


def test_a_consumer_key_on_the_classic_screen(checked, paste, sandbox):
    found = checked("cedar", paste("cedar", password="planted-wrong", extra={"expires_on": "2027-06-30"}))
    assert email_text(found) == CLASSIC.format(port=sandbox.port)


def test_what_is_ours_to_mend_leaves_the_district_alone(checked, paste):
    assert email_text(checked("maple", paste("maple", login=MAPLE.client_secret, password=MAPLE.client_id))) == OURS


def test_what_is_no_known_mistake_asks_the_district_to_look(checked, paste, sandbox):
    found = checked("maple", paste("maple", extra={"auth_url": f"http://127.0.0.1:{sandbox.port}/nowhere"}))
    assert email_text(found) == UNKNOWN.format(port=sandbox.port)


def test_a_year_that_is_not_scheduled_yet(checked, sandbox):
    sandbox.set_quirks("maple", ["empty-users"])
    assert email_text(checked("maple")).startswith(UNSCHEDULED)


def test_another_system_than_infinite_campus_has_no_screen_we_know(checked, paste, provide):
    from tests.oneroster.conftest import Said

    server = provide(lambda _: Said({}), lambda _: Said({"error": "invalid_client"}, status=401))
    pasted = paste("maple", host=server.base_url, login="elm", extra={"auth_url": server.token_url})
    told = email_text(checked("maple", pasted))
    assert "What to do, on the page of our OneRoster connection in your student\ninformation system:" in told
    assert "Infinite Campus" not in told


def test_nothing_tells_a_secret_a_token_or_a_person(checked, paste, sandbox, caplog, capsys):
    caplog.set_level("DEBUG")
    sandbox.pass_night("cedar")
    secrets = [MAPLE.client_secret, CEDAR.client_secret, "planted", "Bearer ", "oauth_signature"]
    told = []
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
        told += [email_text(found), str(as_plain(found)), repr(found), repr(pasted), capsys.readouterr().out]
    text = "\n".join([*told, caplog.text])
    assert [secret for secret in secrets if secret in text] == []
    assert [word for word in people(sandbox, paste) if word in text] == []


def people(sandbox, paste) -> set[str]:
    """What would give somebody away: ids, addresses, user names and whole names."""
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
