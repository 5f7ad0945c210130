# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules of KMS: how a client finds and asks a host, what the host answers, what each remembers.

Only licensing state is modelled; no KMS message exists here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import dns.tsig

from ..cim import WmiError
from . import codes, events, office
from .machine import Count, Machine, Product
from .resolver import Cache, LookupFailed, Resolver

_STATUS_COUNTER = {
    0: "UnlicensedRequests",
    1: "LicensedRequests",
    2: "OOBGraceRequests",
    3: "OOTGraceRequests",
    4: "NonGenuineGraceRequests",
    5: "NotificationRequests",
}


@dataclass(frozen=True)
class Reply:
    """A KMS host's answer to one request."""

    count: int
    activation_interval: int
    renewal_interval: int
    host_pid: str
    host: str


class _NoAnswer(Exception):
    """This host is of no use to the client, which tries the next one; `inner` is what its event log gets."""

    def __init__(self, inner: int) -> None:
        super().__init__(f"0x{inner:08X}")
        self.inner = inner


@dataclass
class Network:
    """Who can reach whom: machines by address, the DNS server's port, the machines' own DNS keys."""

    by_address: Mapping[str, Machine]
    dns_port: Callable[[], int]
    dns_keys: Mapping[str, dns.tsig.Key]
    rng: random.Random
    client_order: str = "rfc2782"
    count_survives_restart: bool = False
    by_directory: Callable[[Machine, Product], bool] = lambda _machine, _product: False
    """Activate a client by Active Directory; whether that was it.  Raises WmiError when it may go no other way."""
    dns_cache: Cache | None = None
    """Set while the clock is moved, when thousands of look-ups would get the same few answers."""

    def resolver(self, machine: Machine) -> Resolver:
        if not machine.dns:
            raise LookupFailed(codes.DNS_NO_SERVERS)
        return Resolver(self.dns_port(), self.rng, ordered=self.client_order == "rfc2782", cache=self.dns_cache)


# -- the host ----------------------------------------------------------------------------------------------------------


def service_started(network: Network, host: Machine) -> None:
    """The licensing service starts: settings take effect, counting begins anew, an activated host publishes itself."""
    state = host.host
    state.config = host.host_config()
    if not network.count_survives_restart:
        for count in (state.count, *(row.count for row in host.products)):
            count.cache.clear()
            count.asked = False
    host_becomes_ready(host)
    if host.kms_products:
        publish(network, host)


def host_becomes_ready(host: Machine) -> None:
    """Count the organisation's other machines (`seed_cmids`) that have this host as theirs."""
    for row in host.kms_products:
        windows = row is host.kms_product
        seeds, threshold = (host.seed_cmids, 25) if windows else (host.spec.office_seed_cmids, office.THRESHOLD)
        for number in range(seeds):
            _remember(host.count_of(row), f"seed-{host.name}-{number}", host.minute, threshold)


def publish(network: Network, host: Machine) -> None:
    """Register the host's SRV record in each of its domains; events 12294 and 12293 tell the outcome."""
    state = host.host
    state.republish_at = host.minute + codes.DNS_REPUBLISH
    if not state.config.publishing or host.name not in network.dns_keys:
        return
    for domain, priority, weight in state.config.domains:
        data = f"{priority} {weight} {state.config.port} {host.fqdn}."
        try:
            resolver = network.resolver(host)
        except LookupFailed as failed:
            result = failed.hresult
        else:
            result = resolver.register(domain, data, old=state.published.get(domain), key=network.dns_keys[host.name])
        if result:
            host.log(12293, hresult=f"0x{result:08X}", domain=domain)
        else:
            state.published[domain] = data
            host.log(12294, domain=domain)


def _remember(state: Count, cmid: str, minute: int, threshold: int) -> None:
    """Put a client's ID into the cache: 30 days, at most twice the highest threshold seen, the oldest goes first."""
    state.highest_threshold = max(state.highest_threshold, threshold)
    for old in [one for one, seen in state.cache.items() if seen <= minute - codes.CMID_WINDOW]:
        del state.cache[old]
    state.cache.pop(cmid, None)
    state.cache[cmid] = minute
    state.asked = True
    while len(state.cache) > 2 * state.highest_threshold:
        del state.cache[next(iter(state.cache))]


def counting(host: Machine) -> Product | None:
    """The KMS host licence whose numbers the licensing service shows: the one of Windows before those of Office."""
    return next(iter(host.kms_products), None)


def current_count(host: Machine, row: Product | None) -> int:
    """The count of a KMS host licence: 0xFFFFFFFF when it is not activated or nobody has asked since the start."""
    if row is None or row not in host.kms_products or not host.count_of(row).asked:
        return codes.NONE_UINT32
    return sum(seen > host.minute - codes.CMID_WINDOW for seen in host.count_of(row).cache.values())


def required_count(host: Machine, row: Product | None) -> int:
    """RequiredClientCount of a host: the highest threshold seen; at first the lowest one that its key serves."""
    if row is None or row not in host.kms_products or row.group is None:
        return codes.NONE_UINT32
    return host.count_of(row).highest_threshold or (25 if row.group.name == "win10" else 5)


def _covering(host: Machine, client: Machine, product: Product) -> Product | None:
    """The KMS host licence that is for this licence of a client, None when the host has none for it."""
    if product.application == codes.OFFICE_APPLICATION:
        version = office.version_of(product.office)
        group = office.groups()[version.group] if version else None
        return next((row for row in host.keyed if group is not None and row.group is group), None)
    row = host.primary
    if row is None or row.group is None:
        return None
    covered = host.catalogue.covers(row.group, host=host.release, updated=host.has_update, client=client.release)
    return row if covered else None


def answer(host: Machine, client: Machine, product: Product, port: int) -> Reply:
    """What a machine answers to a KMS request on this port; _NoAnswer or WmiError(0xC004F042)."""
    state, threshold = host.host, client.threshold_of(product)
    if (
        not host.power
        or not host.reachable_1688
        or not client.reachable_1688
        or host.sppsvc.state != "Running"
        or not any(row.channel == "csvlk" for row in host.keyed)
        or port != state.config.port
        or not host.open_port(port)
    ):
        raise _NoAnswer(codes.RPC_UNAVAILABLE)
    if not host.kms_products:
        raise _NoAnswer(codes.KMS_NOT_ACTIVATED)
    row = _covering(host, client, product)
    if row is not None and row not in host.kms_products:
        raise _NoAnswer(codes.KMS_NOT_ACTIVATED)
    count = host.count_of(row or host.kms_products[0])
    asked = {
        "client": client.name,
        "fqdn": client.fqdn,
        **events.request_fields(client, product, threshold),
    }
    if abs(host.own_clock - client.own_clock) > codes.CLOCK_TOLERANCE:
        count.counters["FailedRequests"] += 1
        host.log(12290, hresult=f"0x{codes.KMS_TIMESTAMP:08X}", **asked)
        raise _NoAnswer(codes.KMS_TIMESTAMP)
    if row is None:
        count.counters["FailedRequests"] += 1
        host.log(12290, hresult=f"0x{codes.KMS_MISMATCH:08X}", **asked)
        raise WmiError(codes.KMS_MISMATCH)
    status = product.license.status(client.minute)[0]
    host_becomes_ready(host)
    count.counters["TotalRequests"] += 1
    if status in _STATUS_COUNTER:
        count.counters[_STATUS_COUNTER[status]] += 1
    _remember(count, client.cmid, host.minute, threshold)
    host.log(12290, hresult="0x00000000", **asked)
    return Reply(
        len(count.cache),
        state.config.activation_interval,
        state.config.renewal_interval,
        host.product_key_id(row) or "",
        host.name,
    )


# -- the client --------------------------------------------------------------------------------------------------------


def activate_client(network: Network, client: Machine, product: Product) -> None:
    """Activate a volume client, by the directory or a KMS host; WmiError with the HRESULT that Windows gives."""
    if network.by_directory(client, product):
        return
    state = client.client_of(product)
    try:
        reply = _ask_hosts(network, client, product)
        state.activation_interval = reply.activation_interval
        state.renewal_interval = reply.renewal_interval
        if reply.count < client.threshold_of(product):
            client.log(
                12289,
                hresult=f"0x{codes.COUNT_TOO_LOW:08X}",
                activated=0,
                flags=events.NOT_ENOUGH_COUNT,
                **_reply_fields(client, reply),
            )
            raise WmiError(codes.COUNT_TOO_LOW)
    except WmiError as error:
        product.license.reason = error.hresult
        state.next_try = client.minute + state.activation_interval
        raise
    product.license.basis = "kms"
    product.license.until = client.minute + codes.KMS_VALIDITY
    product.license.reason = None
    product.host_pid = reply.host_pid
    product.activation_type = 2
    state.last_host = reply.host
    state.next_try = client.minute + state.renewal_interval
    client.last_error = None
    client.log(12289, hresult="0x00000000", activated=1, **_reply_fields(client, reply))


def _reply_fields(client: Machine, reply: Reply) -> events.Event:
    """What 12289 tells of a host's answer."""
    return {
        "count": reply.count,
        "activation_interval": reply.activation_interval,
        "renewal_interval": reply.renewal_interval,
        "client_minute": client.own_clock,
    }


def _ask_hosts(network: Network, client: Machine, product: Product) -> Reply:
    """Try the candidates in their order; the first that answers decides."""
    state = client.client_of(product)
    inner = codes.RPC_UNAVAILABLE
    tried: set[tuple[str, int]] = set()
    discovered = client.fixed_host(product) is None
    if not discovered:
        state.discovered = None
    asked = events.request_fields(client, product, client.threshold_of(product))
    for name, port in _candidates(network, client, product):
        if (name.lower(), port) in tried:
            continue
        tried.add((name.lower(), port))
        try:
            address, reply = _ask(network, client, product, name, port)
        except _NoAnswer as no_answer:
            inner = no_answer.inner
            client.log(12288, hresult=f"0x{inner:08X}", host=f"{name}:{port}", **asked)
            if state.discovered and state.discovered[:2] == (name, port):
                state.discovered = None
            continue
        except WmiError as refused:
            client.log(12288, hresult=f"0x{refused.hresult:08X}", host=f"{name}:{port}", **asked)
            raise
        client.log(12288, hresult="0x00000000", host=f"{name}:{port}", **asked)
        if discovered:
            state.discovered = (name, port, address)
        return reply
    client.last_error = {"hresult": f"0x{codes.KMS_UNAVAILABLE:08X}", "inner": f"0x{inner:08X}"}
    raise WmiError(codes.KMS_UNAVAILABLE)


def _candidates(network: Network, client: Machine, product: Product) -> Iterator[tuple[str, int]]:
    """(host, port) in the order in which a client tries them: fixed, or the cached one and then DNS."""
    fixed = client.fixed_host(product)
    if fixed:
        yield fixed[0], fixed[1] or codes.KMS_PORT
        return
    cached = client.client_of(product).discovered
    if cached and client.host_caching:
        yield cached[:2]
    yield from _discover(network, client, product)


def _discover(network: Network, client: Machine, product: Product) -> list[tuple[str, int]]:
    """The SRV records of the look-up domain, else of the DNS suffix and the suffix search list."""
    only = product.lookup_domain or client.lookup_domain
    domains = [only] if only else [name for name in (client.dns_suffix, *client.spec.search_list) if name]
    if not domains:
        raise WmiError(codes.INVALID_NAME)
    result = codes.DNS_NAME_ERROR
    for domain in dict.fromkeys(domains):
        try:
            return [(srv.target, srv.port) for srv in network.resolver(client).kms_hosts(domain)]
        except LookupFailed as failed:
            if result == codes.DNS_NAME_ERROR:
                result = failed.hresult
    asked = events.request_fields(client, product, client.threshold_of(product))
    client.log(12288, hresult=f"0x{result:08X}", host="", flags=events.NO_REGISTRATION, **asked)
    client.last_error = {"hresult": f"0x{result:08X}", "inner": f"0x{result:08X}"}
    raise WmiError(result)


def _ask(network: Network, client: Machine, product: Product, name: str, port: int) -> tuple[str, Reply]:
    try:
        addresses = network.resolver(client).addresses(name, client.dns_suffix)
    except LookupFailed:
        addresses = []
    failure = _NoAnswer(codes.RPC_UNAVAILABLE)
    for address in addresses:
        host = network.by_address.get(address)
        if host is None:
            continue
        try:
            return address, answer(host, client, product, port)
        except _NoAnswer as no_answer:
            failure = no_answer
    raise failure
