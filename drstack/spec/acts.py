"""What a step of users' own may do, beside running a command: one mapping for each kind.

Decides which fields each kind has. Invariant: no field can hold a secret, only a reference to one.
"""

from typing import Literal, Self

from pydantic import Field, StrictInt, model_validator

from drstack.spec.fields import Declared, Name, Word
from drstack.spec.references import Address, Filled, Headers, Secret

_HOST = r"^[^\s/:@]+(:[0-9]{1,5})?$"
_ZONE = r"^([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+$"


class HttpAct(Declared):
    """One HTTP request."""

    url: Address = Field(
        description="Address; `{target}` and the like are filled in.", examples=["https://ops.example/scale"]
    )
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = Field(default="POST", description="Method.")
    headers: Headers = Field(
        default_factory=dict[str, str],
        description="Headers; what is secret in them as a reference.",
        examples=[{"Authorization": "Bearer ${env:OPS_TOKEN}"}],
    )
    body: Filled | None = Field(default=None, description="Body of the request.", examples=['{"site": "{target}"}'])
    expect: tuple[StrictInt, ...] = Field(
        default=(), description="Statuses that mean done. Default: 200 to 299.", examples=[[200, 202]]
    )


class HttpCheck(HttpAct):
    """A request whose answer says whether a step is done."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = Field(default="GET", description="Method.")
    absent: tuple[StrictInt, ...] = Field(
        default=(404,), description="Statuses that mean not done; any other says nothing.", examples=[[404]]
    )


class AnsibleAct(Declared):
    """A playbook, run by ansible-runner."""

    playbook: str = Field(
        min_length=1, description="Playbook, relative to the step's folder.", examples=["dr/promote.yml"]
    )
    inventory: str | None = Field(
        default=None, description="Inventory, relative to the step's folder.", examples=["dr/hosts.ini"]
    )
    vars: dict[str, Filled] = Field(
        default_factory=dict[str, str], description="Extra variables of the playbook.", examples=[{"site": "{target}"}]
    )
    limit: str | None = Field(default=None, description="Hosts that it is limited to.", examples=["{target}"])
    tags: tuple[str, ...] = Field(default=(), description="Tags of the tasks to run.", examples=[["promote"]])


class PostgresAct(Declared):
    """A streaming standby of PostgreSQL, promoted where the target is."""

    servers: dict[Name, str] = Field(
        min_length=1,
        description="Per site the host of its server, with a port after a colon (else 5432).",
        examples=[{"east": "db.east.example", "west": "db.west.example:5433"}],
    )
    user: str = Field(min_length=1, description="Role that may call pg_promote().", examples=["failover"])
    password: Secret | None = Field(
        default=None, description="Its password; without it, what libpq finds.", examples=["${env:PGPASSWORD}"]
    )
    database: str = Field(default="postgres", min_length=1, description="Database that it connects to.")
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = Field(
        default="prefer", description="As libpq's sslmode."
    )
    sslrootcert: str | None = Field(
        default=None, description="Certificates that servers are checked against.", examples=["/etc/dr/db-ca.pem"]
    )


class Tsig(Declared):
    """The key that signs dynamic updates."""

    name: str = Field(min_length=1, description="Name of the key.", examples=["drstack."])
    secret: Secret = Field(description="The key, in base64.", examples=["${env:TSIG_SECRET}"])
    algorithm: Literal["hmac-sha256", "hmac-sha384", "hmac-sha512"] = Field(
        default="hmac-sha256", description="How it signs."
    )


class DnsAct(Declared):
    """A record that shall have the target's values: by PowerDNS's API, or by dynamic update (RFC 2136)."""

    powerdns: Address | None = Field(
        default=None, description="Address of PowerDNS's API.", examples=["http://127.0.0.1:8081"]
    )
    key: Secret | None = Field(default=None, description="Key of that API.", examples=["${env:PDNS_API_KEY}"])
    server: str = Field(default="localhost", min_length=1, description="Name of the server in that API.")
    update: str | None = Field(
        default=None,
        pattern=_HOST,
        description="Primary server of the zone, which takes dynamic updates; with a port after a colon, else 53.",
        examples=["ns1.example.org:53"],
    )
    tsig: Tsig | None = Field(default=None, description="Key that signs the updates.")
    zone: str = Field(pattern=_ZONE, description="Zone, with its final dot.", examples=["example.org."])
    record: str = Field(
        pattern=r"^(@|[A-Za-z0-9_*]([A-Za-z0-9_.-]*[A-Za-z0-9_])?)$",
        description="Name in the zone; `@` for the zone itself.",
        examples=["api"],
    )
    type: Literal["A", "AAAA", "CNAME", "TXT", "SRV"] = Field(default="A", description="Type of the record.")
    ttl: StrictInt = Field(default=60, ge=0, le=604_800, description="Seconds for which resolvers may keep it.")
    values: dict[Name, tuple[Word, ...]] = Field(
        min_length=1, description="Per site what the record says.", examples=[{"west": ["10.0.0.2"]}]
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.powerdns is None) == (self.update is None):
            raise ValueError("either `powerdns` or `update`")
        if self.powerdns is not None and self.key is None:
            raise ValueError("`key`, by which PowerDNS's API is used")
        return self


class Email(Declared):
    """A message by SMTP."""

    smtp: str = Field(
        pattern=_HOST,
        description="Mail server; with a port after a colon, else 587.",
        examples=["mail.example.org:587"],
    )
    sender: str = Field(min_length=3, description="Address that it comes from.", examples=["dr@example.org"])
    to: tuple[str, ...] = Field(
        min_length=1, description="Addresses that it goes to.", examples=[["oncall@example.org"]]
    )
    user: str | None = Field(default=None, description="User at the mail server.", examples=["dr"])
    password: Secret | None = Field(default=None, description="Its password.", examples=["${env:SMTP_PASSWORD}"])
    tls: Literal["starttls", "tls", "none"] = Field(default="starttls", description="How the connection is protected.")

    @model_validator(mode="after")
    def _no_password_in_the_clear(self) -> Self:
        if self.password is not None and self.tls == "none":
            raise ValueError("tls: starttls or tls, where there is a password")
        if (self.user is None) != (self.password is None):
            raise ValueError("`user` and `password` together")
        return self


class NotifyAct(Declared):
    """Tells somebody: by a webhook, or by e-mail."""

    webhook: Address | None = Field(
        default=None, description="Address that a JSON body is posted to.", examples=["${env:SLACK_WEBHOOK}"]
    )
    style: Literal["drstack", "slack", "pagerduty"] = Field(default="drstack", description="Form of that body.")
    key: Secret | None = Field(default=None, description="PagerDuty's routing key.", examples=["${env:PAGERDUTY_KEY}"])
    headers: Headers = Field(
        default_factory=dict[str, str], description="Further headers.", examples=[{"X-Team": "platform"}]
    )
    email: Email | None = Field(default=None, description="A message by SMTP, in place of a webhook.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.webhook is None) == (self.email is None):
            raise ValueError("either `webhook` or `email`")
        if (self.style == "pagerduty") != (self.key is not None):
            raise ValueError("`key` with style: pagerduty, and with no other")
        return self


__all__ = ["AnsibleAct", "DnsAct", "HttpAct", "HttpCheck", "NotifyAct", "PostgresAct"]
