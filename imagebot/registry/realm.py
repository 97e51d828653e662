"""Which token server a registry may send us to. Knows origins; sends nothing anywhere.

A registry that can name any realm can collect the passwords of others, or make us call addresses
that only we can reach. So a realm must be one of these:

- the registry's own scheme, host and port;
- https, on a host under the registry's parent domain (`registry.gitlab.com` -> `gitlab.com`,
  `docker.elastic.co` -> `docker-auth.elastic.co`), where that parent has two labels at least and
  is not known to be shared by strangers;
- https, in the table of known pairs below;
- what the operator names for this registry.

The rule is narrower than "same registrable domain", because it carries no list of public
suffixes: a realm it refuses in error is named in the operator's settings, once.
"""

from __future__ import annotations

from collections.abc import Mapping

from imagebot.errors import RegistryError
from imagebot.http import Origin, Url, is_internal, is_loopback, parse_url

KNOWN = {
    "registry-1.docker.io": frozenset({"auth.docker.io"}),
    "lscr.io": frozenset({"ghcr.io"}),
}
"""Registries whose token server lives elsewhere, always over https on port 443."""

_SECOND_LEVELS = frozenset({
    "ac", "asso", "biz", "co", "com", "edu", "gen", "go", "gob", "gouv", "gov", "gv", "id",
    "info", "ltd", "mil", "ne", "net", "nhs", "nom", "or", "org", "plc", "sch", "school",
})  # fmt: skip
"""Labels that stand below a country's domain like a top-level domain: `co.uk`, `com.br`."""

_SHARED = frozenset({
    "amazonaws.com", "appspot.com", "azurecontainer.io", "azurecr.io", "azurewebsites.net",
    "b4a.run", "cloudapp.net", "cloudfront.net", "cluster.local", "deno.dev",
    "digitaloceanspaces.com", "docker.pkg.dev", "duckdns.org", "dyndns.org", "fly.dev",
    "github.io", "gitlab.io", "googleapis.com", "hcloud.host", "herokuapp.com", "hopto.org",
    "jfrog.io", "linodeobjects.com", "myqnapcloud.com", "netlify.app", "ngrok.app", "ngrok.io",
    "nip.io", "no-ip.org", "ocir.io", "on.aws", "onrender.com", "pages.dev", "pkg.dev",
    "plesk.page", "railway.app", "run.app", "scw.cloud", "sslip.io", "svc.local", "synology.me",
    "ts.net", "up.railway.app", "vercel.app", "vultrcr.com", "web.app", "windows.net",
    "workers.dev",
})  # fmt: skip
"""Domains below which strangers get names. Not complete, which is why the rule is narrow."""

_MIN_LABELS = 2
_COUNTRY = 2


def checked_realm(
    registry: Origin, realm: str, trusted: Mapping[str, frozenset[str]] | None = None
) -> Url:
    """The realm as a URL that a credential for `registry` may be sent to.

    `trusted` maps a registry's `host[:port]` to the `host[:port]` of its token servers, by the
    operator's word. Raises RegistryError.
    """
    try:
        url = parse_url(realm)
    except ValueError as error:
        raise RegistryError(f"{registry}: its token server is refused: {error}") from None
    if url.origin == registry:
        return url
    named = (trusted or {}).get(registry.netloc, frozenset())
    if registry.scheme == "https" and url.origin.scheme != "https":
        why = "a registry on https needs a token server on https"
    elif url.origin.netloc in named:
        return url
    elif is_internal(url.origin.host) or is_loopback(url.origin.host):
        why = "it is an internal address"
    elif url.origin.scheme == "https" and _related(registry.host, url.origin):
        return url
    else:
        why = "it has nothing to do with the registry"
    raise RegistryError(
        f"{registry}: its token server {url.origin} is refused: {why}",
        hint="no credential was sent; if you trust it, name it as this registry's token server",
    )


def _related(registry: str, realm: Origin) -> bool:
    if realm.port == 443 and realm.host in KNOWN.get(registry, frozenset()):  # noqa: PLR2004 - https
        return True
    if is_internal(registry):
        return False
    parent = registry.partition(".")[2]
    if not _is_private(parent):
        return False
    return realm.host == parent or realm.host.endswith(f".{parent}")


def _is_private(domain: str) -> bool:
    """Whether one owner may be assumed for everything below a domain."""
    labels = domain.split(".")
    if len(labels) < _MIN_LABELS or not all(labels) or labels[-1].isdigit():
        return False
    if any(domain == shared or domain.endswith(f".{shared}") for shared in _SHARED):
        return False
    country = len(labels) == _MIN_LABELS and len(labels[1]) == _COUNTRY
    return not (country and labels[0] in _SECOND_LEVELS)
