#!/usr/bin/python

# Copyright (c) 2026, the winops.kms authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: srv_record
short_description: Publish a KMS host in DNS
version_added: 0.1.0
author:
  - the winops.kms authors (@winops)
description:
  - Adds, changes or removes the record by which KMS clients find a KMS host, C(_vlmcs._tcp) in their DNS domain, by a
    dynamic update (RFC 2136) over TCP.
  - All KMS hosts of a domain share one record set. This module manages the record of one host in it and leaves the
    records of all others alone, also when several runs or hosts change the set at the same time. An update names
    what it was made for and is made again when the set has changed meanwhile.
  - It runs on the controller, or on any other machine that reaches the DNS server. Use C(delegate_to) with it in a play
    for Windows hosts.
extends_documentation_fragment:
  - winops.kms._attributes
attributes:
  check_mode:
    support: full
    details:
      - The record set is read and no update is sent. Whether the key may change the record is therefore only found out
        by a real run. That its name, secret and clock are right is found out in check mode too, since reading is signed
        as well.
  diff_mode:
    support: full
    details:
      - The whole record set before and after, as sorted lines of a zone file.
  idempotent:
    support: full
  platform:
    description: Target operating systems that can be acted upon.
    support: full
    platforms: posix
  action_group:
    description: Use C(group/winops.kms.dns) in C(module_defaults) to set options that these modules share.
    support: full
    membership:
      - winops.kms.dns
options:
  zone:
    description:
      - The zone to publish in, which is the DNS domain of the clients, with or without the final dot.
      - The record set is C(_vlmcs._tcp) in this domain. It must be a zone of its own on the server. If C(_tcp) in it is
        a zone of its own, that one is updated.
    type: str
    required: true
  target:
    description:
      - The fully qualified name of the KMS host, with or without the final dot. It must have an address record (RFC
        2782); this is not checked. A name without any dot, or an address, is refused.
      - The record of a host is identified by this name alone, in which case does not count.
    type: str
    required: true
  port:
    description:
      - The TCP port that the KMS host listens on.
      - With O(state=present) the default is V(1688). A KMS host listens on one port, so this is the port of the only
        record of the host. Records of the same O(target) with other ports are replaced.
      - With O(state=absent) and this option, only the record with this port is removed, and without it every record of
        the O(target).
    type: int
  priority:
    description:
      - The priority of the host, V(0) to V(65535). Clients that heed it prefer the lowest number.
      - Ignored with O(state=absent).
    type: int
    default: 0
  weight:
    description:
      - The weight of the host among those of the same priority, V(0) to V(65535).
      - Ignored with O(state=absent).
    type: int
    default: 0
  ttl:
    description:
      - How many seconds resolvers may keep the record.
      - All records of a set have the same (RFC 2181). If it is given, the records of other hosts get it too. Nothing
        else of them changes.
      - If it is not given, the record keeps its own, a new one gets that of the set, and the first record of a set gets
        V(3600).
      - Ignored with O(state=absent).
    type: int
  state:
    description:
      - Whether the host shall have a record.
    type: str
    choices: [present, absent]
    default: present
  server:
    description:
      - The name or the address (IPv4 or IPv6) of the zone's primary DNS server. It is both read and updated.
      - The default is the primary that the zone's SOA record names (MNAME), looked up by the resolver of the machine on
        which the module runs. Not every zone names a reachable one there.
    type: str
  server_port:
    description:
      - The TCP port of the DNS server.
    type: int
    default: 53
  tsig_key_name:
    description:
      - The name of the key that signs the requests (TSIG, RFC 8945), exactly as on the server.
      - Without a key, the server must allow updates by address.
    type: str
  tsig_key_secret:
    description:
      - The secret of O(tsig_key_name), in base64, as key files have it.
    type: str
  tsig_algorithm:
    description:
      - The algorithm of O(tsig_key_name), exactly as on the server.
    type: str
    choices:
      - hmac-sha224
      - hmac-sha256
      - hmac-sha256-128
      - hmac-sha384
      - hmac-sha384-192
      - hmac-sha512
      - hmac-sha512-256
    default: hmac-sha256
  timeout:
    description:
      - How many seconds to wait for a connection to the DNS server, and again for each of its answers.
    type: int
    default: 10
requirements:
  - dnspython >= 2.1 on the machine that runs the module
notes:
  - A KMS host publishes itself once a day unless that is switched off. A record that is removed here comes back as long
    as the host still does so. Switch it off with O(winops.kms.host#module:dns_publishing=false).
  - Windows DNS servers with secure dynamic updates alone accept no TSIG key.
seealso:
  - module: winops.kms.host
  - module: community.general.nsupdate
    description: Manages whole record sets of any type.
"""

EXAMPLES = r"""
- name: Publish this KMS host
  winops.kms.srv_record:
    zone: contoso.com
    target: kms01.contoso.com
    server: ns1.contoso.com
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  delegate_to: localhost

- name: Publish every KMS host of the group, the second one as a spare
  winops.kms.srv_record:
    zone: contoso.com
    target: "{{ item.name }}"
    priority: "{{ item.priority }}"
    ttl: 3600
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  loop:
    - {name: kms01.contoso.com, priority: 0}
    - {name: kms02.contoso.com, priority: 10}
  delegate_to: localhost
  run_once: true

- name: Take a KMS host out, whatever its port
  winops.kms.srv_record:
    zone: contoso.com
    target: kms01.contoso.com
    state: absent
    tsig_key_name: kms-publisher
    tsig_key_secret: "{{ vault_kms_publisher_secret }}"
  delegate_to: localhost
"""

RETURN = r"""
records:
  description:
    - The whole record set once the module was done, so the records of all KMS hosts; in check mode as it would be.
    - Sorted by target, port, priority and weight.
  returned: success
  type: list
  elements: dict
  contains:
    target:
      description: The host, without the final dot, in the case in which the server has it.
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
      description: The time to live in seconds.
      type: int
      sample: 3600
attempts:
  description:
    - How many updates were sent. V(0) if nothing had to be changed, and in check mode. More than V(1) if the set was
      changed by others at the same time or an answer was lost.
  returned: success
  type: int
  sample: 1
server:
  description: The DNS server that was read and updated.
  returned: success
  type: str
  sample: ns1.contoso.com
error:
  description: What went wrong.
  returned: failure
  type: dict
  contains:
    code:
      description:
        - The number of the DNS response code or of the TSIG error if the server has sent one, otherwise the same as
          RV(error.name).
      type: str
      sample: "16"
    name:
      description:
        - The symbol of the error. V(INVALID_OPTION) means that an option cannot be right and nothing was sent.
      type: str
      sample: BADSIG
    message:
      description: What happened, and where.
      type: str
      sample: >-
        While looking for the zone contoso.com: the DNS server ns1.contoso.com (192.0.2.53) at port 53 does not accept
        the signature of the request (NOTAUTH, BADSIG).
    remedy:
      description: The likely cause and the next step.
      type: str
      sample: >-
        The secret differs from the server's, so check tsig_key_secret; the TSIG key kms-publisher (hmac-sha256) itself
        is known there.
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ansible_collections.winops.kms.plugins.module_utils._dns import library
from ansible_collections.winops.kms.plugins.module_utils._dns.credentials import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    Credential,
    TsigCredential,
    Unsigned,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.errors import DnsError, InputError
from ansible_collections.winops.kms.plugins.module_utils._dns.exchange import Server
from ansible_collections.winops.kms.plugins.module_utils._dns.names import (
    server_name,
    target_name,
    zone_name,
)
from ansible_collections.winops.kms.plugins.module_utils._dns.update import Goal, ensure
from ansible_collections.winops.kms.plugins.module_utils._dns.zone import primary_of

ARGUMENTS: dict[str, dict[str, Any]] = {
    "zone": {"type": "str", "required": True},
    "target": {"type": "str", "required": True},
    "port": {"type": "int"},
    "priority": {"type": "int", "default": 0},
    "weight": {"type": "int", "default": 0},
    "ttl": {"type": "int"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "server": {"type": "str"},
    "server_port": {"type": "int", "default": 53},
    "tsig_key_name": {"type": "str", "no_log": False},
    "tsig_key_secret": {"type": "str", "no_log": True},
    "tsig_algorithm": {"type": "str", "choices": list(ALGORITHMS), "default": DEFAULT_ALGORITHM},
    "timeout": {"type": "int", "default": 10},
}

# Option -> lowest and highest value. The TTL is that of RFC 2181 section 8.
RANGES: dict[str, tuple[int, int]] = {
    "port": (1, 65535),
    "priority": (0, 65535),
    "weight": (0, 65535),
    "ttl": (0, 2**31 - 1),
    "server_port": (1, 65535),
    "timeout": (1, 3600),
}


def check_ranges(params: dict[str, Any]) -> None:
    """Raises InputError for the first number that is out of its range."""
    for option, (lowest, highest) in RANGES.items():
        value = params[option]
        if value is not None and not lowest <= value <= highest:
            raise InputError(option, f"{value} is out of range.", f"Give a number from {lowest} to {highest}.")


def goal_of(params: dict[str, Any]) -> Goal:
    """What the options ask for. Raises InputError."""
    zone = zone_name(params["zone"])
    return Goal(
        zone=zone,
        target=target_name(params["target"], zone),
        present=params["state"] == "present",
        port=params["port"],
        priority=params["priority"],
        weight=params["weight"],
        ttl=params["ttl"],
    )


def credential_of(params: dict[str, Any]) -> Credential:
    """The key of the options, or none; empty texts count as not given. Raises InputError."""
    if not params["tsig_key_name"] and not params["tsig_key_secret"]:
        return Unsigned()
    return TsigCredential(params["tsig_key_name"], params["tsig_key_secret"], params["tsig_algorithm"])


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """The result of the module. Raises DnsError; for what cannot be right, before anything is sent."""
    check_ranges(params)
    goal = goal_of(params)
    credential = credential_of(params)
    timeout = float(params["timeout"])
    host = server_name(params["server"]) if params["server"] else primary_of(goal.zone, timeout=timeout)
    server = Server(host, params["server_port"], timeout, credential)
    outcome = ensure(server, goal, check=check)
    return {
        "changed": outcome.changed,
        "records": [record.as_result() for record in outcome.records],
        "attempts": outcome.attempts,
        "server": host,
        "diff": {
            "before": outcome.before,
            "after": outcome.after,
            "before_header": goal.owner,
            "after_header": goal.owner,
        },
    }


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        required_together=[("tsig_key_name", "tsig_key_secret")],
        supports_check_mode=True,
    )
    problem = library.problem()
    if problem is not None:
        module.fail_json(msg=missing_required_lib(library.REQUIREMENT), exception=problem)
    try:
        result = run(module.params, check=module.check_mode)
    except DnsError as error:
        module.fail_json(msg=str(error), error=error.as_result())
    module.exit_json(**result)


if __name__ == "__main__":
    main()
