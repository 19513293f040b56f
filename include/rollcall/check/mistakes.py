"""The known mistakes in a OneRoster connection, and the text for each.

Facts about Infinite Campus are from its knowledge base. Its Client IDs always begin with InfiniteCampus_. "As of
December 18, 2023, new connections can no longer be made using OAuth 1.0." 1.1 connections "expire one year after they
are created." Unsupported connections "can only include Rostering data." Data "is scoped to the active school year."
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_WHEN_DONE = "Please reply when this is done. We need nothing else."
_SEND_CREDENTIALS = (
    "Please send the Client ID, Client Secret, Token URL, and Base URL as text, not as a screenshot. Use the method "
    "you use for passwords, not email."
)
_SEND_KEY = (
    "Please send the Consumer Key, Consumer Secret, OneRoster URL, and expiration date as text. Use the method you use "
    "for passwords, not email."
)
_OPEN = "Open {connection}."
_COPY = 'Under "Information to Share", copy the full Client ID, Client Secret, Token URL, and Base URL.'
_RENEW = 'Under "Token Information", renew the key and note the new Token Expiration Date.'
_OLD_KEYS = "Infinite Campus expires these keys after one year and has issued no new ones since December 18, 2023"


@dataclass(frozen=True)
class Mistake:
    """A known mistake. A failure blocks the roster; a warning does not.

    :param message: what is wrong, in one sentence.
    :param remedy: what the team that runs Rollcall does.
    :param actions: what the district does on its own screen, for the email; empty if it has nothing to do.
    :param reply_request: what we ask the district to reply with.
    """

    outcome: Literal["fail", "warning"]
    message: str
    remedy: str
    actions: tuple[str, ...] = ()
    reply_request: str = _WHEN_DONE


MISTAKES = {
    # Visible in the fields, before any request
    "line_break": Mistake(
        "warning",
        "The {label} contained a line break, often copied from a document; we removed it.",
        "No action needed if only the line break was extra. Otherwise, enter the {label} again in {title}.",
    ),
    "id_and_secret_swapped": Mistake(
        "fail",
        "The {id_label} and {secret_label} are swapped: the value stored as the secret begins with InfiniteCampus_, "
        "which only a {id_label} does.",
        "Swap the two values in {title}. Nothing was sent to the provider.",
    ),
    "urls_swapped": Mistake(
        "fail",
        "The Base URL and Token URL are swapped: the Base URL field contains a token address.",
        "Swap the two values in {title}.",
    ),
    "two_districts": Mistake(
        "warning",
        "The Token URL and Base URL seem to belong to different districts: appName={token_app} in the Token URL, "
        "{base_app} in the Base URL.",
        "Ask the district to copy both from the same page, and store them in {title}.",
        (_OPEN, _COPY),
        _SEND_CREDENTIALS,
    ),
    "classic_key_ended": Mistake(
        "warning",
        f"This classic Consumer Key (OAuth 1) expired on {{expires_on}}, according to `expires_on`: {_OLD_KEYS}.",
        "Ask the district to renew it, or to create a OneRoster 1.2 connection with OAuth 2, which does not expire.",
        (_OPEN, _RENEW, "Click Save."),
        _SEND_KEY,
    ),
    "classic_key_ends_soon": Mistake(
        "warning",
        f"This classic Consumer Key (OAuth 1) expires in {{days}}, on {{expires_on}}, according to `expires_on`: "
        f"{_OLD_KEYS}.",
        "Ask the district to renew it before then, or to create a OneRoster 1.2 connection with OAuth 2, which does "
        "not expire.",
        (_OPEN, _RENEW, "Click Save."),
        _SEND_KEY,
    ),
    "classic_key_undated": Mistake(
        "warning",
        f"This is a classic Consumer Key (OAuth 1) without a recorded expiration date: {_OLD_KEYS}.",
        "Ask the district for the Token Expiration Date. Add the line `Token Expiration Date: …` to its text and run "
        "`rollcall districts add` with --replace, or store it as `expires_on` in the extra of {title}.",
        (_OPEN, 'Under "Token Information", find the Token Expiration Date.'),
        "Please reply with the Token Expiration Date.",
    ),
    # Visible in the provider's responses
    "host_unknown": Mistake(
        "fail",
        "The host {host} in the {label} does not exist.",
        "Check the {label} in {title} for typos, and copy it again.",
        (_OPEN, _COPY),
        "Please reply with the {label}, copied as text.",
    ),
    "wrong_secret": Mistake(
        "fail",
        "{where} did not accept the {id_label} and {secret_label}.",
        "Compare {title} with the district's screen. If the secret was regenerated or the connection was disabled, "
        "only the district can fix it.",
        (
            _OPEN,
            "Check that the connection exists and is enabled, that it has not expired, and whether the secret was "
            "regenerated. A OneRoster 1.1 connection expires after one year: click Renew.",
            _COPY,
        ),
        _SEND_CREDENTIALS,
    ),
    "wrong_key": Mistake(
        "fail",
        "{where} did not accept the Consumer Key and Consumer Secret.",
        "Compare {title} with the district's screen. We tried the other signature too (`signature` in the extra). If "
        "the key expired or was disabled, only the district can fix it.",
        (
            _OPEN,
            "Check that Status is Active and the Token Expiration Date is in the future. If not, renew the key.",
            "Copy the full Consumer Key, Consumer Secret, and OneRoster URL.",
        ),
        _SEND_KEY,
    ),
    "other_signature": Mistake(
        "fail",
        "{where} rejects {refused} signatures and accepts {signature}: the Consumer Key and Consumer Secret are valid.",
        'Set "signature": "{signature}" in the extra of {title}. The district does not need to do anything.',
    ),
    "blocked_by_firewall": Mistake(
        "fail",
        "{where} returned 403 with a web page: a firewall or proxy blocks requests from this machine.",
        "Ask its operator to allow this machine's public address and the user agent `Rollcall (OneRoster client)`. The "
        "connection itself is not the problem.",
        (
            "Ask your network team, or the host of your student information system, to allow requests from our address "
            "to its OneRoster service. Its firewall returns a web page to us.",
        ),
    ),
    "offset_ignored": Mistake(
        "fail",
        "The provider ignores `offset`: every page of {what} begins with the same record, so we can read only the "
        "first {rows}.",
        "Ask the provider's support to support `offset`. Until then, {what} cannot be pulled.",
    ),
    "offset_ignored_so_far": Mistake(
        "warning",
        "The provider ignores `offset`: every page of {what} begins with the same record, but today all {rows} fit on "
        "one page.",
        "Ask the provider's support to support `offset`. Pulls will fail when a collection needs a second page.",
    ),
    "login_page": Mistake(
        "fail",
        "The Base URL opens a web page, such as a login page, not the OneRoster service.",
        "Ask the district for the Base URL of the connection, and store it in {title}. In Infinite Campus it contains "
        "/campus/api/oneroster/.",
        (_OPEN, 'Under "Information to Share", copy the Base URL. Do not copy the address bar of the browser.'),
        "Please reply with the Base URL, copied as text.",
    ),
    "version_is_1.1": Mistake(
        "fail",
        "The settings say OneRoster 1.2, but this connection is OneRoster 1.1.",
        'Set version: "1.1" in {file}. Or ask the district for a OneRoster 1.2 connection and store its credentials.',
    ),
    "version_is_1.2": Mistake(
        "fail",
        "The settings say OneRoster 1.1, but this connection is OneRoster 1.2.",
        'Set version: "1.2" in {file}.',
    ),
    "demographics_forbidden": Mistake(
        "fail",
        "Demographics are not shared with us ({status}): Demographics is probably not selected under Data to Share.",
        "Ask the district to select it, or set demographics: false in {file}.",
        (_OPEN, 'Under "Data to Share", select Demographics.', "Click Save."),
    ),
    "rostering_forbidden": Mistake(
        "fail",
        "{what} are not shared with us (403), although the credentials are valid.",
        "Ask the district to check Data to Share. No license is missing: we read rostering data only, which an "
        "unsupported connection and a district without Campus Learning can share.",
        (
            _OPEN,
            'Under "Data to Share", select Rostering and every type of data below it.',
            "Click Save. We read rostering data only. It needs no license and no supported connection.",
        ),
    ),
    "scope_refused": Mistake(
        "fail",
        "{what} returned 401 with a new token: the token does not give access to them.",
        "The credentials are valid. Ask the district to check Data to Share and the version of the connection. Other "
        "providers may need `scopes` or `headers` in the extra of {title}.",
        (
            _OPEN,
            'Under "Data to Share", check whether {what} are selected.',
            "Check the OneRoster version of the connection.",
        ),
        "Please reply with what is selected, and the version.",
    ),
    "no_orgs": Mistake(
        "fail",
        "The connection shares 0 schools: the list of orgs is empty.",
        "Ask the district to add its schools to the scope of the connection.",
        (_OPEN, "Check which schools the connection is limited to, and select all we should see.", "Click Save."),
    ),
    "no_people": Mistake(
        "warning",
        "{schools}, but 0 people: the active school year is probably not scheduled yet.",
        "Wait until the district has finished scheduling and activated the year. Infinite Campus shares only the "
        "active year.",
        ("Finish scheduling and make the new school year active. The connection itself is fine.",),
        "Please reply with the date when we can expect people.",
    ),
    "another_district": Mistake(
        "fail",
        "The connection now belongs to {now}; when it first passed, it belonged to {pinned}.",
        "Nothing is pulled with it. If credentials were mixed up, store the right ones in {title}. If the district has "
        "a new ID, run `rollcall check {district} --replace-pin`.",
        (_OPEN, _COPY),
        _SEND_CREDENTIALS,
    ),
}
