"""The mistakes people make with a OneRoster connection, a sentence each: one table, to be read and corrected.

`said` is what is wrong, `remedy` what whoever runs Rollcall does, `clicks` what the district does on its own screen
(for the letter; none where it has nothing to do) and `answer` what it answers with.

Facts about Infinite Campus are from its knowledge base: its Client IDs always begin with InfiniteCampus_; "As of
December 18, 2023, new connections can no longer be made using OAuth 1.0"; 1.1 connections "expire one year after they
are created"; unsupported connections "can only include Rostering data"; data "is scoped to the active school year".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_DONE = "Please answer when it is done; nothing else is needed."
_FOUR = (
    "Please send Client ID, Client Secret, Token URL and Base URL, copied as text (no picture of the screen), by the "
    "way you use for passwords: not by e-mail."
)
_KEY = (
    "Please send Consumer Key, Consumer Secret, OneRoster URL and the expiration date, copied as text, by the way you "
    "use for passwords: not by e-mail."
)
_OPEN = "Open {connection}."
_COPY = 'Under "Information to Share", copy Client ID, Client Secret, Token URL and Base URL, each one whole.'


@dataclass(frozen=True)
class Mistake:
    """One of them. A warning does not keep a roster from arriving; a failure does."""

    outcome: Literal["fail", "warning"]
    said: str
    remedy: str
    clicks: tuple[str, ...] = ()
    answer: str = _DONE


MISTAKES = {
    # -- seen in the fields, before anything is sent
    "line_break": Mistake(
        "warning",
        "The {label} was stored with a line break in it, as copying from a document leaves it; it was removed.",
        "Nothing has to be done; store the {label} in {title} anew if the line break was not the only thing copied.",
    ),
    "id_and_secret_swapped": Mistake(
        "fail",
        "{id_label} and {secret_label} are swapped: what is stored as the secret begins with InfiniteCampus_, as only "
        "a {id_label} does.",
        "Put each into the other's field of {title}; nothing was sent to the provider.",
    ),
    "urls_swapped": Mistake(
        "fail",
        "Base URL and Token URL are swapped: the field Base URL holds the address of the tokens.",
        "Put each into the other's field of {title}.",
    ),
    "two_districts": Mistake(
        "warning",
        "Token URL and Base URL seem to belong to two districts: the Token URL says appName={token_app}, the Base URL "
        "says {base_app}.",
        "Ask the district for both from the same page, and store them in {title}.",
        (_OPEN, _COPY),
        _FOUR,
    ),
    "classic_key_ended": Mistake(
        "warning",
        "This is a classic Consumer Key (OAuth 1), and by `expires_on` it ended on {expires_on}: Infinite Campus ends "
        "them after a year and has made no new ones since 18 December 2023.",
        "The district renews it, or better makes a OneRoster 1.2 connection with OAuth 2, which does not end.",
        (_OPEN, 'Under "Token Information", renew it and look up the new Token Expiration Date.', "Press Save."),
        _KEY,
    ),
    "classic_key_ends_soon": Mistake(
        "warning",
        "This is a classic Consumer Key (OAuth 1), and by `expires_on` it ends on {expires_on}, in {days}: Infinite "
        "Campus ends them after a year and has made no new ones since 18 December 2023.",
        "The district renews it before that day, or better makes a OneRoster 1.2 connection with OAuth 2, which does "
        "not end.",
        (_OPEN, 'Under "Token Information", renew it and look up the new Token Expiration Date.', "Press Save."),
        _KEY,
    ),
    "classic_key_undated": Mistake(
        "warning",
        "This is a classic Consumer Key (OAuth 1), and nobody wrote down when it ends: Infinite Campus ends them after "
        "a year and has made no new ones since 18 December 2023.",
        "Ask the district for the Token Expiration Date and store it as `expires_on` in {title}'s extra.",
        (_OPEN, 'Under "Token Information", look up the Token Expiration Date.'),
        "Please answer with the Token Expiration Date.",
    ),
    # -- seen in what the provider answers
    "host_unknown": Mistake(
        "fail",
        "There is no host {host}, which the {label} names.",
        "Look for a misspelt letter in the {label} of {title}, and copy it anew.",
        (_OPEN, _COPY),
        "Please answer with the {label}, copied as text.",
    ),
    "wrong_secret": Mistake(
        "fail",
        "{id_label} and {secret_label} were not accepted by {where}.",
        "Compare what is stored in {title} with the district's screen. If the secret was made anew there or the "
        "connection switched off, only the district can help.",
        (
            _OPEN,
            "Look whether it is still there and switched on, whether it has expired (one of OneRoster 1.1 does after a "
            "year: press Renew), and whether the secret was made anew.",
            _COPY,
        ),
        _FOUR,
    ),
    "wrong_key": Mistake(
        "fail",
        "Consumer Key and Consumer Secret were not accepted by {where}.",
        "Compare what is stored in {title} with the district's screen. If the key ended or was switched off, only the "
        "district can help. The other signature (`signature` in the extra) was tried and refused too.",
        (
            _OPEN,
            "Look whether Status is Active and the Token Expiration Date lies ahead; renew it if not.",
            "Copy Consumer Key, Consumer Secret and OneRoster URL, each one whole.",
        ),
        _KEY,
    ),
    "other_signature": Mistake(
        "fail",
        "{where} refuses {refused} signatures and accepts {signature}: Consumer Key and Consumer Secret are right.",
        'Set "signature": "{signature}" in {title}\'s extra. The district has nothing to do.',
    ),
    "blocked_by_firewall": Mistake(
        "fail",
        "{where} answered 403 with a web page: a firewall or proxy refuses requests from this machine.",
        "Ask who runs it to allow this machine's public address and the user agent `Rollcall (OneRoster client)`. The "
        "connection itself is not the reason.",
        (
            "Ask your network team, or the host of your student information system, to allow requests from our address "
            "to its OneRoster service: its firewall answers them with a page of its own.",
        ),
    ),
    "offset_ignored": Mistake(
        "fail",
        "`offset` is ignored: every page of {what} begins with the same record, so only the first {rows} can be read.",
        "Ask the provider's support to support `offset`. Until then nothing of it can be pulled.",
    ),
    "offset_ignored_so_far": Mistake(
        "warning",
        "`offset` is ignored: every page of {what} begins with the same record, and today all {rows} come on one page.",
        "Ask the provider's support to support `offset`. Once a collection takes more than one page, pulls will fail.",
    ),
    "login_page": Mistake(
        "fail",
        "The Base URL is a page for people, such as the one to log in at, and not the address of the OneRoster "
        "service.",
        "Ask the district for the Base URL of the connection, and store it in {title}; at Infinite Campus it contains "
        "/campus/api/oneroster/.",
        (_OPEN, 'Under "Information to Share", copy the Base URL, not the address in the browser.'),
        "Please answer with the Base URL, copied as text.",
    ),
    "version_is_1.1": Mistake(
        "fail",
        "OneRoster 1.2 is chosen, but what answers here is OneRoster 1.1.",
        'Set version: "1.1" in {file}; or ask the district for a OneRoster 1.2 connection and store what it sends.',
    ),
    "version_is_1.2": Mistake(
        "fail",
        "OneRoster 1.1 is chosen, but what answers here is OneRoster 1.2.",
        'Set version: "1.2" in {file}.',
    ),
    "demographics_forbidden": Mistake(
        "fail",
        "Demographics are not shared with us ({status}): Demographics is probably not ticked under Data to Share.",
        "The district ticks it, or set demographics: false in {file} and they are not asked for.",
        (_OPEN, 'Under "Data to Share", tick Demographics.', "Press Save."),
    ),
    "rostering_forbidden": Mistake(
        "fail",
        "{what} are not shared with us (403), although the credentials are good.",
        "The district looks at Data to Share. An unsupported connection, or a district without the licence for Campus "
        "Learning, shares rostering only, and that is all we read: no licence is missing.",
        (
            _OPEN,
            'Under "Data to Share", tick Rostering and every kind of data below it.',
            "Press Save. Rostering is all we read: no licence and no supported connection is needed for it.",
        ),
    ),
    "scope_refused": Mistake(
        "fail",
        "{what} were answered 401 with a token the Token URL had just given: the token does not reach them.",
        "The credentials are good. The district looks at Data to Share and the version of the connection; other "
        "providers may want `scopes` or `headers` in {title}'s extra.",
        (
            _OPEN,
            'Look under "Data to Share" whether {what} are ticked.',
            "Look which version of OneRoster the connection is of.",
        ),
        "Please answer with what is ticked, and the version.",
    ),
    "no_orgs": Mistake(
        "fail",
        "The connection shares no school: the list of orgs is empty.",
        "The district adds its schools to the connection's scope.",
        (_OPEN, "Look which schools the connection is limited to, and choose all that we should see.", "Press Save."),
    ),
    "no_people": Mistake(
        "warning",
        "There are {schools} but no people: the active school year is probably not scheduled yet.",
        "Wait until the district has finished scheduling and made the year active; Infinite Campus shares the active "
        "year only.",
        ("Finish scheduling and make the new school year the active one. The connection itself is all right.",),
        "Please answer with the day from which people can be expected.",
    ),
    "another_district": Mistake(
        "fail",
        "This connection is now that of {now}; when it first passed, it was that of {pinned}.",
        "Nothing is pulled with it. If credentials were mixed up, store the right ones in {title}. If the district "
        "itself was given a new id, run `rollcall check {district} --replace-pin`.",
        (_OPEN, _COPY),
        _FOUR,
    ),
}
