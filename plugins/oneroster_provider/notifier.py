"""Sends Rollcall's messages through the connection `rollcall_notify`, the only place that configures the recipient.

Type `smtp` sends an email (extra `to` and `from_email`). Type `webhook` sends a JSON POST in the format of Slack,
Mattermost, or Teams (extra `format`; by default, the URL decides). Without the connection, messages go to the log only.
"""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk.exceptions import AirflowNotFoundException

from oneroster_provider.links import page_url
from rollcall.errors import ActionRequired, RollcallError
from rollcall.status.webhooks import FORMATS, content, format_of

CONNECTION = "rollcall_notify"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class WebhookHook(BaseHook):
    """An incoming webhook. Its URL is a secret, so it is the connection's password."""

    conn_name_attr = "webhook_conn_id"
    default_conn_name = CONNECTION
    conn_type = "webhook"
    hook_name = "Webhook (Slack, Teams, Mattermost)"


class RollcallNotifier(BaseNotifier):
    """Sends one message, in plain text.

    :param subject: one line.
    :param message: the first line names the roster that is published now.
    """

    template_fields = ("subject", "message")

    def __init__(self, subject: str, message: str, conn_id: str = CONNECTION) -> None:
        super().__init__()
        self.subject = subject
        self.message = message
        self.conn_id = conn_id

    def notify(self, context: Any) -> None:
        """Send the message.

        :raises ActionRequired: `notify_setting` if the connection cannot be used.
        :raises RollcallError: `notification_failed` if the message was not accepted.
        """
        try:
            connection = BaseHook.get_connection(self.conn_id)
        except AirflowNotFoundException:
            self.log.info("No connection %s; the message is in this log only.\n\n%s", self.conn_id, self.message)
            return
        if connection.conn_type == "smtp":
            self._mail(connection, context)
        else:
            self._post(connection.password or "", connection.extra_dejson.get("format", ""))
        self.log.info("Sent through %s.\n\n%s", self.conn_id, self.message)

    def _mail(self, connection: Any, context: Any) -> None:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        to = connection.extra_dejson.get("to")
        if not to:
            raise ActionRequired(
                "notify_setting",
                f"Connection {self.conn_id} has no email recipient.",
                remedy='Add {"to": "team@example.org", "from_email": "rollcall@example.org"} to its extra.',
            )
        SmtpNotifier(
            smtp_conn_id=self.conn_id,
            to=to,
            from_email=connection.extra_dejson.get("from_email"),
            subject=self.subject,
            html_content=f"<pre>{html.escape(self.message)}</pre>",
        ).notify(context)

    def _post(self, url: str, form: str) -> None:
        if form and form not in FORMATS:
            raise ActionRequired(
                "notify_setting",
                f"Connection {self.conn_id} has an unknown `format` in its extra.",
                remedy=f"Use one of: {', '.join(FORMATS)}.",
            )
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ActionRequired(
                "notify_setting",
                f"Connection {self.conn_id} has no webhook URL that starts with https.",
                remedy="Paste the URL of the incoming webhook into its password field.",
            )
        body = content(form or format_of(url), self.subject, self.message)
        try:
            answer = requests.post(url, json=body, timeout=30, allow_redirects=False)
        except requests.RequestException as error:
            problem = type(error).__name__  # the exception's text quotes the URL, which is a secret
        else:
            if answer.ok:
                return
            problem = f"status {answer.status_code}"
        raise RollcallError(
            "notification_failed",
            f"The webhook of {self.conn_id} rejected the message: {problem}.",
            remedy="The task retries. If it keeps failing, create a new webhook and put its URL into the connection.",
        )


def notify_if_urgent(context: Any = None, district: str = "", minutes: int | None = None) -> None:
    """Send a message at once if the published roster is too old or `publish_by` has passed.

    Everything else waits for the morning digest. A district's DAG calls this on failure and when its deadline passes.

    :param minutes: for a deadline, the minutes from the start of the night to the deadline.
    """
    from airflow.sdk import Connection

    from rollcall.status.digest import urgent_alert

    allowed = None if minutes is None else timedelta(minutes=minutes)
    found = urgent_alert(Connection.get("warehouse"), district, allowed=allowed)
    if found is not None:
        subject, message = found
        RollcallNotifier(subject, f"{message}\n{page_url(f'/districts/{district}')}").notify(context or {})
