"""Where Rollcall's messages go: the connection `rollcall_notify`, the one place in which that is configured.

Of type `smtp` it is an e-mail (extra `to`, and `from_email`); of type `webhook` a JSON POST in the form that Slack,
Mattermost or Teams takes (extra `format`, else what the address says). Without the connection a message stands in the
log only.
"""

from __future__ import annotations

import html
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from airflow.sdk import BaseHook, BaseNotifier
from airflow.sdk.exceptions import AirflowNotFoundException

from rollcall.errors import ActionRequired, RollcallError
from rollcall.status.webhooks import FORMATS, content, format_of

CONNECTION = "rollcall_notify"
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


class WebhookHook(BaseHook):
    """An incoming webhook. Its address is a secret, so it is the connection's password."""

    conn_name_attr = "webhook_conn_id"
    default_conn_name = CONNECTION
    conn_type = "webhook"
    hook_name = "Webhook (Slack, Teams, Mattermost)"


class RollcallNotifier(BaseNotifier):
    """Sends one message, in plain text.

    :param subject: one line.
    :param message: its first line says which roster readers have now.
    """

    template_fields = ("subject", "message")

    def __init__(self, subject: str, message: str, conn_id: str = CONNECTION) -> None:
        super().__init__()
        self.subject = subject
        self.message = message
        self.conn_id = conn_id

    def notify(self, context: Any) -> None:
        """Send it.

        :raises ActionRequired: `notify_setting` for a connection that cannot be used.
        :raises RollcallError: `not_told` when it did not go out.
        """
        try:
            connection = BaseHook.get_connection(self.conn_id)
        except AirflowNotFoundException:
            self.log.info("There is no connection %s, so this is told here only.\n\n%s", self.conn_id, self.message)
            return
        if connection.conn_type == "smtp":
            self._mail(connection, context)
        else:
            self._post(connection.password or "", connection.extra_dejson.get("format", ""))
        self.log.info("Told through %s.\n\n%s", self.conn_id, self.message)

    def _mail(self, connection: Any, context: Any) -> None:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        to = connection.extra_dejson.get("to")
        if not to:
            raise ActionRequired(
                "notify_setting",
                f"The connection {self.conn_id} does not say to whom e-mails go.",
                remedy='Add {"to": "somebody@example.org", "from_email": "rollcall@example.org"} to its extra.',
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
                f"The connection {self.conn_id} has a `format` in its extra that is none.",
                remedy=f"It is one of: {', '.join(FORMATS)}.",
            )
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ActionRequired(
                "notify_setting",
                f"The connection {self.conn_id} has no webhook address that begins with https.",
                remedy="Paste the address of the incoming webhook as its password.",
            )
        body = content(form or format_of(url), self.subject, self.message)
        try:
            answer = requests.post(url, json=body, timeout=30, allow_redirects=False)
        except requests.RequestException as error:
            problem = type(error).__name__  # its text quotes the address, which is a secret
        else:
            if answer.ok:
                return
            problem = f"status {answer.status_code}"
        raise RollcallError(
            "not_told",
            f"The webhook of {self.conn_id} did not take the message: {problem}.",
            remedy="It is tried again; if it goes on, make a new webhook and put its address into the connection.",
        )


def tell_if_urgent(context: Any = None, district: str = "", minutes: int | None = None) -> None:
    """Tell at once where readers are affected or `publish_by` has passed; else leave it to the morning's digest.

    Called by a district's DAG when it has failed and when its deadline has passed.

    :param minutes: of a deadline, how long after the begin of a night it comes.
    """
    from airflow.sdk import Connection

    from rollcall.status.digest import urgent_alert

    allowed = None if minutes is None else timedelta(minutes=minutes)
    found = urgent_alert(Connection.get("warehouse"), district, allowed=allowed)
    if found is not None:
        RollcallNotifier(*found).notify(context or {})
