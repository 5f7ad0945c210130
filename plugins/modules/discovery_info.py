#!/usr/bin/python

# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: discovery_info
short_description: See what KMS clients of a DNS domain would find, and what is wrong with it
version_added: 0.1.0
author:
  - the winops.kms authors (@winops)
description:
  - Looks up the records by which KMS clients find a KMS host, C(_vlmcs._tcp) in their DNS domain, and the addresses of
    every host in them. Then tries whether each address answers, and whether a KMS host answers there.
  - What is wrong is returned as RV(findings), each with a severity and a next step, so that a playbook can fail on
    them.
  - Whether a KMS host answers is found out by one bind of the DCE/RPC protocol, which asks for the KMS interface. No
    request follows. Nothing is activated, and no client is counted.
  - It runs on the controller, or on any other machine. What it finds is true for the network and the DNS resolver of
    that machine. Use C(delegate_to) to look from elsewhere.
extends_documentation_fragment:
  - winops.kms._attributes
  - winops.kms._attributes.info
attributes:
  platform:
    description: Target operating systems that can be acted upon.
    support: full
    platforms: posix
options:
  domains:
    description:
      - The DNS domains of the clients, with or without the final dot. The domain of a machine is its primary DNS
        suffix, that of a member of an AD domain is the name of this domain, and a machine in a workgroup has the domain
        that DHCP gives to it.
      - With more than one, they are compared as well.
    type: list
    elements: str
    required: true
  server:
    description:
      - The name or the address (IPv4 or IPv6) of the DNS server to ask. It should be the one that the clients ask.
      - An authoritative server that is no resolver does as well if it serves the names of the KMS hosts, too.
      - The default is the resolver of the machine on which the module runs.
    type: str
  server_port:
    description:
      - The port of the DNS server O(server), for UDP and TCP. Ignored without O(server).
    type: int
    default: 53
  expected_hosts:
    description:
      - The KMS hosts that each of O(domains) shall have records of, and no others.
      - Each one is either a fully qualified name, or a dictionary of C(target), which is such a name, and C(port). If
        the port is not given, any is right.
      - If this option is not given, no host is missing and no record is unexpected. With an empty list, every record is
        unexpected.
    type: list
    elements: raw
  probe:
    description:
      - What to try at each address.
      - With V(none), the DNS alone is asked.
      - With V(tcp), a connection is made and closed.
      - With V(rpc), it is used for one DCE/RPC bind as well.
    type: str
    choices: [none, tcp, rpc]
    default: rpc
  timeout:
    description:
      - How many seconds to wait for the answer to each DNS question, for each connection, and for each answer to a
        bind. Up to 16 of the same kind are under way at the same time.
    type: int
    default: 5
requirements:
  - dnspython >= 2.1 on the machine that runs the module
notes:
  - A KMS host that answers may still be one that is not activated or has not been asked by enough clients. That is what
    M(winops.kms.license_info) tells of it.
  - Clients whose KMS host is set do not look in the DNS.
seealso:
  - ref: ansible_collections.winops.kms.docsite.dns_guide
    description: How to set up DNS servers for the records that are looked at here.
  - module: winops.kms.srv_record
  - module: winops.kms.license_info
"""

EXAMPLES = r"""
- name: Fail if clients of the domain would not find their KMS hosts
  winops.kms.discovery_info:
    domains:
      - contoso.com
    expected_hosts:
      - kms01.contoso.com
      - kms02.contoso.com
  register: discovery
  delegate_to: localhost
  run_once: true
  failed_when: discovery.worst == 'error'

- name: Compare what two domains offer, as a certain DNS server answers
  winops.kms.discovery_info:
    domains:
      - contoso.com
      - fabrikam.com
    server: 192.0.2.53
  register: discovery
  delegate_to: localhost

- name: Show what is wrong
  ansible.builtin.debug:
    msg: "{{ item.severity }}: {{ item.message }} {{ item.remedy }}"
  loop: "{{ discovery.findings }}"
  loop_control:
    label: "{{ item.code }}"

- name: Look for records of hosts that are gone, without asking the hosts
  winops.kms.discovery_info:
    domains:
      - contoso.com
    expected_hosts:
      - target: kms01.contoso.com
        port: 1688
    probe: none
  register: discovery
  delegate_to: localhost
  failed_when: discovery.findings | selectattr('code', 'eq', 'unexpected_record') | length > 0
"""

RETURN = r"""
domains:
  description: What is found for each of O(domains), in that order. A domain that is given twice is here once.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The domain, without the final dot.
      type: str
      sample: contoso.com
    owner:
      description: The name of its record set.
      type: str
      sample: _vlmcs._tcp.contoso.com
    status:
      description:
        - V(found) if there are records, V(no_records) if there are none, V(no_such_domain) if the domain does not
          exist, V(failed) if the resolver gave no usable answer.
      type: str
      sample: found
    records:
      description:
        - The records in the order in which a client may use them, which is that of RFC 2782, the lowest priority first.
          Among records of the same priority a client draws lots by weight. Here the highest weight stands first.
      type: list
      elements: dict
      contains:
        target:
          description: The host, without the final dot.
          type: str
          sample: kms01.contoso.com
        port:
          description: The TCP port of the KMS host.
          type: int
          sample: 1688
        priority:
          description: The priority.
          type: int
          sample: 0
        weight:
          description: The weight.
          type: int
          sample: 0
        ttl:
          description: How many seconds the resolver may keep the record, or may still keep it.
          type: int
          sample: 3600
        expected:
          description:
            - Whether the host is among O(expected_hosts), with this port where one is given there. V(null) without that
              option.
          type: bool
          sample: true
        aliases:
          description: The names that the target is an alias (CNAME) of, in order. There should be none.
          type: list
          elements: str
          sample: []
        tcp:
          description: The best RV(domains[].records[].addresses[].tcp). V(null) if none was tried.
          type: str
          sample: open
        rpc:
          description: The best RV(domains[].records[].addresses[].rpc). V(null) if none was tried.
          type: str
          sample: kms
        addresses:
          description: The addresses of the host, IPv4 first.
          type: list
          elements: dict
          contains:
            address:
              description: The address.
              type: str
              sample: 192.0.2.10
            family:
              description: V(ipv4) or V(ipv6).
              type: str
              sample: ipv4
            tcp:
              description:
                - V(open) if it takes connections, V(closed) if it refuses them, V(no_answer) if none comes about,
                  V(no_route) if the machine that runs the module has no route to the address. V(null) if it was not
                  tried.
              type: str
              sample: open
            rpc:
              description:
                - V(kms) if it offers the KMS interface, V(not_kms) if it speaks DCE/RPC and does not, V(not_rpc) if it
                  speaks something else, V(no_answer) if no usable answer came or the server was too busy for one.
                  V(null) if it was not tried.
              type: str
              sample: kms
            reason:
              description: What stands behind verdicts other than V(open) and V(kms). Empty with these.
              type: str
              sample: abstract_syntax_not_supported
findings:
  description: What is wrong, the worst first. Empty if all is well.
  returned: success
  type: list
  elements: dict
  contains:
    severity:
      description: V(error), V(warning) or V(info).
      type: str
      sample: error
    code:
      description:
        - V(resolver_failed), error - The SRV records could not be looked up, so that nothing is known of the domain.
        - V(no_such_domain), error - The domain does not exist in the DNS.
        - V(no_records), error - The domain has no SRV record for KMS.
        - V(service_denied), error - The target of a record is the root, by which a domain says that it offers no such
          service.
        - V(expected_host_missing), error - An expected host has no record.
        - V(wrong_port), error - The records of an expected host name other ports than the expected one.
        - V(target_without_address), error - The target of a record has no address.
        - V(address_lookup_failed), error - The addresses of a target could not be looked up.
        - V(port_closed), error - The host refuses connections at the port.
        - V(no_answer), error - No connection to the port comes about.
        - V(no_route), error - The machine that runs the module has no route to any address of the host, so that nothing
          is known of it.
        - V(not_rpc), error - What listens at the port does not speak DCE/RPC, so that it is no KMS host.
        - V(not_kms), error - What listens at the port speaks DCE/RPC and does not offer the KMS interface.
        - V(rpc_no_answer), error - The port accepts connections, and no usable answer to the probe comes.
        - V(address_fails), warning - The host answers as it should at some of its addresses, and not at others.
        - V(addresses_incomplete), warning - The addresses of one family could not be looked up, those of the other
          could.
        - V(cname_target), warning - The target of a record is an alias, which RFC 2782 forbids.
        - V(duplicate_target), warning - A host has several records.
        - V(unexpected_record), warning - A record leads to a host that is not expected.
        - V(domains_differ), warning - Another domain of the list has records that this one does not have.
        - V(other_port), info - A record names another port than 1688, and the port is not one that is expected.
        - V(order_not_binding), info - Records differ in priority or weight, which clients do not always heed.
      type: str
      sample: port_closed
    domain:
      description: The domain that it is about.
      type: str
      sample: contoso.com
    target:
      description: The host that it is about. V(null) if it is about the whole domain.
      type: str
      sample: kms01.contoso.com
    port:
      description: The port that it is about. V(null) if it is about no certain one.
      type: int
      sample: 1688
    message:
      description: What was found.
      type: str
      sample: "kms01.contoso.com refuses connections at TCP port 1688 (192.0.2.10: refused)."
    remedy:
      description: The next step.
      type: str
      sample: >-
        Check that the Software Protection service of the host runs as an activated KMS host (winops.kms.license_info)
        and listens on this port (winops.kms.host with port); a firewall can refuse connections as well.
worst:
  description: The worst severity among RV(findings), V(none) if there are none.
  returned: success
  type: str
  sample: error
msg:
  description: How many findings there are of each severity, and what the worst ones say.
  returned: always
  type: str
  sample: >-
    1 error, 0 warnings, 0 infos. kms01.contoso.com refuses connections at TCP port 1688 (192.0.2.10: refused).
error:
  description: What kept the module from looking.
  returned: failure
  type: dict
  contains:
    code:
      description: The same as RV(error.name).
      type: str
      sample: UNKNOWN_HOST
    name:
      description:
        - The symbol of the error. V(INVALID_OPTION) means that an option cannot be right and nothing was sent.
      type: str
      sample: UNKNOWN_HOST
    message:
      description: What happened, and where.
      type: str
      sample: The name of the DNS server ns9.contoso.com cannot be resolved on this machine.
    remedy:
      description: The likely cause and the next step.
      type: str
      sample: Check the option server, or give the server's address.
"""

from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.winops.kms.plugins.module_utils._discovery.findings import (
    SEVERITIES,
    Expected,
    Finding,
    findings,
    worst,
)
from ansible_collections.winops.kms.plugins.module_utils._discovery.lookup import Lookup, domain_name
from ansible_collections.winops.kms.plugins.module_utils._discovery.probe import probe
from ansible_collections.winops.kms.plugins.module_utils._discovery.survey import Domain, Endpoint, Found, survey
from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError, InputError
from ansible_collections.winops.kms.plugins.module_utils._dns.names import (
    checked_name,
    is_address,
    owner_name,
    server_name,
)

ARGUMENTS: dict[str, dict[str, Any]] = {
    "domains": {"type": "list", "elements": "str", "required": True},
    "server": {"type": "str"},
    "server_port": {"type": "int", "default": 53},
    "expected_hosts": {"type": "list", "elements": "raw"},
    "probe": {"type": "str", "choices": ["none", "tcp", "rpc"], "default": "rpc"},
    "timeout": {"type": "int", "default": 5},
}

# Option -> lowest and highest value.
RANGES: dict[str, tuple[int, int]] = {
    "server_port": (1, 65535),
    "timeout": (1, 3600),
}
PORTS = (1, 65535)

# How many findings the summary quotes.
MOST_QUOTED = 3


def check_range(option: str, value: int, lowest: int, highest: int) -> None:
    """Raises InputError for a number that is out of its range."""
    if not lowest <= value <= highest:
        raise InputError(option, f"{value} is out of range.", f"Give a number from {lowest} to {highest}.")


def expected_host(entry: object) -> Expected:
    """One entry of the option expected_hosts. Raises InputError."""
    option = "expected_hosts"
    fields = {"target": entry} if isinstance(entry, str) else entry
    if not isinstance(fields, dict) or not fields.keys() <= {"target", "port"}:
        raise InputError(
            option, f"{entry!r} is no host.", "Give a name, or a dictionary of target and, if it matters, port."
        )
    target = fields.get("target")
    if not isinstance(target, str):
        raise InputError(option, f"{entry!r} has no target.", "Give the fully qualified name of the host in it.")
    name = checked_name(target, option)
    if is_address(name) or "." not in name:
        raise InputError(
            option,
            f"{target!r} is not a fully qualified name.",
            "Records lead to names with their domain, such as kms01.contoso.com.",
        )
    return Expected(name, _port(fields.get("port")))


def _port(value: object) -> int | None:
    if value is None:
        return None
    try:
        # A template gives a number as text.
        number = int(value) if isinstance(value, int | str) and not isinstance(value, bool) else None
    except ValueError:
        number = None
    if number is None:
        raise InputError("expected_hosts", f"the port {value!r} is not a number.", "Give the TCP port as a number.")
    check_range("expected_hosts", number, *PORTS)
    return number


def domains_of(params: dict[str, Any]) -> list[str]:
    """The domains, each one once. Raises InputError."""
    names = [domain_name(text) for text in params["domains"]]
    if not names:
        raise InputError("domains", "a domain is needed.", "Give the DNS domain of the clients.")
    different: dict[str, str] = {}
    for name in names:
        different.setdefault(name.lower(), name)
    return list(different.values())


def run(params: dict[str, Any]) -> dict[str, Any]:
    """The result of the module. Raises DnsError; for what cannot be right, before anything is sent."""
    for option, limits in RANGES.items():
        check_range(option, params[option], *limits)
    names = domains_of(params)
    entries = params["expected_hosts"]
    expected = None if entries is None else [expected_host(entry) for entry in entries]
    timeout = float(params["timeout"])
    server = server_name(params["server"]) if params["server"] else None
    lookup = Lookup(server, params["server_port"], timeout=timeout)
    prober = None if params["probe"] == "none" else partial(probe, rpc=params["probe"] == "rpc", timeout=timeout)
    domains = survey(names, lookup, prober)
    found = findings(domains, expected, asked=lookup.label)
    return {
        "changed": False,
        "domains": [domain_result(domain, expected) for domain in domains],
        "findings": [finding.as_result() for finding in found],
        "worst": worst(found),
        "msg": summary(found),
    }


def domain_result(domain: Domain, expected: list[Expected] | None) -> dict[str, Any]:
    """A domain in the result."""
    return {
        "domain": domain.name,
        "owner": owner_name(domain.name),
        "status": domain.service.status,
        "records": [record_result(found, expected) for found in domain.records],
    }


def record_result(found: Found, expected: list[Expected] | None) -> dict[str, Any]:
    """A record in the result."""
    record, best = found.record, found.best
    return {
        "target": record.target,
        "port": record.port,
        "priority": record.priority,
        "weight": record.weight,
        "ttl": record.ttl,
        "expected": None
        if expected is None
        else any(each.host == record.host and each.port in (None, record.port) for each in expected),
        "aliases": list(found.host.aliases),
        "tcp": best.tcp if best else None,
        "rpc": best.rpc if best else None,
        "addresses": [address_result(endpoint) for endpoint in found.endpoints],
    }


def address_result(endpoint: Endpoint) -> dict[str, Any]:
    """An address in the result."""
    verdict = endpoint.verdict
    return {
        "address": endpoint.address,
        "family": endpoint.family,
        "tcp": verdict.tcp if verdict else None,
        "rpc": verdict.rpc if verdict else None,
        "reason": verdict.reason if verdict else "",
    }


def summary(found: tuple[Finding, ...]) -> str:
    """A line for a reader who sees nothing else, as in the output of a task that fails by failed_when."""
    if not found:
        return "No findings."
    counts = {severity: sum(finding.severity == severity for finding in found) for severity in SEVERITIES}
    counted = ", ".join(f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts.items())
    quoted = [finding.message for finding in found if finding.severity == found[0].severity]
    rest = len(quoted) - MOST_QUOTED
    more = [f"And {rest} more."] if rest > 0 else []
    return " ".join([f"{counted}.", *quoted[:MOST_QUOTED], *more])


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    problem = library.problem()
    if problem is not None:
        module.fail_json(msg=missing_required_lib(library.REQUIREMENT), exception=problem)
    try:
        result = run(module.params)
    except DnsError as error:
        module.fail_json(msg=str(error), error=error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
